"""Guests: people without an account, who come to a meeting by its link's code.

They wait until the chair lets them in. What they are given at the door is their own key: by it they
join, raise a hand and write, as long as they are in the meeting.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import client_address
from gateway.api.answers import Listing
from gateway.api.errors import ApiError, not_found
from gateway.api.meeting_access import find_participant
from gateway.api.meeting_answers import GuestAnswer, JoinAnswer
from gateway.api.meeting_chat import MessageAnswer, MessageForm, limit_saying, messages_for
from gateway.api.meeting_codes import meeting_of_code
from gateway.api.meeting_commands import changed
from gateway.api.meeting_joining import join_answer, running_shard, seat_ticket, seats
from gateway.api.services import Services, ServicesDep
from gateway.audit import AuditRecord
from gateway.audit import act as act_and_append
from gateway.database.meeting_tables import meeting_messages, meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import new_id
from gateway.people.sign_in import new_token, token_hash

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

# In a header: addresses are written into logs.
GuestToken = Annotated[str, Header(alias="X-Meeting-Guest", max_length=100)]


class GuestForm(BaseModel):
    """Who comes by the link, and its code."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    code: str = Field(min_length=1, max_length=40)
    name: str = Field(min_length=1, max_length=60)


class GuestKey(BaseModel):
    """What the guest was given at the door."""

    model_config = ConfigDict(extra="forbid")

    guest_token: str = Field(min_length=1, max_length=100)


class HandForm(BaseModel):
    """Up or down."""

    model_config = ConfigDict(extra="forbid")

    raised: bool


@router.post("/{meeting_id}/guests", status_code=201, response_model=GuestAnswer)
async def come_by_link(
    meeting_id: str, body: GuestForm, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Somebody without an account, by the link's code: they wait until the chair lets them in."""
    address = client_address(request)
    row = await meeting_of_code(services, address, meeting_id, body.code)
    token = new_token()
    participant_id = await act_and_append(
        services.rows,
        "meetings.guest",
        {"meeting_id": meeting_id, "name": body.name, "token_hash": token_hash(token)},
        [
            AuditRecord(
                "meeting.guest", address=address, area_path=row.path,
                detail={"meeting": meeting_id, "title": row.title, "name": body.name},
            )
        ],
        result_as="participant",
    )  # fmt: skip
    await changed(services, meeting_id)
    shown = ("id", "title", "state", "scheduled_us", "started_us")
    return {
        "guest_token": token,
        "participant_id": participant_id,
        "meeting": {name: row._mapping[name] for name in shown},
    }


@router.post(
    "/{meeting_id}/guests/join", response_model=JoinAnswer, response_model_exclude_none=True
)
async def join_as_guest(
    meeting_id: str, body: GuestKey, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """As whoever is invited joins, by a guest's key."""
    guest = await _guest(services, meeting_id, body.guest_token)
    shard = await running_shard(services, guest)
    # Each is on record, and a guest has no account that could be closed.
    wait_s = await services.guests_joining.take(guest.participant_id)
    if wait_s:
        message = f"you join too often: wait {wait_s} s"
        raise ApiError(429, "too_many_attempts", message, {"retry_after_s": wait_s})
    async with services.reader.connect() as connection:
        participant = await find_participant(connection, meeting_id, guest.participant_id)
    session_id = new_id("ses")
    seated = await services.rows.write(
        "meetings.join", meeting_id=meeting_id, participant_id=participant.id,
        session_id=session_id, viewing=None,
        records=[_record(request, guest, "join", session_id=session_id).to_message()],
        **await seats(services, shard),
    )  # fmt: skip
    ticket = seat_ticket(session_id, meeting_id, participant.id, user_id="", name=participant.name)
    return await join_answer(services, participant, ticket, seated)


@router.post("/{meeting_id}/guests/hand", status_code=204)
async def raise_hand_as_guest(
    meeting_id: str,
    body: HandForm,
    guest_token: GuestToken,
    request: Request,
    services: ServicesDep,
) -> None:
    """Ask to speak, or not any more."""
    guest = await _inside(services, meeting_id, guest_token)
    await limit_saying(services, guest.participant_id, meeting_id)
    await act_and_append(
        services.rows,
        "meetings.hand",
        {
            "meeting_id": meeting_id,
            "participant_id": guest.participant_id,
            "raised": body.raised,
        },
        [_record(request, guest, "hand", raised=body.raised)],
    )
    await changed(services, meeting_id)


@router.get("/{meeting_id}/guests/messages", response_model=Listing[MessageAnswer])
async def list_messages_as_guest(
    meeting_id: str,
    guest_token: GuestToken,
    services: ServicesDep,
    after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
) -> dict[str, Any]:
    """What was said in writing, to all or to this guest."""
    guest = await _inside(services, meeting_id, guest_token)
    own = guest.participant_id
    async with services.reader.connect() as connection:
        return {"items": await messages_for(connection, meeting_id, [own], None, after)}


@router.post("/{meeting_id}/guests/messages", status_code=201, response_model=MessageAnswer)
async def say_as_guest(
    meeting_id: str,
    body: MessageForm,
    guest_token: GuestToken,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Say something in writing."""
    guest = await _inside(services, meeting_id, guest_token)
    await limit_saying(services, guest.participant_id, meeting_id)
    if body.to_participant_id is not None:
        async with services.reader.connect() as connection:
            await find_participant(connection, meeting_id, body.to_participant_id)
    columns = {
        "participant_id": guest.participant_id,
        "user_id": None,
        "author": guest.guest_name,
        **body.model_dump(),
    }
    message_id = await act_and_append(
        services.rows,
        "meetings.say",
        {"meeting_id": meeting_id, "columns": columns},
        [_record(request, guest, "message", to=body.to_participant_id)],
        result_as="message",
    )
    await changed(services, meeting_id)
    only = meeting_messages.c.id == message_id
    async with services.reader.connect() as connection:
        own = [guest.participant_id]
        return (await messages_for(connection, meeting_id, own, None, 0, only))[0]


async def _guest(services: Services, meeting_id: str, guest_token: str) -> sa.Row[tuple[Any, ...]]:
    """The meeting, and which guest of it has this key. Raises ApiError 404."""
    table = meeting_participants.c
    statement = (
        sa.select(
            meetings,
            table.id.label("participant_id"),
            table.name.label("guest_name"),
            table.admitted_us,
            table.state.label("guest_state"),
            areas.c.path,
        )
        .select_from(
            meetings.join(meeting_participants, table.meeting_id == meetings.c.id).outerjoin(
                areas, areas.c.id == meetings.c.area_id
            )
        )
        .where(
            meetings.c.id == meeting_id,
            table.token_hash == token_hash(guest_token),
            table.kind == "guest",
            table.state != "removed",
        )
    )
    async with services.reader.connect() as connection:
        row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise not_found("meeting")
    return row


async def _inside(services: Services, meeting_id: str, guest_token: str) -> sa.Row[tuple[Any, ...]]:
    """As :func:`_guest`, of one who was let in and has not gone. Raises ApiError 409
    ``join_first``.
    """
    guest = await _guest(services, meeting_id, guest_token)
    if guest.admitted_us is None:
        raise ApiError(409, "join_first", "you were not let in yet")
    if guest.guest_state == "left":
        raise ApiError(409, "join_first", "you have left the meeting: come in again")
    return guest


def _record(
    request: Request, guest: sa.Row[tuple[Any, ...]], action: str, **detail: Any
) -> AuditRecord:
    return AuditRecord(
        f"meeting.{action}", address=client_address(request), area_path=guest.path,
        detail={
            "meeting": guest.id, "title": guest.title, "participant": guest.participant_id,
            "name": guest.guest_name, "guest": True, **detail,
        },
    )  # fmt: skip
