"""Holds as locks in the store: what is held, and nothing else, has a legal hold on its object.

The index is what counts: a held segment is never deleted by the gateway, whatever the store offers.
Where it offers object lock, nobody else who has a key deletes it either. The row of
``object_locks`` is written before the lock and goes after it, so that after a crash at any line
the next pass knows every lock there may be. What still has such a row is not deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.rows import RowWriter, row_operation
from recorder.stores import Store, StoreError
from recorder.stores.locks import LockStore
from recorder.tables import STORED, object_locks, segments

_log = structlog.get_logger(__name__)

_BATCH = 200
_AT_ONCE = 4


@dataclass(slots=True)
class LockReport:
    """What a pass did; ``refused``: what the store did not do, and is tried again."""

    locked: int = 0
    released: int = 0
    refused: int = 0


@row_operation("recorder.begin_locks")
def begin_locks(connection: sa.Connection, segment_ids: list[str]) -> list[str]:
    """Say that the objects of these segments are about to be locked; gives those that still are
    held, and were not said before.
    """
    known = sa.select(object_locks.c.segment_id).where(object_locks.c.segment_id == segments.c.id)
    rows = connection.execute(
        sa.select(segments.c.id, segments.c.store_key).where(
            segments.c.id.in_(segment_ids),
            segments.c.held,
            segments.c.state == STORED,
            ~known.exists(),
        )
    ).all()
    for row in rows:
        connection.execute(
            sa.insert(object_locks).values(segment_id=row.id, store_key=row.store_key)
        )
    return [row.id for row in rows]


@row_operation("recorder.note_locks")
def note_locks(connection: sa.Connection, segment_ids: list[str], now_us: int) -> None:
    """The objects of these segments are locked."""
    connection.execute(
        sa.update(object_locks)
        .where(object_locks.c.segment_id.in_(segment_ids))
        .values(locked_us=now_us)
    )


@row_operation("recorder.forget_locks")
def forget_locks(connection: sa.Connection, segment_ids: list[str]) -> None:
    """The objects of these segments are not locked any more."""
    connection.execute(sa.delete(object_locks).where(object_locks.c.segment_id.in_(segment_ids)))


async def keep_locks(engine: AsyncEngine, rows: RowWriter, store: Store, now_us: int) -> LockReport:
    """One pass: let go what is not held any more, lock what is held. Raises StoreError when the
    store is out of reach, RowError, ConnectionError.
    """
    report = LockReport()
    if not isinstance(store, LockStore):
        return report
    await _release(engine, rows, store, report)
    await _lock(engine, rows, store, now_us, report)
    if report.refused:
        _log.warning("the store does not lock, or let go, what it should", objects=report.refused)
    return report


async def _release(
    engine: AsyncEngine, rows: RowWriter, store: LockStore, report: LockReport
) -> None:
    held = sa.select(segments.c.id).where(
        segments.c.id == object_locks.c.segment_id, segments.c.held
    )
    after = ""
    while True:
        async with engine.connect() as connection:
            found = (
                await connection.execute(
                    sa.select(object_locks)
                    .where(~held.exists(), object_locks.c.segment_id > after)
                    .order_by(object_locks.c.segment_id)
                    .limit(_BATCH)
                )
            ).all()
        if not found:
            return
        after = found[-1].segment_id
        done = await _each(store.unlock, found, report)
        await rows.write("recorder.forget_locks", segment_ids=done)
        report.released += len(done)


async def _lock(
    engine: AsyncEngine, rows: RowWriter, store: LockStore, now_us: int, report: LockReport
) -> None:
    wanted = (
        sa.select(segments.c.id.label("segment_id"), segments.c.store_key, object_locks.c.locked_us)
        .select_from(segments.outerjoin(object_locks, object_locks.c.segment_id == segments.c.id))
        .where(segments.c.held, segments.c.state == STORED, object_locks.c.locked_us.is_(None))
        .order_by(segments.c.id)
        .limit(_BATCH)
    )
    offered: bool | None = None
    after = ""
    while True:
        async with engine.connect() as connection:
            found = (await connection.execute(wanted.where(segments.c.id > after))).all()
        if not found:
            return
        if offered is None:
            offered = await _offers_locks(store)
        if not offered:
            return
        after = found[-1].segment_id
        await rows.write("recorder.begin_locks", segment_ids=[row.segment_id for row in found])
        done = await _each(store.lock, found, report)
        await rows.write("recorder.note_locks", segment_ids=done, now_us=now_us)
        report.locked += len(done)


async def _offers_locks(store: LockStore) -> bool:
    try:
        return await store.offers_locks()
    except StoreError as error:
        if error.code in ("unreachable", "timeout", "slow_down"):
            raise
        _log.warning("the store does not tell whether it can lock objects", why=str(error))
        return False


async def _each(
    do: Callable[[str], Awaitable[None]], found: Sequence[Any], report: LockReport
) -> list[str]:
    """Do it to each object, a few at a time; gives the segments for which it was done."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(row: Any) -> str | None:
        async with gate:
            try:
                await do(row.store_key)
            except StoreError as error:
                if error.code in ("unreachable", "timeout", "slow_down"):
                    raise
                report.refused += 1
                _log.debug("not done", segment=row.segment_id, why=str(error))
                return None
            return str(row.segment_id)

    results = await asyncio.gather(*(one(row) for row in found))
    return [result for result in results if result is not None]
