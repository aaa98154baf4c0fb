"""How often somebody may do something, counted for all API processes together."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.replica_tables import rate_takes
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowWriter, row_operation

_MINUTE_US = 60 * US_PER_S


@row_operation("rates.take")
def take(connection: sa.Connection, key: str, limit: int) -> int:
    """Count one more within the last minute; 0. Where it is one too many, it is not counted, and
    this is after how many seconds the next one may be.
    """
    at_us, table = now_us(), rate_takes.c
    connection.execute(sa.delete(rate_takes).where(table.at_us <= at_us - _MINUTE_US))
    counted, oldest_us = connection.execute(
        sa.select(sa.func.count(), sa.func.min(table.at_us)).where(table.key == key)
    ).one()
    if counted >= limit:
        wait_us: int = (oldest_us or at_us) + _MINUTE_US - at_us
        return max(1, -(-wait_us // US_PER_S))
    connection.execute(sa.insert(rate_takes).values(key=key, at_us=at_us))
    return 0


@row_operation("rates.give_back")
def give_back(connection: sa.Connection, key: str) -> None:
    """Count the newest one no more, which turned out to be none. Nothing where none is left."""
    newest = sa.select(sa.func.max(rate_takes.c.id)).where(rate_takes.c.key == key)
    connection.execute(sa.delete(rate_takes).where(rate_takes.c.id == newest.scalar_subquery()))


class SharedPerMinute:
    """``limit`` times within any minute, for each person, wherever they ask."""

    def __init__(self, rows: RowWriter, what: str, limit: int) -> None:
        self.limit = limit
        self._rows = rows
        self._what = what

    async def take(self, *who: str) -> int:
        """See :func:`take`. Raises what the writer raises."""
        wait_s: int = await self._rows.write("rates.take", key=self._key(who), limit=self.limit)
        return wait_s

    async def give_back(self, *who: str) -> None:
        """See :func:`give_back`."""
        await self._rows.write("rates.give_back", key=self._key(who))

    def _key(self, who: tuple[str, ...]) -> str:
        return ":".join((self._what, *(one[:50] for one in who)))
