"""News of assist requests to who asked, who approves, and the clerks of the areas that are asked.

What has changed is known by the requests' versions, whoever changed them: a route, a report of what
was played, the sweep. Those that are over are not looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.assist.states import IN_FORCE, path_now
from gateway.database.assist_tables import assist_areas, assist_requests
from gateway.database.evidence_tables import case_members
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

_log = structlog.get_logger(__name__)

LOOKS_EVERY_S = 1.0
_OVER_US = 10 * US_PER_S


@dataclass(frozen=True, slots=True)
class AskedArea:
    """An area of a request: where it lies, what it answered, when it was reminded."""

    path: str
    state: str
    reminded_us: int | None


@dataclass(frozen=True, slots=True)
class AssistNews:
    """What has become of a request, and what decides who may hear of it."""

    request_id: str
    version: int
    state: str
    title: str
    deadline_us: int
    created_by: str
    members: frozenset[str]
    areas: tuple[AskedArea, ...]


Listener = Callable[[AssistNews], None]


class AssistWatch:
    """Looks at versions, and tells listeners of those that are others."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._news: dict[str, AssistNews] = {}
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have it called for every request that is in force, now and at each change."""
        self._listeners.add(listener)
        try:
            for news in tuple(self._news.values()):
                listener(news)
            yield
        finally:
            self._listeners.discard(listener)

    def look(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look every second and when asked to, for ever; a failure is logged."""
        while True:
            try:
                await self.look_once()
            except sa.exc.DBAPIError as error:
                _log.warning("news of assist requests cannot be read", why=str(error))
            try:
                async with asyncio.timeout(LOOKS_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def look_once(self) -> None:
        """Tell of what has changed since the last look."""
        table = assist_requests.c
        recent = sa.or_(table.state.in_(IN_FORCE), table.ended_us > now_us() - _OVER_US)
        async with self._reader.connect() as connection:
            rows = await connection.execute(sa.select(table.id, table.version).where(recent))
            versions = {row.id: row.version for row in rows}
            changed = [
                one
                for one, version in versions.items()
                if one not in self._news or self._news[one].version != version
            ]
            news = await _read(connection, changed) if changed else {}
        self._news = {one: self._news[one] for one in self._news if one in versions} | news
        for one in news.values():
            for listener in tuple(self._listeners):
                listener(one)


async def _read(connection: AsyncConnection, ids: list[str]) -> dict[str, AssistNews]:
    rows = (
        await connection.execute(sa.select(assist_requests).where(assist_requests.c.id.in_(ids)))
    ).all()
    members: dict[str, set[str]] = {}
    for row in await connection.execute(
        sa.select(case_members.c.case_id, case_members.c.user_id).where(
            case_members.c.case_id.in_({row.case_id for row in rows})
        )
    ):
        members.setdefault(row.case_id, set()).add(row.user_id)
    asked: dict[str, list[AskedArea]] = {one: [] for one in ids}
    own = assist_areas.c
    for row in await connection.execute(
        sa.select(own.request_id, own.state, own.reminded_us, path_now().label("path"))
        .select_from(assist_areas.outerjoin(areas, areas.c.id == own.area_id))
        .where(own.request_id.in_(ids))
        .order_by(own.area_id)
    ):
        asked[row.request_id].append(AskedArea(row.path, row.state, row.reminded_us))
    return {
        row.id: AssistNews(
            row.id,
            row.version,
            row.state,
            row.title,
            row.deadline_us,
            row.created_by,
            frozenset(members.get(row.case_id, ())),
            tuple(asked[row.id]),
        )
        for row in rows
    }


class AssistEar:
    """What one listener is told: each change that concerns them, once."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Any, ...]] = {}
        self._urged: dict[str, int] = {}

    def hear(self, principal: Principal, news: AssistNews) -> dict[str, Any] | None:
        """The ``assist`` event; None where nothing is new to them, or they may not know of it.
        Who asked, members of the case and who approves hear of every change; clerks of what is
        about the request or their own areas, while it is open.
        """
        at_us = now_us()
        own = tuple(
            one
            for one in news.areas
            if authorize(principal, Right.PLAYBACK, AreaPlace(one.path), at_us).allowed
        )
        manages = principal.user_id == news.created_by or principal.user_id in news.members
        if not manages:
            manages = bool(news.areas) and all(
                authorize(principal, Right.APPROVE, AreaPlace(one.path), at_us).allowed
                for one in news.areas
            )
        is_open = news.state == "open" and news.deadline_us > at_us
        is_asked = is_open and bool(own)
        knows_of = news.request_id in self._told
        if not manages and not is_asked and not knows_of:
            return None
        told = (news.state, news.deadline_us, own, news.version if manages else None)
        if self._told.get(news.request_id) == told:
            return None
        self._told[news.request_id] = told
        waiting = is_open and any(one.state == "asked" for one in own)
        urged_us = max((one.reminded_us or 1 for one in own if one.state == "asked"), default=0)
        event = "changed"
        if news.state not in IN_FORCE:
            event = "ended"
            self._told.pop(news.request_id)
        elif waiting and urged_us > self._urged.get(news.request_id, 0):
            event = "asked" if news.request_id not in self._urged else "reminded"
            self._urged[news.request_id] = urged_us
        return {
            "type": "assist",
            "event": event,
            "request_id": news.request_id,
            "state": news.state,
            "title": news.title if manages or is_asked else None,
            "deadline_us": news.deadline_us,
        }
