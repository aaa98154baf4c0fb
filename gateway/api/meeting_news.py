"""News of meetings to whoever is invited or leads: that one rings shows within a second.

Those that are over are not looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.seats import sites_of
from gateway.news import NewsWatch, VersionedRows
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

# So long is one that is over still told of.
_OVER_US = 10 * US_PER_S
_own = meeting_participants.c


@dataclass(frozen=True, slots=True)
class NewsSeat:
    """A seat of a meeting, as whoever may take it is told of it."""

    participant_id: str
    role: str
    state: str
    rung_us: int | None


@dataclass(frozen=True, slots=True)
class MeetingNews:
    """What has become of a meeting, and who may hear of it: people by their accounts, sites by the
    paths of their areas.
    """

    document: dict[str, Any]
    place: AreaPlace
    of_people: Mapping[str, NewsSeat]
    of_sites: Mapping[str, NewsSeat]

    def seats_of(self, principal: Principal) -> list[NewsSeat]:
        """The seats that somebody may take."""
        if Right.MEET not in principal.all_rights(now_us()):
            return []
        person = self.of_people.get(principal.user_id)
        sites = [self.of_sites[path] for path in sites_of(principal) if path in self.of_sites]
        return sites if person is None else [person, *sites]


def watch_meetings(reader: AsyncEngine) -> NewsWatch[MeetingNews]:
    """Tells of every meeting that is on or to come, and of one that has just ended."""
    rows = VersionedRows(reader, _recent, _read)
    return NewsWatch("meetings", rows.changed, rows.known)


def _recent() -> sa.Select[tuple[str, int]]:
    column = meetings.c
    return sa.select(column.id, column.version).where(
        sa.or_(
            column.state.in_(["scheduled", "running"]),
            column.ended_us > now_us() - _OVER_US,
        )
    )


async def _read(connection: AsyncConnection, ids: list[str]) -> dict[str, MeetingNews]:
    rows = (
        await connection.execute(
            sa.select(meetings, areas.c.path)
            .select_from(meetings.outerjoin(areas, areas.c.id == meetings.c.area_id))
            .where(meetings.c.id.in_(ids))
        )
    ).all()
    of_people: dict[str, dict[str, NewsSeat]] = {one: {} for one in ids}
    of_sites: dict[str, dict[str, NewsSeat]] = {one: {} for one in ids}
    for row in await connection.execute(
        sa.select(_own.meeting_id, _own.id, _own.kind, _own.subject, _own.role, _own.state,
                  _own.rung_us, areas.c.path)
        .select_from(meeting_participants.outerjoin(areas, areas.c.id == _own.area_id))
        .where(
            _own.meeting_id.in_(ids),
            _own.kind.in_(["person", "site"]),
            _own.state != "removed",
        )
        .order_by(_own.position, _own.id)
    ):  # fmt: skip
        seat = NewsSeat(row.id, row.role, row.state, row.rung_us)
        if row.kind == "person":
            of_people[row.meeting_id][row.subject] = seat
        elif row.path is not None:
            of_sites[row.meeting_id][row.path] = seat
    shown = ("title", "area_id", "state", "version", "scheduled_us", "reminded_us", "started_us",
             "end_reason")  # fmt: skip
    return {
        row.id: MeetingNews(
            {"meeting_id": row.id, **{name: row._mapping[name] for name in shown}},
            AreaPlace(row.path or ""),
            of_people[row.id],
            of_sites[row.id],
        )
        for row in rows
    }


class MeetingEar:
    """What one listener is told: each change that concerns them, once."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Any, ...]] = {}
        self._rung: dict[str, int] = {}

    def hear(self, principal: Principal, news: MeetingNews) -> dict[str, Any] | None:
        """The ``meeting`` event; None where nothing is new to them, or they may not know of it.

        Who leads the meeting's area hears of every change; who is invited of what is about the
        meeting or their own seats.
        """
        meeting_id = news.document["meeting_id"]
        seats = news.seats_of(principal)
        leads = authorize(principal, Right.CONVENE, news.place, now_us()).allowed
        if not seats and not leads:
            if self._told.pop(meeting_id, None) is None:
                return None
            # They were taken out of it.
            return {"type": "meeting", "event": "ended", "meeting_id": meeting_id, "seats": []}
        about = {**news.document, "version": news.document["version"] if leads else None}
        told = (tuple(about.items()), tuple(seats))
        if self._told.get(meeting_id) == told:
            return None
        self._told[meeting_id] = told
        if news.document["state"] in ("ended", "cancelled"):
            # Nothing more comes of it.
            self._told.pop(meeting_id)
            self._rung.pop(meeting_id, None)
        rung_us = max((one.rung_us or 0 for one in seats if one.state == "ringing"), default=0)
        event = "changed"
        if news.document["state"] in ("ended", "cancelled"):
            event = "ended"
        elif rung_us > self._rung.get(meeting_id, 0):
            self._rung[meeting_id] = rung_us
            event = "ring"
        return {
            "type": "meeting",
            "event": event,
            **news.document,
            "seats": [asdict(one) for one in seats],
        }
