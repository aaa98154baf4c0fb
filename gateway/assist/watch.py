"""News of assist requests to who asked, who approves, and the clerks of the areas that are asked.

Those that are over are not looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.assist.states import IN_FORCE, path_now
from gateway.database.assist_tables import assist_areas, assist_requests
from gateway.database.evidence_tables import case_members
from gateway.database.tables import areas
from gateway.identifiers import US_PER_S, now_us
from gateway.news import NewsWatch, VersionedRows
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right

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


def watch_assist(reader: AsyncEngine) -> NewsWatch[AssistNews]:
    """Tells of every request that is in force, and of one that has just ended."""
    rows = VersionedRows(reader, _recent, _read)
    return NewsWatch("assist requests", rows.changed, rows.known)


def _recent() -> sa.Select[tuple[str, int]]:
    column = assist_requests.c
    return sa.select(column.id, column.version).where(
        sa.or_(column.state.in_(IN_FORCE), column.ended_us > now_us() - _OVER_US)
    )


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
