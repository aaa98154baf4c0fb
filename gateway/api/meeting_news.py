"""News of meetings to whoever is invited or leads: that one rings shows within a second.

What has changed is known by the meetings' versions, whoever changed them: a route, a shard, the
clock. Those that are over are not looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.seats import sites_of
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

_log = structlog.get_logger(__name__)

LOOKS_EVERY_S = 1.0
LOOKS_AT_MOST_EVERY_S = 0.25
"""Hundreds join within seconds, and everybody is told at each look."""
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


Listener = Callable[[MeetingNews], None]


class MeetingWatch:
    """Looks at versions, and tells listeners of those that are others."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._versions: dict[str, int] = {}
        self._news: dict[str, MeetingNews] = {}
        self._listeners: set[Listener] = set()
        self._asked: set[Callable[[frozenset[str]], None]] = set()
        self._wake = asyncio.Event()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have it called for every meeting that is on or to come, now and at each change."""
        self._listeners.add(listener)
        try:
            for news in tuple(self._news.values()):
                listener(news)
            yield
        finally:
            self._listeners.discard(listener)

    @contextmanager
    def asked(self, listener: Callable[[frozenset[str]], None]) -> Iterator[None]:
        """Have it called with the paths of the sites that are asked to test their devices."""
        self._asked.add(listener)
        try:
            yield
        finally:
            self._asked.discard(listener)

    def tell_asked(self, paths: frozenset[str]) -> None:
        """Somebody asks these sites to test their devices."""
        for listener in tuple(self._asked):
            listener(paths)

    def look(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look every second and when asked to, for ever; a failure is logged."""
        loop = asyncio.get_running_loop()
        while True:
            looked_s = loop.time()
            try:
                await self.look_once()
            except sa.exc.DBAPIError as error:
                _log.warning("news of meetings cannot be read", why=str(error))
            try:
                async with asyncio.timeout(LOOKS_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(max(0.0, looked_s + LOOKS_AT_MOST_EVERY_S - loop.time()))
            self._wake.clear()

    async def look_once(self) -> None:
        """Tell of what has changed since the last look."""
        recent = sa.or_(
            meetings.c.state.in_(["scheduled", "running"]),
            meetings.c.ended_us > now_us() - _OVER_US,
        )
        async with self._reader.connect() as connection:
            rows = await connection.execute(
                sa.select(meetings.c.id, meetings.c.version).where(recent)
            )
            versions = {row.id: row.version for row in rows}
            changed = [one for one, at in versions.items() if self._versions.get(one) != at]
            news = await _read(connection, changed) if changed else {}
        self._news = {one: self._news[one] for one in self._news if one in versions} | news
        self._versions = {one: versions[one] for one in self._news}
        for one in news.values():
            for listener in tuple(self._listeners):
                listener(one)


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
