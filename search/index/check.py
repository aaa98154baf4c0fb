"""Rows, crops and vectors of the index against one another, for ``gridsight check``."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from recorder.check import Difference
from recorder.stores import Store
from search.index.keys import CROP_PREFIX, day_ids, day_of
from search.index.tables import (
    passage_cameras,
    passage_crop_leftovers,
    passage_crops,
    passage_details,
    passage_leftovers,
    passage_looks,
    passage_names,
    passages,
)
from search.passages import began_us

if TYPE_CHECKING:
    from search.index.vectors import VectorReader

_ROWS_AT_ONCE = 1000
_NAMED = 20


async def check_index(
    engine: AsyncEngine, store: Store, vectors: VectorReader | None, *, has_all: bool = True
) -> AsyncIterator[Difference]:
    """Every difference, as it is found; nothing is repaired. It reads while everything runs: what
    may be in the middle of its way is looked at a second time. ``has_all``: no vectors are
    elsewhere. Raises StoreError.
    """
    async with engine.connect() as connection:
        for difference in await _check_rows(connection):
            yield difference
    async for difference in _check_crops(engine, store):
        yield difference
    if vectors is not None:
        async for difference in _check_vectors(engine, vectors, has_all):
            yield difference


async def _check_rows(connection: AsyncConnection) -> list[Difference]:
    """Halves without the other, and counts that are wrong."""
    found: list[Difference] = []
    for one, other, what in (
        (passages, passage_details, "details"),
        (passage_details, passages, "row to be found by"),
    ):
        missing = sa.select(one.c.id).where(~sa.exists().where(other.c.id == one.c.id))
        found += [
            Difference("row_missing", f"passage {passage_id}", f"it has no {what}")
            for passage_id in await connection.scalars(missing.limit(_NAMED))
        ]
    for table, column in (
        (passage_cameras, passages.c.camera),
        (passage_looks, passages.c.look),
        (passage_crops, passage_details.c.crop),
    ):
        counted = (
            sa.select(column.label("number"), sa.func.count().label("rows"))
            .where(column.is_not(None))
            .group_by(column)
            .subquery()
        )
        wrong = (
            sa.select(table.c.number, table.c.passages, counted.c.rows)
            .select_from(table.outerjoin(counted, counted.c.number == table.c.number))
            .where(table.c.passages != sa.func.coalesce(counted.c.rows, 0))
            .limit(_NAMED)
        )
        found += [
            Difference(
                "usage_wrong",
                f"{table.name} {row.number}",
                f"it counts {row.passages} passages, there are {row.rows or 0}",
            )
            for row in await connection.execute(wrong)
        ]
    return found


async def _check_crops(engine: AsyncEngine, store: Store) -> AsyncIterator[Difference]:
    last = 0
    while True:
        statement = (
            sa.select(passage_crops.c.number, passage_crops.c.store_key, passage_crops.c.size_bytes)
            .where(passage_crops.c.number > last)
            .order_by(passage_crops.c.number)
            .limit(_ROWS_AT_ONCE)
        )
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        if not rows:
            break
        last = rows[-1].number
        for row in rows:
            stat = await store.stat(row.store_key)
            if stat is not None and stat.size_bytes >= row.size_bytes:
                continue
            if not await _is_known(engine, row.store_key):
                continue  # It went meanwhile.
            if stat is None:
                yield Difference("object_missing", row.store_key, "crops: the store has none")
            else:
                yield Difference(
                    "object_size",
                    row.store_key,
                    f"it has {stat.size_bytes} bytes, its crops end at {row.size_bytes}",
                )
    unknown = [
        one.key async for one in store.list(CROP_PREFIX) if not await _is_known(engine, one.key)
    ]
    for key in unknown:
        # An object is stored before its rows: those of a batch that was on its way are there now.
        if not await _is_known(engine, key) and await store.stat(key) is not None:
            yield Difference("object_unindexed", key, "the crops have no row")


async def _is_known(engine: AsyncEngine, key: str) -> bool:
    async with engine.connect() as connection:
        for table in (passage_crops, passage_crop_leftovers):
            statement = sa.select(sa.literal(1)).where(table.c.store_key == key)
            if await connection.scalar(statement) is not None:
                return True
    return False


async def _check_vectors(
    engine: AsyncEngine, vectors: VectorReader, has_all: bool
) -> AsyncIterator[Difference]:
    async with engine.connect() as connection:
        kinds = {
            row.number: row.name
            for row in await connection.execute(
                sa.select(passage_names).where(passage_names.c.kind == "vectors")
            )
        }
        oldest = await connection.scalar(sa.select(sa.func.min(passages.c.id)))
        newest = await connection.scalar(sa.select(sa.func.max(passages.c.id)))
    tables = set(await asyncio.to_thread(vectors.tables))
    days = {day for _, day in tables} | set(_days(oldest, newest))
    for number, kind in sorted(kinds.items()):
        for day in sorted(days):
            async for difference in _check_day(engine, vectors, number, kind, day, has_all):
                yield difference
    for kind, day in sorted(tables):
        if kind not in kinds.values():
            yield Difference("vector_unindexed", f"{kind} {day}", "no passage has such vectors")


async def _check_day(
    engine: AsyncEngine,
    vectors: VectorReader,
    number: int,
    kind: str,
    day: datetime.date,
    has_all: bool,
) -> AsyncIterator[Difference]:
    # Vectors first and rows second: a vector is written before its row.
    stored = set(await asyncio.to_thread(vectors.ids, kind, day))
    told = await _told(engine, number, day)
    missing = told - stored if has_all else set()
    if missing:
        # Those whose rows came between the two looks.
        missing -= set(await asyncio.to_thread(vectors.ids, kind, day))
        missing &= await _told(engine, number, day)
    for one in sorted(missing)[:_NAMED]:
        yield Difference("vector_missing", f"passage {one}", f"{kind} {day} has no vector of it")
    loose = await _loose(engine, sorted(stored - told))
    if loose:
        yield Difference(
            "vector_unindexed", f"{kind} {day}", f"{len(loose)} vectors have no row ({loose[0]}, …)"
        )


async def _told(engine: AsyncEngine, number: int, day: datetime.date) -> set[int]:
    first, after = day_ids(day)
    statement = sa.select(passage_details.c.id).where(
        passage_details.c.id >= first,
        passage_details.c.id < after,
        passage_details.c.vectors == number,
    )
    async with engine.connect() as connection:
        return set(await connection.scalars(statement))


async def _loose(engine: AsyncEngine, ids: Sequence[int]) -> list[int]:
    """Those that neither a row nor a leftover knows."""
    loose = []
    async with engine.connect() as connection:
        for one in ids:
            row = sa.select(passages.c.id).where(passages.c.id == one)
            left = sa.select(passage_leftovers.c.number).where(
                passage_leftovers.c.first_id <= one, passage_leftovers.c.last_id >= one
            )
            if await connection.scalar(row) is None and await connection.scalar(left) is None:
                loose.append(one)
    return loose


def _days(oldest: int | None, newest: int | None) -> list[datetime.date]:
    if oldest is None or newest is None:
        return []
    first, last = day_of(began_us(oldest)), day_of(began_us(newest))
    return [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]
