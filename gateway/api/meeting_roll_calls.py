"""Roll calls 视频点名: the list is called in the order of the tree; sites answer, chairs tick."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import Response
from pydantic import Field

from gateway.api.access import Caller, CallerInPerson, record
from gateway.api.answers import Listing
from gateway.api.errors import ApiError, not_found
from gateway.api.forms import Form
from gateway.api.meeting_access import Seat, find_participant, find_seat, led_by
from gateway.api.meeting_commands import command
from gateway.api.meeting_floor import SeatForm, own_seat
from gateway.api.meeting_pictures import Sitter, keep_pictures
from gateway.api.meeting_sheets import Offset, sheet_answer
from gateway.api.roll_call_answers import (
    CalledSite,
    RollCallAnswer,
    RollCallPrint,
    RollCallSummary,
)
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import roll_calls
from gateway.database.tables import users
from gateway.meetings.board import roll_call_board
from gateway.meetings.reports import Language, roll_call_print, roll_call_rows
from gateway.people.authorize import Principal
from gateway.watermark import viewer_name

router = APIRouter(prefix="/api/meetings", tags=["meetings"])


class RollCallForm(Form):
    """Of an area and all below it, or of all; who came later than ``late_after_s`` is late."""

    area_id: str | None = Field(default=None, max_length=40)
    title: str = Field(default="", max_length=200)
    late_after_s: int = Field(default=300, ge=0, le=24 * 3600)


class CallForm(Form):
    """Which site; None: the next that was not called yet."""

    participant_id: str | None = Field(default=None, max_length=40)


class TickForm(Form):
    """The chair's word; None takes it back."""

    tick: Literal["present", "absent"] | None
    note: str = Field(default="", max_length=500)


@router.get("/{meeting_id}/roll-calls", response_model=Listing[RollCallSummary])
async def list_roll_calls(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Those of a meeting, the newest first."""
    names = ("id", "title", "area_id", "started_us", "ended_us", "current_id", "late_after_s")
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
        rows = await connection.execute(
            sa.select(roll_calls)
            .where(roll_calls.c.meeting_id == meeting_id)
            .order_by(roll_calls.c.started_us.desc(), roll_calls.c.id)
        )
        return {"items": [{name: row._mapping[name] for name in names} for row in rows]}


@router.post("/{meeting_id}/roll-calls", status_code=201, response_model=RollCallAnswer)
async def begin_roll_call(
    meeting_id: str,
    body: RollCallForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Begin one: the list is made now, in the order of the tree."""
    seat = await led_by(services, caller, meeting_id)
    roll_call_id = await command(
        services, request, caller, seat, "roll_call", "roll_calls.begin",
        {**body.model_dump(), "user_id": caller.user_id}, result_as="roll_call",
        **body.model_dump(exclude={"title"}),
    )  # fmt: skip
    return await roll_call_of(services, meeting_id, roll_call_id)


# Before the roll call itself: an id has no dot.
@router.get("/{meeting_id}/roll-calls/{roll_call_id}.xlsx", response_class=Response)
async def roll_call_sheet(
    meeting_id: str,
    roll_call_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    language: Language = "zh",
    utc_offset_minutes: Offset = 480,
) -> Response:
    """Its result as a sheet."""
    seat = await led_by(services, caller, meeting_id)
    board = await roll_call_of(services, meeting_id, roll_call_id)
    await record_roll_call(services, request, caller, seat, "roll_call_sheet", roll_call_id)
    rows = roll_call_rows(board, language, utc_offset_minutes)
    return await sheet_answer("roll-call", rows)


@router.get("/{meeting_id}/roll-calls/{roll_call_id}", response_model=RollCallAnswer)
async def read_roll_call(
    meeting_id: str, roll_call_id: str, caller: Caller, services: ServicesDep
) -> dict[str, Any]:
    """The board: every site on the list, and what it amounts to."""
    async with services.reader.connect() as connection:
        await find_seat(connection, caller, meeting_id)
    return await roll_call_of(services, meeting_id, roll_call_id)


@router.get("/{meeting_id}/roll-calls/{roll_call_id}/print", response_model=RollCallPrint)
async def print_roll_call(
    meeting_id: str,
    roll_call_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    language: Language = "zh",
    utc_offset_minutes: Offset = 480,
) -> dict[str, Any]:
    """What an A4 page of its result is laid out from."""
    seat = await led_by(services, caller, meeting_id)
    board = await roll_call_of(services, meeting_id, roll_call_id)
    async with services.reader.connect() as connection:
        by = await connection.scalar(
            sa.select(users.c.display_name)
            .join(roll_calls, roll_calls.c.started_by == users.c.id)
            .where(roll_calls.c.id == roll_call_id)
        )
    await record_roll_call(services, request, caller, seat, "roll_call_print", roll_call_id)
    return roll_call_print(board, by or "", language, utc_offset_minutes)


@router.post("/{meeting_id}/roll-calls/{roll_call_id}/call", response_model=CalledSite)
async def call_site(
    meeting_id: str,
    roll_call_id: str,
    body: CallForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    background: BackgroundTasks,
) -> dict[str, Any]:
    """Bring a site, or the next one, up before everybody; a picture of it is kept."""
    seat = await led_by(services, caller, meeting_id)
    await require_roll_call(services, meeting_id, roll_call_id)
    called: dict[str, Any] = await _act(
        services, request, caller, seat, "roll_call_call", "roll_calls.call", roll_call_id,
        {"participant_id": body.participant_id}, result_as="called",
    )  # fmt: skip
    if called["connected"] and seat.meeting.shard is not None:
        async with services.reader.connect() as connection:
            site = await find_participant(connection, meeting_id, called["participant_id"])
        sitters = [Sitter(site.id, site.name)]
        background.add_task(
            keep_pictures, services, seat.meeting.shard, meeting_id, roll_call_id, sitters,
            viewer_name(caller.name, caller.display_name),
        )  # fmt: skip
    return called


@router.post(
    "/{meeting_id}/roll-calls/{roll_call_id}/answers/{participant_id}",
    response_model=RollCallAnswer,
)
async def tick_site(
    meeting_id: str,
    roll_call_id: str,
    participant_id: str,
    body: TickForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """The chair's word on a site."""
    seat = await led_by(services, caller, meeting_id)
    await require_roll_call(services, meeting_id, roll_call_id)
    arguments = {
        "participant_id": participant_id, "word": body.tick, "note": body.note,
        "user_id": caller.user_id,
    }  # fmt: skip
    await _act(
        services, request, caller, seat, "roll_call_tick", "roll_calls.tick", roll_call_id,
        arguments, participant=participant_id, tick=body.tick,
    )  # fmt: skip
    return await roll_call_of(services, meeting_id, roll_call_id)


@router.post("/{meeting_id}/roll-calls/{roll_call_id}/end", response_model=RollCallAnswer)
async def end_roll_call(
    meeting_id: str,
    roll_call_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """It is over: who did not answer was absent."""
    seat = await led_by(services, caller, meeting_id)
    await require_roll_call(services, meeting_id, roll_call_id)
    await _act(services, request, caller, seat, "roll_call_end", "roll_calls.end", roll_call_id, {})
    return await roll_call_of(services, meeting_id, roll_call_id)


@router.post("/{meeting_id}/answer", status_code=204)
async def answer_roll_call(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: SeatForm | None = None,
) -> None:
    """到: somebody at the site says that they are there, once it was called."""
    wanted = body.participant_id if body is not None else None
    async with services.reader.connect() as connection:
        seat, row = await own_seat(connection, caller, meeting_id, wanted)
    answered = await command(
        services, request, caller, seat, "answer", "roll_calls.answer",
        {"participant_id": row.id}, result_as="roll_call", name=row.name,
    )  # fmt: skip
    if answered is None:
        raise ApiError(409, "not_called", "you were not called")


async def require_roll_call(services: Services, meeting_id: str, roll_call_id: str) -> None:
    """Raises ApiError 404 where it is no roll call of this meeting."""
    table = roll_calls.c
    statement = sa.select(table.id).where(table.id == roll_call_id, table.meeting_id == meeting_id)
    async with services.reader.connect() as connection:
        if await connection.scalar(statement) is None:
            raise not_found("roll call")


async def _act(
    services: Services,
    request: Request,
    caller: Principal,
    seat: Seat,
    action: str,
    operation: str,
    roll_call_id: str,
    arguments: dict[str, Any],
    *,
    result_as: str | None = None,
    **detail: Any,
) -> Any:
    return await command(
        services, request, caller, seat, action, operation,
        {"roll_call_id": roll_call_id, **arguments}, result_as=result_as,
        names_meeting=False, roll_call=roll_call_id, **detail,
    )  # fmt: skip


async def roll_call_of(services: Services, meeting_id: str, roll_call_id: str) -> dict[str, Any]:
    """The board of a roll call. Raises ApiError 404."""
    async with services.reader.connect() as connection:
        board = await roll_call_board(connection, meeting_id, roll_call_id)
    if board is None:
        raise not_found("roll call")
    return board


async def record_roll_call(
    services: Services,
    request: Request,
    caller: Principal,
    seat: Seat,
    action: str,
    roll_call_id: str,
    **detail: Any,
) -> None:
    """Put into the register what was done at a roll call, or looked at."""
    await record(
        services, request, caller, f"meeting.{action}", area=seat.place.area_path or None,
        meeting=seat.id, title=seat.meeting.title, roll_call=roll_call_id, **detail,
    )  # fmt: skip
