"""Taking a seat in a meeting: decided here, opened on the shard by a ticket within 30 s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.access import (
    CallerInPerson,
    act,
    audit_records,
    client_address,
    permitted_areas,
)
from gateway.api.errors import ApiError, not_found, unavailable
from gateway.api.meeting_access import (
    Seat,
    check_may_be,
    find_participant,
    find_seat,
    invited_to,
)
from gateway.api.meeting_answers import IceServerAnswer, JoinAnswer
from gateway.api.meeting_codes import meeting_of_code
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import TICKET_LIFETIME_S
from gateway.database.meeting_tables import meeting_participants
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.live.ice_servers import ice_access
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.settings import IceServer
from gateway.tickets import Ticket

router = APIRouter(prefix="/api/meetings", tags=["meetings"])


class JoinForm(BaseModel):
    """As whom; may be left out by who has one seat only. ``code``: of the link, by who has an
    account and was not invited; they wait in the lobby.
    """

    model_config = ConfigDict(extra="forbid")

    participant_id: str | None = Field(default=None, max_length=40)
    code: str | None = Field(default=None, min_length=1, max_length=40)


@router.post("/{meeting_id}/join", response_model=JoinAnswer, response_model_exclude_none=True)
async def join(
    meeting_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: JoinForm | None = None,
) -> dict[str, Any]:
    """Take the seat: who sat there in another browser gives it up."""
    wanted = body.participant_id if body is not None else None
    if body is not None and body.code is not None:
        await _come_by_code(services, request, caller, meeting_id, body.code)
    async with services.reader.connect() as connection:
        seat = await find_seat(connection, caller, meeting_id, waiting=True)
        if wanted is not None:
            participant = await find_participant(connection, meeting_id, wanted)
            if participant.id not in {one.id for one in seat.own}:
                raise not_found("participant")
        else:
            participant = _only(seat, caller)
    check_may_be(caller, participant)
    shard = await running_shard(services, seat.meeting)
    session_id = new_id("ses")
    detail = {
        "meeting": meeting_id, "title": seat.meeting.title, "participant": participant.id,
        "name": participant.name, "session_id": session_id,
    }  # fmt: skip
    seated = await services.rows.write(
        "meetings.join",
        meeting_id=meeting_id,
        participant_id=participant.id,
        session_id=session_id,
        viewing={
            "user_id": caller.user_id,
            "token_hash": caller.token_hash,
            "action": "meeting",
            "camera_ids": [],
        },
        records=[
            one.to_message()
            for one in audit_records(
                request, caller, "meeting.join", area=seat.place.area_path or None, detail=detail
            )
        ],
        **await seats(services, shard),
    )
    ticket = seat_ticket(
        session_id, meeting_id, participant.id, user_id=caller.user_id, name=caller.name
    )
    return await join_answer(services, participant, ticket, seated)


async def _come_by_code(
    services: Services, request: Request, caller: Principal, meeting_id: str, code: str
) -> None:
    """Give a seat to somebody who has the link's code, unless they are invited anyway."""
    permitted_areas(caller, Right.MEET)
    own = meeting_participants.c
    seats = (
        sa.select(own.id)
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == own.area_id))
        .where(own.meeting_id == meeting_id, invited_to(caller, waiting=True))
    )
    async with services.reader.connect() as connection:
        if (await connection.execute(seats)).first() is not None:
            return
    row = await meeting_of_code(services, client_address(request), meeting_id, code)
    name = caller.display_name or caller.name
    await act(
        services, request, caller, "meeting.by_link", "meetings.by_link",
        {"meeting_id": meeting_id, "user_id": caller.user_id, "name": name},
        area=row.path, result_as="participant",
        detail={"meeting": meeting_id, "title": row.title},
    )  # fmt: skip


def _only(seat: Seat, caller: Principal) -> sa.Row[tuple[Any, ...]]:
    current = seat.current(caller.user_id)
    if current is not None:
        return current
    if not seat.own:
        raise ApiError(
            409, "not_invited", "you lead this meeting and are not invited: invite yourself"
        )
    names = [{"participant_id": one.id, "name": one.name} for one in seat.own]
    raise ApiError(409, "choose_seat", "you may sit in several places: choose", {"seats": names})


async def running_shard(services: Services, meeting: sa.Row[tuple[Any, ...]]) -> str:
    """The shard that runs a meeting. Raises ApiError 409, 503."""
    if meeting.state != "running":
        over = meeting.state in ("ended", "cancelled")
        code = "meeting_over" if over else "meeting_not_running"
        raise ApiError(409, code, f"this meeting is {meeting.state}")
    shard: str | None = meeting.shard
    if shard is None or await services.processes.http_place(shard) is None:
        raise unavailable("this meeting is just being taken up by a media process: try again")
    return shard


async def seats(services: Services, home: str) -> dict[str, Any]:
    """Where somebody may be seated, as ``meetings.join`` takes it: at all shards that live."""
    processes = services.processes
    living = [name for name in await processes.living("shard") if await processes.http_place(name)]
    return {
        # Whether that lives was looked at a moment ago.
        "shards": sorted({*living, home}),
        "sites_per_shard": services.settings.meetings.sites_per_shard,
    }


def seat_ticket(
    session_id: str, meeting_id: str, participant_id: str, *, user_id: str, name: str
) -> Ticket:
    """For one seat, within 30 s; ``user_id`` is "" of a guest."""
    return Ticket(
        session_id=session_id,
        user_id=user_id,
        user_name=name,
        camera_ids=(),
        variant="main",
        action="meeting",
        start_us=None,
        end_us=None,
        expires_us=now_us() + TICKET_LIFETIME_S * US_PER_S,
        may_lift_masks=False,
        meeting_id=meeting_id,
        participant_id=participant_id,
    )


async def join_answer(
    services: Services,
    participant: sa.Row[tuple[Any, ...]],
    ticket: Ticket,
    seated: Mapping[str, str],
) -> dict[str, Any]:
    """Where to connect, of JoinAnswer; ``seated`` as ``meetings.join`` gives it. The ticket is for
    the shard where the seat is, and no other.
    """
    shard = seated["shard"]
    ticket = replace(ticket, relay=shard)
    # The shard's door looks at the rows when it does not know the session: hundreds who join at
    # once shall not have it look hundreds of times.
    services.meetings.look()
    query = urlencode({"ticket": services.signer.sign(ticket)})
    return {
        "url": f"/s/{shard}/meeting?{query}",
        "shard": shard,
        "session_id": ticket.session_id,
        "participant_id": participant.id,
        "role": participant.role,
        "state": seated["state"],
        "ice_servers": ice_servers(services.settings.webrtc.ice_servers, ticket.session_id),
    }


def ice_servers(servers: Sequence[IceServer], session_id: str) -> list[IceServerAnswer]:
    """STUN and TURN servers of the settings; over TURN with TLS come those whose UDP is closed."""
    return [IceServerAnswer(**asdict(one)) for one in ice_access(servers, session_id)]
