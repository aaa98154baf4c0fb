"""News of notices to whom they are for, and to who publishes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.notice_tables import notices
from gateway.identifiers import US_PER_S, now_us
from gateway.news import NewsWatch, VersionedRows
from gateway.notices.audience import homes_of, is_for
from gateway.notices.reading import is_current, manages, published_to
from gateway.people.authorize import AreaPlace, Principal

_OVER_US = 10 * US_PER_S


@dataclass(frozen=True, slots=True)
class NoticeNews:
    """What has become of a notice, and whom it is for."""

    notice_id: str
    version: int
    priority: str
    is_withdrawn: bool
    paths: tuple[str, ...]


def watch_notices(reader: AsyncEngine) -> NewsWatch[NoticeNews]:
    """Tells of every notice that holds, and of one that was withdrawn just now."""
    rows = VersionedRows(reader, _recent, _read)
    return NewsWatch("notices", rows.changed, rows.known)


def _recent() -> sa.Select[tuple[str, int]]:
    column, at_us = notices.c, now_us()
    return sa.select(column.id, column.version).where(
        column.until_us > at_us,
        sa.or_(is_current(at_us), column.withdrawn_us > at_us - _OVER_US),
    )


async def _read(connection: AsyncConnection, ids: list[str]) -> dict[str, NoticeNews]:
    rows = (await connection.execute(sa.select(notices).where(notices.c.id.in_(ids)))).all()
    to = await published_to(connection, ids)
    return {
        row.id: NoticeNews(
            row.id,
            row.version,
            row.priority,
            row.withdrawn_us is not None,
            tuple(one.now_path for one in to[row.id]),
        )
        for row in rows
    }


class NoticeEar:
    """What one listener is told: each change that concerns them, once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def hear(self, principal: Principal, news: NoticeNews) -> dict[str, Any] | None:
        """The ``notice`` event; None where nothing is new to them, or they may not know of it. Who
        publishes there hears of every receipt; others that it is there, and that it is withdrawn.
        """
        at_us = now_us()
        managed = manages(principal, news.paths, at_us)
        if not managed and not self._may_know(principal, news, at_us):
            return None
        event = "withdrawn" if news.is_withdrawn else "published"
        before = self._told.get(news.notice_id)
        if before == event:
            if not managed:
                return None
            event = "changed"
        else:
            self._told[news.notice_id] = event
        return {
            "type": "notice",
            "event": event,
            "notice_id": news.notice_id,
            "priority": news.priority,
        }

    def _may_know(self, principal: Principal, news: NoticeNews, at_us: int) -> bool:
        return is_for(homes_of(principal, at_us), news.paths) or any(
            principal.rights_at(AreaPlace(path), at_us) for path in news.paths
        )
