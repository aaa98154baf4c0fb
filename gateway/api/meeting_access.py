"""Who may know of a meeting, who takes part in it, and who leads it.

Somebody knows of a meeting who is invited to it (a person by name, a site by a grant in its very
area that carries the right to meet: who watches a whole county is not each of its villages), or who
convenes in its area. To everybody else it is not there, and nor is it to who came by the link's
code, until they are let in. Who leads: its chair and co-chairs, and who convenes in its area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import check, not_there, permitted_areas
from gateway.api.errors import AccessRefused, ApiError, not_found
from gateway.api.services import Services
from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.meetings.kinds import BY_LINK, LEADING
from gateway.meetings.seats import sites_of
from gateway.people.areas import within
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

_own = meeting_participants.c


@dataclass(frozen=True, slots=True)
class Seat:
    """A meeting, and what the caller is in it. ``own``: the participants that they may be."""

    meeting: sa.Row[tuple[Any, ...]]
    place: AreaPlace
    convenes: bool
    own: Sequence[sa.Row[tuple[Any, ...]]]

    @property
    def id(self) -> str:
        """Of the meeting."""
        return str(self.meeting.id)

    def leads(self, user_id: str) -> bool:
        """Whether this account leads. A site leads by whoever joined for it last."""
        return self.convenes or any(
            one.role in LEADING and one.user_id == user_id for one in self.own
        )

    def current(self, user_id: str) -> sa.Row[tuple[Any, ...]] | None:
        """As whom they take part: where they joined, else where they would."""
        joined = [one for one in self.own if one.user_id == user_id and one.session_id is not None]
        mine = joined or [one for one in self.own if one.kind == "person"]
        if mine:
            return mine[0]
        return self.own[0] if len(self.own) == 1 else None


def invited_to(caller: Principal, *, waiting: bool = False) -> sa.ColumnElement[bool]:
    """On ``meeting_participants`` joined with ``areas`` by its own area: those that the caller may
    be. ``waiting``: also where the link's code brought them no further than the lobby.
    """
    if not caller.areas_with(Right.MEET, now_us()):
        return sa.false()
    return sa.and_(
        _own.state != "removed",
        # The code opens the lobby; to what is said and kept in the meeting, its chair lets in.
        sa.true()
        if waiting
        else sa.or_(_own.invited_by.is_distinct_from(BY_LINK), _own.admitted_us.is_not(None)),
        sa.or_(
            sa.and_(_own.kind == "person", _own.subject == caller.user_id),
            sa.and_(_own.kind == "site", areas.c.path.in_(sites_of(caller))),
        ),
    )


def known_to(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``meetings``: those that the caller may know of."""
    of_area = areas.alias("of_area")
    convened = sa.select(of_area.c.id).where(
        within(of_area.c.path, caller.areas_with(Right.CONVENE, now_us()))
    )
    invited = (
        sa.select(_own.meeting_id)
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
        .where(invited_to(caller))
    )
    return sa.or_(meetings.c.area_id.in_(convened), meetings.c.id.in_(invited))


async def find_seat(
    connection: AsyncConnection, caller: Principal, meeting_id: str, *, waiting: bool = False
) -> Seat:
    """The meeting, and what the caller is in it; ``waiting`` as in :func:`invited_to`. Raises
    ApiError 404.
    """
    row = (
        await connection.execute(
            sa.select(meetings, areas.c.path.label("area_path"))
            .select_from(meetings.outerjoin(areas, areas.c.id == meetings.c.area_id))
            .where(meetings.c.id == meeting_id)
        )
    ).one_or_none()
    if row is None:
        raise not_found("meeting")
    # Of an area that is gone, the meetings are the county's.
    place = AreaPlace(row.area_path or "")
    convenes = authorize(caller, Right.CONVENE, place, now_us()).allowed
    own = (
        await connection.execute(
            sa.select(meeting_participants, areas.c.path.label("area_path"))
            .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
            .where(_own.meeting_id == meeting_id, invited_to(caller, waiting=waiting))
            .order_by(_own.position, _own.id)
        )
    ).all()
    if not convenes and not own:
        raise AccessRefused(not_there(), caller, Right.MEET, place)
    return Seat(row, place, convenes, own)


async def find_led(connection: AsyncConnection, caller: Principal, meeting_id: str) -> Seat:
    """The meeting, if the caller leads it. Raises ApiError 404, 403."""
    seat = await find_seat(connection, caller, meeting_id)
    if not seat.leads(caller.user_id):
        refusal = ApiError(403, "not_allowed", "only who leads this meeting may do this")
        raise AccessRefused(refusal, caller, Right.CONVENE, seat.place)
    return seat


async def led_by(services: Services, caller: Principal, meeting_id: str) -> Seat:
    """As :func:`find_led`, for who reads nothing else."""
    async with services.reader.connect() as connection:
        return await find_led(connection, caller, meeting_id)


def check_may_be(caller: Principal, participant: sa.Row[tuple[Any, ...]]) -> None:
    """Raises ApiError where the caller may not take this seat."""
    if participant.kind == "site":
        check(caller, Right.MEET, AreaPlace(participant.area_path or ""))
    else:
        permitted_areas(caller, Right.MEET)


async def find_participant(
    connection: AsyncConnection, meeting_id: str, participant_id: str
) -> sa.Row[tuple[Any, ...]]:
    """One who takes part. Raises ApiError 404."""
    statement = (
        sa.select(meeting_participants, areas.c.path.label("area_path"))
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
        .where(_own.id == participant_id, _own.meeting_id == meeting_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise not_found("participant")
    return row
