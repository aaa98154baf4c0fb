"""The chair's desk: who speaks, who is heard, who is seen, who is in; and hands that are raised.

Every command is a row first; the room does what the rows say (gateway/meetings). What a site may do
itself: raise and lower its hand, refuse a call, answer the roll call.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import CallerInPerson, act
from gateway.api.errors import ApiError, not_found
from gateway.api.forms import Form
from gateway.api.meeting_access import (
    Seat,
    check_may_be,
    find_led,
    find_participant,
    find_seat,
    led_by,
)
from gateway.api.meeting_answers import (
    Layout,
    MeetingAnswer,
    ParticipantAnswer,
    ParticipantRole,
    ShownKind,
)
from gateway.api.meeting_commands import changed, command, tell_shard
from gateway.api.meeting_documents import meeting_document, participant_documents
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import meeting_participants
from gateway.people.areas import area_path
from gateway.people.authorize import Principal

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

Command = Literal[
    "admit", "mute", "unmute", "remove", "ring", "give_floor", "take_floor", "unpin", "lower_hand"
]
# Command → row operation, and what it is told beside whom.
_OPERATIONS: dict[Command, tuple[str, dict[str, Any]]] = {
    "admit": ("meetings.admit", {}),
    "mute": ("meetings.mute", {"muted": True}),
    "unmute": ("meetings.mute", {"muted": False}),
    "remove": ("meetings.remove", {}),
    "ring": ("meetings.ring", {}),
    "give_floor": ("meetings.give_floor", {"given": True}),
    "take_floor": ("meetings.give_floor", {"given": False}),
    "unpin": ("meetings.pin", {"kind": None}),
    "lower_hand": ("meetings.hand", {"raised": False}),
}
_OF_MANY = frozenset({"meetings.admit", "meetings.mute", "meetings.ring"})


class RoleForm(Form):
    """Who becomes the chair takes it from the one before."""

    role: ParticipantRole


class PinForm(Form):
    """What of them is on everybody's screen."""

    kind: ShownKind = "camera"


class MuteForm(Form):
    """All but who leads; and who comes later."""

    muted: bool = True


class LayoutForm(Form):
    """What everybody's screen looks like."""

    layout: Layout


class PollingForm(Form):
    """Sites in turn, each ``interval_s``; None: not any more. Of an area and all below, or all."""

    interval_s: Annotated[int, Field(ge=3, le=600)] | None
    area_id: str | None = Field(default=None, max_length=40)


class SeatForm(Form):
    """As whom; may be left out by who has one seat only."""

    participant_id: str | None = Field(default=None, max_length=40)


class AdmitForm(Form):
    """Whom to let in; None: all who wait."""

    participant_ids: list[Annotated[str, Field(max_length=40)]] | None = Field(
        default=None, max_length=2000
    )


class RefusalForm(Form):
    """Why the call is not taken."""

    why: str = Field(default="", max_length=200)


@router.post("/{meeting_id}/participants/{participant_id}/role", response_model=ParticipantAnswer)
async def set_role(
    meeting_id: str,
    participant_id: str,
    body: RoleForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Make them a co-chair, a site, an observer; or hand over the chair."""
    seat, participant = await _led(services, caller, meeting_id, participant_id)
    await command(
        services, request, caller, seat, "role", "meetings.role",
        {"participant_id": participant_id, "role": body.role},
        participant=participant_id, name=participant.name, role=body.role,
    )  # fmt: skip
    return await _participant(services, meeting_id, participant_id)


@router.post("/{meeting_id}/participants/{participant_id}/pin", response_model=ParticipantAnswer)
async def pin(
    meeting_id: str,
    participant_id: str,
    body: PinForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Put them on everybody's screen."""
    seat, participant = await _led(services, caller, meeting_id, participant_id)
    await command(
        services, request, caller, seat, "pin", "meetings.pin",
        {"participant_id": participant_id, "kind": body.kind},
        participant=participant_id, name=participant.name, kind=body.kind,
    )  # fmt: skip
    return await _participant(services, meeting_id, participant_id)


@router.post("/{meeting_id}/participants/{participant_id}/refuse", response_model=ParticipantAnswer)
async def refuse_call(
    meeting_id: str,
    participant_id: str,
    body: RefusalForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Not take the call: nothing was sent from here, and the chair sees why."""
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id)
        participant = await find_participant(connection, meeting_id, participant_id)
    if participant.id not in {one.id for one in seat.own}:
        raise not_found("participant")
    check_may_be(caller, participant)
    await _record_refusal(services, request, caller, seat, participant, body.why)
    return await _participant(services, meeting_id, participant_id)


@router.post(
    "/{meeting_id}/participants/{participant_id}/{command_name}", response_model=ParticipantAnswer
)
async def command_participant(
    meeting_id: str,
    participant_id: str,
    command_name: Command,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Let in, mute, give the floor, call, take out: one participant."""
    seat, participant = await _led(services, caller, meeting_id, participant_id)
    operation, arguments = _OPERATIONS[command_name]
    whom: dict[str, Any] = (
        {"participant_ids": [participant_id]}
        if operation in _OF_MANY
        else {"participant_id": participant_id}
    )
    if command_name == "admit":
        whom["user_id"] = caller.user_id
    result = await command(
        services, request, caller, seat, command_name, operation, {**whom, **arguments},
        participant=participant_id, name=participant.name,
    )  # fmt: skip
    if command_name == "remove" and result is not None and seat.meeting.shard is not None:
        # The room has seen it in the row; this is for a room that has not.
        await tell_shard(services, seat.meeting.shard, "meetings.revoke", session_ids=[result])
    return await _participant(services, meeting_id, participant_id)


@router.post("/{meeting_id}/admit", response_model=MeetingAnswer)
async def admit(
    meeting_id: str,
    body: AdmitForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Let in several, or all who wait."""
    own = meeting_participants.c
    async with services.reader.connect() as connection:
        seat = await find_led(connection, caller, meeting_id)
        ids = body.participant_ids
        if ids is None:
            waiting = sa.select(own.id).where(own.meeting_id == meeting_id, own.state == "lobby")
            ids = list(await connection.scalars(waiting))
    await command(
        services, request, caller, seat, "admit", "meetings.admit",
        {"participant_ids": ids, "user_id": caller.user_id}, participants=len(ids),
    )  # fmt: skip
    return await _meeting(services, caller, meeting_id)


@router.post("/{meeting_id}/mute_all", response_model=MeetingAnswer)
async def mute_all(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: MuteForm | None = None,
) -> dict[str, Any]:
    """Forward nothing of anybody's sound but of who leads, or again."""
    muted = body.muted if body is not None else True
    seat = await led_by(services, caller, meeting_id)
    await command(
        services, request, caller, seat, "mute_all", "meetings.mute",
        {"participant_ids": None, "muted": muted}, muted=muted,
    )  # fmt: skip
    return await _meeting(services, caller, meeting_id)


@router.post("/{meeting_id}/layout", response_model=MeetingAnswer)
async def set_layout(
    meeting_id: str,
    body: LayoutForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """What everybody's screen looks like."""
    seat = await led_by(services, caller, meeting_id)
    arguments = {"layout": body.layout}
    await command(
        services, request, caller, seat, "layout", "meetings.layout", arguments, layout=body.layout
    )
    return await _meeting(services, caller, meeting_id)


@router.post("/{meeting_id}/polling", response_model=MeetingAnswer)
async def poll(
    meeting_id: str,
    body: PollingForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """轮巡: show the sites of an area in turn, or stop."""
    async with services.reader.connect() as connection:
        seat = await find_led(connection, caller, meeting_id)
        if body.area_id is not None and await area_path(connection, body.area_id) is None:
            raise not_found("area")
    arguments = body.model_dump()
    await command(
        services, request, caller, seat, "polling", "meetings.polling", arguments, **arguments
    )
    return await _meeting(services, caller, meeting_id)


@router.post("/{meeting_id}/raise_hand", response_model=ParticipantAnswer)
async def raise_hand(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: SeatForm | None = None,
) -> dict[str, Any]:
    """Ask to speak."""
    return await _hand(services, request, caller, meeting_id, body, raised=True)


@router.post("/{meeting_id}/lower_hand", response_model=ParticipantAnswer)
async def lower_hand(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: SeatForm | None = None,
) -> dict[str, Any]:
    """Not any more."""
    return await _hand(services, request, caller, meeting_id, body, raised=False)


@router.post("/{meeting_id}/lower_hands", response_model=MeetingAnswer)
async def lower_hands(
    meeting_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """All hands down."""
    seat = await led_by(services, caller, meeting_id)
    nobody = {"participant_id": None, "raised": False}
    await command(services, request, caller, seat, "lower_hands", "meetings.hand", nobody)
    return await _meeting(services, caller, meeting_id)


async def own_seat(
    connection: AsyncConnection, caller: Principal, meeting_id: str, wanted: str | None
) -> tuple[Seat, sa.Row[tuple[Any, ...]]]:
    """The meeting, and as whom the caller sits in it. Raises ApiError 404, 409 ``join_first``."""
    seat = await find_seat(connection, caller, meeting_id)
    row = seat.current(caller.user_id)
    if wanted is not None:
        row = next((one for one in seat.own if one.id == wanted), None)
    if row is None or row.user_id != caller.user_id:
        raise ApiError(409, "join_first", "join the meeting first")
    check_may_be(caller, row)
    return seat, row


async def _hand(
    services: Services,
    request: Request,
    caller: Principal,
    meeting_id: str,
    body: SeatForm | None,
    *,
    raised: bool,
) -> dict[str, Any]:
    wanted = body.participant_id if body is not None else None
    async with services.reader.connect() as connection:
        seat, row = await own_seat(connection, caller, meeting_id, wanted)
    await command(
        services, request, caller, seat, "hand", "meetings.hand",
        {"participant_id": row.id, "raised": raised}, name=row.name, raised=raised,
    )  # fmt: skip
    return await _participant(services, meeting_id, row.id)


async def _record_refusal(
    services: Services,
    request: Request,
    caller: Principal,
    seat: Seat,
    participant: sa.Row[tuple[Any, ...]],
    why: str,
) -> None:
    if seat.meeting.state != "running" or participant.state not in ("ringing", "invited"):
        raise ApiError(409, "conflict", "nobody is calling")
    await act(
        services, request, caller, "meeting.refuse", "meetings.refused_call",
        {"participant_id": participant.id, "why": why},
        area=seat.place.area_path or None,
        detail={"meeting": seat.id, "title": seat.meeting.title, "name": participant.name,
                "why": why},
    )  # fmt: skip
    await changed(services, seat.id)


async def _led(
    services: Services, caller: Principal, meeting_id: str, participant_id: str
) -> tuple[Seat, sa.Row[tuple[Any, ...]]]:
    async with services.reader.connect() as connection:
        seat = await find_led(connection, caller, meeting_id)
        return seat, await find_participant(connection, meeting_id, participant_id)


async def _participant(services: Services, meeting_id: str, participant_id: str) -> dict[str, Any]:
    only = meeting_participants.c.id == participant_id
    async with services.reader.connect() as connection:
        return (await participant_documents(connection, meeting_id, only))[0]


async def _meeting(services: Services, caller: Principal, meeting_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        return await meeting_document(connection, caller, meeting_id)
