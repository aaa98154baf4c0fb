"""Meetings: called, found, changed, started, locked, ended."""

from __future__ import annotations

from typing import Annotated, Any, Self

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator

from gateway.api.access import Caller, CallerInPerson, act, permitted_area, require_full_sign_in
from gateway.api.answers import Listing
from gateway.api.errors import unavailable
from gateway.api.forms import Form
from gateway.api.meeting_access import find_seat, known_to, led_by
from gateway.api.meeting_answers import (
    InvitablePerson,
    LinkAnswer,
    MeetingAnswer,
    MeetingDetail,
    MeetingPage,
    MeetingState,
)
from gateway.api.meeting_commands import command
from gateway.api.meeting_documents import (
    meeting_document,
    meeting_documents,
    participant_documents,
    select_meetings,
)
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.codes import code_hash, new_code
from gateway.meetings.placing import least_busy
from gateway.meetings.telephone.codes import meeting_number, meeting_pin
from gateway.people.areas import area_names, within
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

_DAY_S = 24 * 3600
_LINK_S = 7 * _DAY_S
_PEOPLE_LIMIT = 100

Instant = Annotated[int, Field(ge=0, lt=2**62)]


class MeetingForm(Form):
    """A new meeting; without ``scheduled_us`` it is for now, and waits to be started."""

    title: str = Field(min_length=1, max_length=200)
    area_id: str = Field(max_length=40)
    scheduled_us: Instant | None = None
    planned_s: int = Field(default=3600, ge=60, le=_DAY_S)
    starts_itself: bool = True
    rings: bool = True
    lobby: bool = False
    muted_on_entry: bool = False
    records: bool = False


class MeetingChange(Form):
    """What changes; absent fields stay."""

    title: str = Field(default="", min_length=1, max_length=200)
    scheduled_us: Instant = 0
    planned_s: int = Field(default=3600, ge=60, le=_DAY_S)
    starts_itself: bool = False
    rings: bool = False
    lobby: bool = False
    muted_on_entry: bool = False
    records: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name what is to be changed")
        return self


class LinkForm(Form):
    """How long people may come by the link."""

    expires_in_s: int = Field(default=_DAY_S, ge=60, le=_LINK_S)


@router.get("", response_model=MeetingPage)
async def list_meetings(
    caller: Caller,
    services: ServicesDep,
    state: Annotated[list[MeetingState] | None, Query()] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Meetings that the caller may know of, the latest first."""
    table = meetings.c
    where = [known_to(caller), table.scheduled_us >= start_us, table.scheduled_us < end_us]
    if state:
        where.append(table.state.in_(state))
    if area_id is not None:
        where.append(table.area_id == area_id)
    if query.strip():
        where.append(table.title.icontains(query.strip(), autoescape=True))
    key = read_cursor(cursor, 2)
    if key is not None:
        after = sa.tuple_(cursor_number(key[0]), key[1])
        where.append(sa.tuple_(table.scheduled_us, table.id) < after)
    statement = (
        select_meetings()
        .where(*where)
        .order_by(table.scheduled_us.desc(), table.id.desc())
        .limit(limit + 1)
    )
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        page = rows[:limit]
        items = await meeting_documents(connection, caller, page)
    last = page[-1] if len(rows) > limit else None
    return {
        "items": items,
        "next_cursor": write_cursor((str(last.scheduled_us), last.id)) if last else None,
    }


@router.post("", status_code=201, response_model=MeetingAnswer)
async def call_meeting(
    body: MeetingForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Call a meeting of an area, and chair it."""
    require_full_sign_in(caller)
    async with services.reader.connect() as connection:
        area = await permitted_area(connection, caller, Right.CONVENE, body.area_id)
        home = await connection.scalar(
            sa.select(users.c.area_id).where(users.c.id == caller.user_id)
        )
    columns = body.model_dump()
    if body.scheduled_us is None:
        # It is started by who calls it, once everybody is invited.
        columns |= {"scheduled_us": now_us(), "starts_itself": False}
    chair = {
        "user_id": caller.user_id,
        "name": caller.display_name or caller.name,
        "area_id": home,
    }
    meeting_id = await act(
        services, request, caller, "meeting.create", "meetings.create",
        {"columns": {**columns, "created_by": caller.user_id}, "chair": chair},
        area=area, result_as="meeting", detail=columns,
    )  # fmt: skip
    services.meetings.look()
    return await _document(services, caller, meeting_id)


@router.get("/people", response_model=Listing[InvitablePerson])
async def list_people(
    caller: CallerInPerson,
    services: ServicesDep,
    query: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, Any]:
    """People whom the caller may invite by name: those at home where they convene."""
    statement = (
        sa.select(users.c.id, users.c.name, users.c.display_name, users.c.area_id, areas.c.path)
        .select_from(users.outerjoin(areas, areas.c.id == users.c.area_id))
        .where(users.c.deleted_us.is_(None), users.c.enabled, _invitable(caller))
        .order_by(users.c.display_name, users.c.id)
        .limit(_PEOPLE_LIMIT)
    )
    if query.strip():
        wanted = query.strip()
        statement = statement.where(
            users.c.display_name.icontains(wanted, autoescape=True)
            | users.c.name.icontains(wanted, autoescape=True)
        )
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        names = await area_names(connection, [row.path for row in rows if row.path])
    return {
        "items": [
            {
                "id": row.id,
                "name": row.name,
                "display_name": row.display_name,
                "area_id": row.area_id,
                "area_path": names.get(row.path or "", []),
            }
            for row in rows
        ]
    }


@router.get("/{meeting_id}", response_model=MeetingDetail)
async def read_meeting(
    meeting_id: str,
    caller: Caller,
    services: ServicesDep,
    own: Annotated[bool, Query()] = False,
) -> dict[str, Any]:
    """A meeting and everybody in it; ``own``: of them those as whom the caller may sit in it."""
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
        only = [meeting_participants.c.id.in_([one.id for one in seat.own])] if own else []
        return {
            **await meeting_document(connection, caller, meeting_id),
            "telephones": services.settings.meetings.sip.enabled,
            "participants": await participant_documents(connection, meeting_id, *only),
        }


@router.patch("/{meeting_id}", response_model=MeetingAnswer)
async def change_meeting(
    meeting_id: str,
    body: MeetingChange,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Change what it is called, when it begins, how it goes."""
    seat = await led_by(services, caller, meeting_id)
    given = body.model_dump(exclude_unset=True)
    await command(
        services, request, caller, seat, "change", "meetings.change", {"columns": given},
        **{name: value for name, value in given.items() if name != "title"},
    )  # fmt: skip
    return await _document(services, caller, meeting_id)


@router.delete("/{meeting_id}", status_code=204)
async def cancel_meeting(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """It will not take place; who is invited sees so."""
    seat = await led_by(services, caller, meeting_id)
    await command(services, request, caller, seat, "cancel", "meetings.cancel")


@router.post("/{meeting_id}/start", response_model=MeetingAnswer)
async def start_meeting(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Begin; who is invited rings."""
    seat = await led_by(services, caller, meeting_id)
    shard = await living_shard(services)
    if shard is None:
        raise unavailable("no media process is running: try again")
    arguments = {"shard": shard}
    await command(services, request, caller, seat, "start", "meetings.start", arguments)
    return await _document(services, caller, meeting_id)


@router.post("/{meeting_id}/end", response_model=MeetingAnswer)
async def end_meeting(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """End it for everybody."""
    seat = await led_by(services, caller, meeting_id)
    arguments = {"reason": "chair"}
    await command(services, request, caller, seat, "end", "meetings.end", arguments)
    return await _document(services, caller, meeting_id)


@router.post("/{meeting_id}/lock", response_model=MeetingAnswer)
async def lock_meeting(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Let nobody in any more but who was in already."""
    return await _lock(services, request, caller, meeting_id, locked=True)


@router.post("/{meeting_id}/unlock", response_model=MeetingAnswer)
async def unlock_meeting(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Let people in again."""
    return await _lock(services, request, caller, meeting_id, locked=False)


@router.post("/{meeting_id}/remind", response_model=MeetingAnswer)
async def remind(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Remind who is invited to one that is to come; call who is not there in one that runs."""
    seat = await led_by(services, caller, meeting_id)
    if seat.meeting.state == "running":
        arguments = {"participant_ids": None}
        await command(services, request, caller, seat, "ring", "meetings.ring", arguments)
    else:
        await command(services, request, caller, seat, "remind", "meetings.reminded")
    return await _document(services, caller, meeting_id)


@router.post("/{meeting_id}/link", status_code=201, response_model=LinkAnswer)
async def make_link(
    meeting_id: str,
    body: LinkForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """A code by which people without an account come to the lobby; the code before goes."""
    require_full_sign_in(caller)
    seat = await led_by(services, caller, meeting_id)
    code = new_code()
    expires_us = now_us() + body.expires_in_s * US_PER_S
    kept = code_hash(services.secret, meeting_id, code)
    await command(
        services, request, caller, seat, "link", "meetings.link",
        {"code_hash": kept, "expires_us": expires_us}, expires_us=expires_us,
    )  # fmt: skip
    # Behind the hash sign: it reaches no server's log.
    telephone = None
    if services.settings.meetings.sip.enabled:
        telephone = {
            "number": meeting_number(services.secret, meeting_id),
            "pin": meeting_pin(services.secret, meeting_id, kept),
        }
    return {
        "code": code, "path": f"/m/{meeting_id}#{code}", "expires_us": expires_us,
        "telephone": telephone,
    }  # fmt: skip


@router.delete("/{meeting_id}/link", status_code=204)
async def remove_link(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Nobody comes by the link any more; who is in stays."""
    seat = await led_by(services, caller, meeting_id)
    nothing = {"code_hash": None, "expires_us": None}
    await command(
        services, request, caller, seat, "link", "meetings.link", nothing, expires_us=None
    )


async def living_shard(services: Services, but: str | None = None) -> str | None:
    """A shard that can run a meeting: of those at hand, or else of all that live, the one that runs
    the least.
    """
    processes = services.processes
    names = [name for name in await processes.at_hand("shard") if name != but]
    names = names or [name for name in await processes.living("shard") if name != but]
    async with services.reader.connect() as connection:
        return await least_busy(connection, names)


async def _lock(
    services: Services, request: Request, caller: Principal, meeting_id: str, *, locked: bool
) -> dict[str, Any]:
    seat = await led_by(services, caller, meeting_id)
    arguments = {"locked": locked}
    await command(
        services, request, caller, seat, "lock", "meetings.lock", arguments, locked=locked
    )
    return await _document(services, caller, meeting_id)


async def _document(services: Services, caller: Principal, meeting_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        return await meeting_document(connection, caller, meeting_id)


def _invitable(caller: Principal) -> sa.ColumnElement[bool]:
    convening = caller.areas_with(Right.CONVENE, now_us())
    return sa.true() if "" in convening else within(areas.c.path, convening)
