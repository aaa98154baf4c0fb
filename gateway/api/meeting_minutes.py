"""A meeting's agenda, and its minutes: lines at moments of it, by which a recording is opened."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api.access import Caller, CallerInPerson
from gateway.api.answers import Listing, TimeUs
from gateway.api.forms import Form
from gateway.api.meeting_access import find_seat, led_by
from gateway.api.meeting_commands import command
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import meeting_agenda, meeting_minutes
from gateway.identifiers import now_us
from gateway.meetings.paper_rows import AGENDA_LIMIT
from gateway.people.authorize import Principal

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

MinuteKind = Literal["note", "decision", "task"]


class AgendaItemForm(Form):
    """An item; with ``id``, one that is there already."""

    id: str | None = Field(default=None, max_length=40)
    title: str = Field(min_length=1, max_length=200)
    speaker: str = Field(default="", max_length=200)
    planned_s: int | None = Field(default=None, ge=0, le=24 * 3600)


class AgendaForm(Form):
    """The whole agenda, in its order."""

    items: list[AgendaItemForm] = Field(max_length=AGENDA_LIMIT)


class AgendaItemAnswer(BaseModel):
    """An item, and when it was dealt with."""

    id: str
    title: str
    speaker: str
    planned_s: int | None
    started_us: TimeUs | None
    ended_us: TimeUs | None


class MinuteForm(Form):
    """A line of the minutes; without a time, of now."""

    text: str = Field(min_length=1, max_length=8000)
    kind: MinuteKind = "note"
    at_us: Annotated[int, Field(ge=0, lt=2**62)] | None = None
    agenda_id: str | None = Field(default=None, max_length=40)


class MinuteAnswer(BaseModel):
    """A line of the minutes, at its moment of the meeting."""

    id: str
    at_us: TimeUs
    kind: MinuteKind
    text: str
    agenda_id: str | None
    author: str
    changed_us: TimeUs


@router.get("/{meeting_id}/agenda", response_model=Listing[AgendaItemAnswer])
async def read_agenda(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What is to be dealt with, in order."""
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
    return await _agenda(services, meeting_id)


@router.put("/{meeting_id}/agenda", response_model=Listing[AgendaItemAnswer])
async def write_agenda(
    meeting_id: str,
    body: AgendaForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Another agenda; items whose ids are named keep when they were dealt with."""
    seat = await led_by(services, caller, meeting_id)
    items = [one.model_dump() for one in body.items]
    await command(
        services, request, caller, seat, "agenda", "meetings.agenda", {"items": items},
        items=[one.title for one in body.items],
    )  # fmt: skip
    return await _agenda(services, meeting_id)


@router.post("/{meeting_id}/agenda/{agenda_id}/start", response_model=Listing[AgendaItemAnswer])
async def deal_with(
    meeting_id: str, agenda_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Go on to this item; the one before is done."""
    seat = await led_by(services, caller, meeting_id)
    await command(
        services, request, caller, seat, "agenda_item", "meetings.agenda_item",
        {"item_id": agenda_id}, item=agenda_id,
    )  # fmt: skip
    return await _agenda(services, meeting_id)


@router.post("/{meeting_id}/agenda/stop", response_model=Listing[AgendaItemAnswer])
async def deal_with_none(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """The item that is dealt with is done, and none follows yet."""
    seat = await led_by(services, caller, meeting_id)
    await command(
        services, request, caller, seat, "agenda_item", "meetings.agenda_item",
        {"item_id": None}, item=None,
    )  # fmt: skip
    return await _agenda(services, meeting_id)


@router.get("/{meeting_id}/minutes", response_model=Listing[MinuteAnswer])
async def list_minutes(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The minutes, in the order of the moments that they speak of."""
    table = meeting_minutes.c
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
        rows = await connection.execute(
            sa.select(meeting_minutes)
            .where(table.meeting_id == meeting_id, table.removed_us.is_(None))
            .order_by(table.at_us, table.id)
        )
        return {"items": [dict(row._mapping) for row in rows]}


@router.post("/{meeting_id}/minutes", status_code=201, response_model=MinuteAnswer)
async def add_minute(
    meeting_id: str,
    body: MinuteForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """A line more; also when the meeting is over."""
    return await _write_minute(services, request, caller, meeting_id, None, body)


@router.put("/{meeting_id}/minutes/{minute_id}", response_model=MinuteAnswer)
async def change_minute(
    meeting_id: str,
    minute_id: str,
    body: MinuteForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Another wording of a line; without a time, at its own."""
    return await _write_minute(services, request, caller, meeting_id, minute_id, body)


@router.delete("/{meeting_id}/minutes/{minute_id}", status_code=204)
async def strike_minute(
    meeting_id: str,
    minute_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> None:
    """Strike a line."""
    seat = await led_by(services, caller, meeting_id)
    await command(
        services, request, caller, seat, "minute_strike", "meetings.strike_minute",
        {"minute_id": minute_id}, minute=minute_id,
    )  # fmt: skip


async def _write_minute(
    services: Services,
    request: Request,
    caller: Principal,
    meeting_id: str,
    minute_id: str | None,
    body: MinuteForm,
) -> dict[str, Any]:
    seat = await led_by(services, caller, meeting_id)
    columns: dict[str, Any] = body.model_dump()
    if body.at_us is None:
        del columns["at_us"]
    if minute_id is None:
        author = caller.display_name or caller.name
        columns = {"at_us": now_us(), **columns, "author": author, "user_id": caller.user_id}
    written = await command(
        services, request, caller, seat, "minute", "meetings.minute",
        {"minute_id": minute_id, "columns": columns}, result_as="minute", kind=body.kind,
    )  # fmt: skip
    statement = sa.select(meeting_minutes).where(meeting_minutes.c.id == written)
    async with services.reader.connect() as connection:
        return dict((await connection.execute(statement)).one()._mapping)


async def _agenda(services: Services, meeting_id: str) -> dict[str, Any]:
    table = meeting_agenda.c
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(meeting_agenda)
            .where(table.meeting_id == meeting_id)
            .order_by(table.position, table.id)
        )
        return {"items": [dict(row._mapping) for row in rows]}
