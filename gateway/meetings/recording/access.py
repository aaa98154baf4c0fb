"""Who may watch a meeting's recordings: who leads meetings of its area, who led this one, and to
whom it was passed on, until that expires.

Pure but for reading the rows; asked when a recording is opened, and every moment while it plays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import (
    meeting_participants,
    meeting_passes,
    meeting_recordings,
    meetings,
)
from gateway.database.tables import areas
from gateway.meetings.kinds import LEADING
from gateway.people.authorize import AreaPlace, Place, Principal
from gateway.people.roles import Right


@dataclass(frozen=True, slots=True)
class Viewer:
    """An account and what it holds now: ``rights`` anywhere, ``rights_at`` a place."""

    user_id: str
    rights: Collection[Right]
    rights_at: Callable[[Place], Collection[Right]]

    @classmethod
    def of(cls, principal: Principal, at_us: int) -> Viewer:
        """Somebody who has signed in."""
        rights = principal.all_rights(at_us)
        return cls(principal.user_id, rights, lambda place: principal.rights_at(place, at_us))


@dataclass(frozen=True, slots=True)
class Recorded:
    """One meeting, as far as watching it later goes. ``passed_to``: areas to which it was passed on
    and where that holds now; ``live_to``: those of them that may watch it while it runs.
    ``recorded_now``: it is still being recorded.
    """

    meeting_id: str
    place: AreaPlace
    led_by: frozenset[str]
    passed_to: tuple[AreaPlace, ...] = ()
    live_to: tuple[AreaPlace, ...] = ()
    recorded_now: bool = False

    def leads(self, viewer: Viewer) -> bool:
        """Whether they decide about the recordings. Who led it does as long as they may meet."""
        if Right.CONVENE in viewer.rights_at(self.place):
            return True
        return viewer.user_id in self.led_by and Right.MEET in viewer.rights

    def knows(self, viewer: Viewer) -> bool:
        """Whether they may know of them: they watch them now, or when the meeting is over."""
        return self.leads(viewer) or _meets_in(viewer, self.passed_to)

    def watches(self, viewer: Viewer) -> bool:
        """Whether they may watch them now: while the meeting is being recorded, what was passed on
        ``live`` alone.
        """
        passed_to = self.live_to if self.recorded_now else self.passed_to
        return self.leads(viewer) or _meets_in(viewer, passed_to)


def _meets_in(viewer: Viewer, places: Collection[AreaPlace]) -> bool:
    return any(Right.MEET in viewer.rights_at(one) for one in places)


async def read_recorded(
    connection: AsyncConnection, meeting_ids: Collection[str], at_us: int
) -> dict[str, Recorded]:
    """The meetings with these ids; unknown ones are left out."""
    if not meeting_ids:
        return {}
    rows = await connection.execute(
        sa.select(meetings.c.id, areas.c.path)
        .select_from(meetings.outerjoin(areas, areas.c.id == meetings.c.area_id))
        .where(meetings.c.id.in_(meeting_ids))
    )
    # Of an area that is gone, the meetings are the county's.
    places = {row.id: AreaPlace(row.path or "") for row in rows}
    led: dict[str, set[str]] = {one: set() for one in places}
    own = meeting_participants.c
    leading = await connection.execute(
        sa.select(own.meeting_id, own.user_id).where(
            own.meeting_id.in_(places),
            own.kind == "person",
            own.role.in_(LEADING),
            own.state != "removed",
        )
    )
    for meeting_id, user_id in leading:
        if user_id is not None:
            led[meeting_id].add(user_id)
    passed: dict[str, list[tuple[AreaPlace, bool]]] = {one: [] for one in places}
    table = meeting_passes.c
    passes = await connection.execute(
        sa.select(table.meeting_id, table.live, areas.c.path)
        .join(areas, areas.c.id == table.area_id)
        .where(table.meeting_id.in_(places), table.revoked_us.is_(None), table.expires_us > at_us)
    )
    for meeting_id, live, path in passes:
        passed[meeting_id].append((AreaPlace(path), live))
    running = meeting_recordings.c
    recorded_now = set(
        await connection.scalars(
            sa.select(running.meeting_id).where(
                running.meeting_id.in_(places), running.ended_us.is_(None)
            )
        )
    )
    return {
        one: Recorded(
            one,
            place,
            frozenset(led[one]),
            tuple(area for area, _ in passed[one]),
            tuple(area for area, live in passed[one] if live),
            one in recorded_now,
        )
        for one, place in places.items()
    }
