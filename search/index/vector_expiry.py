"""Vectors go after their rows: run by the process that writes them."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from recorder.rows import RowWriter
from search.index.keys import day_ids, day_of
from search.index.tables import passage_cameras, passage_leftovers, passages
from search.passages import began_us

if TYPE_CHECKING:
    from search.index.vectors import VectorWriter

# Rows go each minute; vectors once an hour, since each deletion makes a version of a day's table.
PATIENCE_US = 3_600_000_000
_AT_ONCE = 2000

RunWriter = Callable[[Callable[["VectorWriter"], Any]], Awaitable[Any]]
"""Has the writer do something, on its thread."""


Settle = Callable[[int], Awaitable[int]]
"""Gives how many leftovers are settled, since all have let go of them."""


async def expire_vectors(
    reader: AsyncEngine,
    rows: RowWriter,
    run: RunWriter,
    now_us: int,
    *,
    patience_us: int = PATIENCE_US,
    after: int = 0,
    settle: Settle | None = None,
) -> int:
    """Delete the vectors that rows left behind; gives how many leftovers were settled. Tables of
    days of which no row is left are dropped.

    Of several processes that have vectors, each of its own, each does so: ``after`` is the number
    of the leftover up to which this one has, and ``settle`` is told up to which it has now.

    Raises RowError, ConnectionError, DBAPIError, and what LanceDB raises; what was begun is
    finished by a later pass.
    """
    settled = 0
    async with reader.connect() as connection:
        oldest = await connection.scalar(
            sa.select(sa.func.min(passage_leftovers.c.since_us)).where(
                passage_leftovers.c.number > after
            )
        )
    if oldest is None or oldest > now_us - patience_us:
        return 0
    while True:
        async with reader.connect() as connection:
            leftovers = await _leftovers(connection, after)
            kept, empty = await _kept(connection, leftovers)
        if not leftovers:
            return settled
        ranges = [(row.camera_id, row.first_id, row.last_id) for row in leftovers]

        def delete(
            writer: VectorWriter,
            ranges: Sequence[tuple[str, int, int]] = ranges,
            kept: Sequence[int] = kept,
            empty: Sequence[datetime.date] = empty,
        ) -> None:
            writer.drop_days(empty)
            writer.delete(ranges, kept)

        await run(delete)
        numbers = [row.number for row in leftovers]
        if settle is None:
            settled += await rows.write("passages.forget_vectors", numbers=numbers)
        else:
            after = max(numbers)
            settled += await settle(after)


async def _leftovers(connection: AsyncConnection, after: int) -> Sequence[Any]:
    statement = (
        sa.select(
            passage_leftovers.c.number,
            passage_leftovers.c.first_id,
            passage_leftovers.c.last_id,
            passage_cameras.c.number.label("camera"),
            passage_cameras.c.camera_id,
        )
        .join(passage_cameras, passage_cameras.c.number == passage_leftovers.c.camera)
        .where(passage_leftovers.c.number > after)
        .order_by(passage_leftovers.c.number)
        .limit(_AT_ONCE)
    )
    return (await connection.execute(statement)).all()


async def _kept(
    connection: AsyncConnection, leftovers: Sequence[Any]
) -> tuple[list[int], list[datetime.date]]:
    """The ids within the leftovers that have rows still, and the days on which none has."""
    kept: set[int] = set()
    days: set[datetime.date] = set()
    for row in leftovers:
        statement = sa.select(passages.c.id).where(
            passages.c.camera == row.camera,
            passages.c.id >= row.first_id,
            passages.c.id <= row.last_id,
        )
        kept.update(await connection.scalars(statement))
        days |= {day_of(began_us(row.first_id)), day_of(began_us(row.last_id))}
    empty = []
    for day in sorted(days):
        first, after = day_ids(day)
        any_left = sa.select(passages.c.id).where(passages.c.id >= first, passages.c.id < after)
        if (await connection.execute(any_left.limit(1))).first() is None:
            empty.append(day)
    return sorted(kept), empty
