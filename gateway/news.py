"""News of rows to whoever listens: what has changed shows within a second.

What has changed is known by the rows themselves, whoever changed them: a route, another process,
the clock. Whoever has just changed one says so by ``look`` and need not wait for the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_log = structlog.get_logger(__name__)

LOOKS_EVERY_S = 1.0
LOOKS_AT_MOST_EVERY_S = 0.25
"""Hundreds change rows within seconds, and everybody is told at each look."""

News = TypeVar("News")


class Listeners(Generic[News]):
    """Those who are told."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[News], None]] = set()

    def __bool__(self) -> bool:
        return bool(self._listeners)

    @contextmanager
    def listening(self, listener: Callable[[News], None]) -> Iterator[None]:
        """Have it called with whatever is told."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def tell(self, news: News) -> None:
        """Call all of them."""
        for listener in tuple(self._listeners):
            listener(news)


class NewsWatch(Generic[News]):
    """Asks every second what has changed, and tells it.

    ``changed`` reads what has become of rows since it was called last; ``known`` are the news that
    a new listener hears first.
    """

    def __init__(
        self,
        what: str,
        changed: Callable[[], Awaitable[Iterable[News]]],
        known: Callable[[], Iterable[News]] = tuple,
    ) -> None:
        self._what = what
        self._changed = changed
        self._known = known
        self._listeners = Listeners[News]()
        self._wake = asyncio.Event()

    @contextmanager
    def listening(self, listener: Callable[[News], None]) -> Iterator[None]:
        """Have it called with what is known, now, and at each change."""
        with self._listeners.listening(listener):
            for news in self._known():
                listener(news)
            yield

    def look(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look every second and when asked to, for ever; a failure is logged."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            looked_s = loop.time()
            try:
                await self.look_once()
            except sa.exc.DBAPIError as error:
                _log.warning("news cannot be read", of=self._what, why=str(error))
            try:
                async with asyncio.timeout(LOOKS_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, looked_s + LOOKS_AT_MOST_EVERY_S - loop.time()))

    async def look_once(self) -> None:
        """Tell of what has changed since the last look."""
        for news in await self._changed():
            self._listeners.tell(news)


class VersionedRows(Generic[News]):
    """News of rows that carry a version, as long as they are worth news.

    ``recent`` selects the id and version of those; ``read`` makes the news of some of them by their
    ids. One whose row is gone, or of which nothing is read, is asked for again at the next look.
    """

    def __init__(
        self,
        reader: AsyncEngine,
        recent: Callable[[], sa.Select[tuple[str, int]]],
        read: Callable[[AsyncConnection, list[str]], Awaitable[dict[str, News]]],
    ) -> None:
        self._reader = reader
        self._recent = recent
        self._read = read
        self._versions: dict[str, int] = {}
        self._news: dict[str, News] = {}

    def known(self) -> tuple[News, ...]:
        """All that are recent, as they were at the last look."""
        return tuple(self._news.values())

    async def changed(self) -> Iterable[News]:
        """Those whose version is another than at the last look."""
        async with self._reader.connect() as connection:
            rows = (await connection.execute(self._recent())).all()
            versions = {row.id: row.version for row in rows}
            changed = [one for one, at in versions.items() if self._versions.get(one) != at]
            news = await self._read(connection, changed) if changed else {}
        self._news = {one: self._news[one] for one in self._news if one in versions} | news
        self._versions = {one: versions[one] for one in self._news}
        return news.values()
