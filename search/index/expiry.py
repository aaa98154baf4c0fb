"""What was derived from footage goes with it: by its camera's days, or because the footage is gone.
What a hold keeps stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from recorder.intervals import Interval, merge, subtract
from recorder.leftovers import delete_leftovers
from recorder.rows import RowWriter
from recorder.stores import Store
from recorder.tables import gaps, held_ranges, sources, spans
from search.index.coverage import DELETED_CAUSES
from search.index.expiry_rows import DAY_US, EXPIRED, holds, id_at, unheld
from search.index.tables import (
    indexed_spans,
    missed_spans,
    passage_cameras,
    passage_crop_leftovers,
    passage_leftovers,
    passages,
)
from search.passages import began_us

_AT_ONCE = 500
# A camera is looked at when some minutes of it are due, not for each passage.
_PATIENCE_US = 600_000_000
RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Due:
    """What a camera (its number) saw in a range is to go, and why."""

    camera: int
    start_us: int
    end_us: int
    cause: str


class PassageExpiry:
    """One pass a minute; what fails is tried again by the next. Vectors go by
    :mod:`search.index.vector_expiry`, in the process that writes them.
    """

    def __init__(self, reader: AsyncEngine, rows: RowWriter, store: Store) -> None:
        self._reader = reader
        self._rows = rows
        self._store = store

    async def run(self, now_us: int, default_days: float, days: Mapping[str, float]) -> int:
        """Finish what was begun, then what is due; gives how many passages went. ``days`` are those
        of cameras that say otherwise than the default. Raises StoreError, RowError,
        ConnectionError, DBAPIError.
        """
        await self.finish()
        async with self._reader.connect() as connection:
            due = await due_by_time(connection, now_us, default_days, days)
            due += await due_by_footage(connection)
        gone = 0
        for one in due:
            while True:
                went = await self._rows.write(
                    "passages.expire",
                    camera=one.camera,
                    start_us=one.start_us,
                    end_us=one.end_us,
                    cause=one.cause,
                    limit=_AT_ONCE,
                )
                gone += went
                await self.finish()
                if went < _AT_ONCE:
                    break
        return gone

    async def finish(self) -> int:
        """Delete the objects with crops whose rows are gone; gives how many."""
        return await delete_leftovers(
            self._reader,
            self._rows,
            self._store,
            passage_crop_leftovers.c.store_key,
            "passages.forget_crops",
        )


async def overdue(
    connection: AsyncConnection,
    at_us: int,
    default_days: float,
    days: Mapping[str, float],
    patience_us: int,
) -> tuple[int, int]:
    """For the retention report: how many passages should have gone by their time more than
    ``patience_us`` ago, and how many deletions were begun so long ago and are not finished.
    """
    due = await due_by_time(connection, at_us, default_days, days, patience_us)
    passages_due = 0
    for one in due:
        camera_id = await connection.scalar(
            sa.select(passage_cameras.c.camera_id).where(passage_cameras.c.number == one.camera)
        )
        before_us = one.end_us - patience_us
        counted = sa.select(sa.func.count()).where(
            *unheld(one.camera, str(camera_id), one.start_us, before_us)
        )
        passages_due += int(await connection.scalar(counted) or 0)
    unfinished = 0
    for table in (passage_leftovers, passage_crop_leftovers):
        counted = sa.select(sa.func.count()).where(table.c.since_us < at_us - patience_us)
        unfinished += int(await connection.scalar(counted) or 0)
    return passages_due, unfinished


async def due_by_time(
    connection: AsyncConnection,
    now_us: int,
    default_days: float,
    days: Mapping[str, float],
    patience_us: int = _PATIENCE_US,
) -> list[Due]:
    """Of which cameras something is older than their days, and not held."""
    oldest = (
        sa.select(passages.c.id)
        .where(passages.c.camera == passage_cameras.c.number)
        .order_by(passages.c.id)
        .limit(1)
        .correlate(passage_cameras)
        .scalar_subquery()
    )
    statement = sa.select(
        passage_cameras.c.number, passage_cameras.c.camera_id, oldest.label("oldest_id")
    )
    known = (await connection.execute(statement)).all()
    noted = await _oldest_notes(connection)
    due = []
    for row in known:
        before_us = now_us - round(days.get(row.camera_id, default_days) * DAY_US)
        limit_us = before_us - patience_us
        oldest_us = min(
            began_us(row.oldest_id) if row.oldest_id is not None else before_us,
            noted.get(row.number, before_us),
        )
        if oldest_us < limit_us and await _is_due(connection, row, before_us, limit_us):
            due.append(Due(row.number, 0, before_us, RETENTION))
    return due


async def due_by_footage(connection: AsyncConnection) -> list[Due]:
    """Of which cameras there are passages whose footage was deleted before its time: for want of
    space, or because there was too much of it. What another source of the camera still shows stays.
    """
    began = passages.c.id
    statement = (
        sa.select(
            passage_cameras.c.number,
            passage_cameras.c.camera_id,
            gaps.c.start_us,
            gaps.c.end_us,
            gaps.c.cause,
        )
        .select_from(
            gaps.join(sources, sources.c.id == gaps.c.source_id).join(
                passage_cameras, passage_cameras.c.camera_id == sources.c.camera_id
            )
        )
        .where(
            gaps.c.cause.in_([sa.literal_column(f"'{cause}'") for cause in DELETED_CAUSES]),
            gaps.c.end_us.is_not(None),
            sa.exists().where(
                passages.c.camera == passage_cameras.c.number,
                began >= id_at(gaps.c.start_us),
                began < id_at(gaps.c.end_us),
            ),
        )
        .order_by(passage_cameras.c.number, gaps.c.start_us)
    )
    found: dict[tuple[int, str], list[Any]] = {}
    for row in await connection.execute(statement):
        found.setdefault((row.number, row.camera_id), []).append(row)
    due = []
    for (camera, camera_id), rows in found.items():
        pieces = merge((row.start_us, row.end_us) for row in rows)
        left = await _footage(connection, camera_id, pieces[0][0], pieces[-1][1])
        for piece in pieces:
            cause = next(row.cause for row in rows if row.start_us >= piece[0])
            for start_us, end_us in subtract(piece, left):
                if await _any_within(connection, camera, camera_id, start_us, end_us):
                    due.append(Due(camera, start_us, end_us, cause))
    return due


async def _oldest_notes(connection: AsyncConnection) -> dict[int, int]:
    """Since when something is said of cameras' time, but that it has expired."""
    oldest: dict[int, int] = {}
    for table in (indexed_spans, missed_spans):
        statement = sa.select(table.c.camera, sa.func.min(table.c.start_us)).group_by(
            table.c.camera
        )
        if table is missed_spans:
            statement = statement.where(table.c.cause != EXPIRED)
        for camera, start_us in await connection.execute(statement):
            oldest[camera] = min(start_us, oldest.get(camera, start_us))
    return oldest


async def _is_due(
    connection: AsyncConnection,
    camera: Any,
    before_us: int,
    limit_us: int,
) -> bool:
    """Whether anything of what is too old is not held: else each pass would write in vain."""
    if await _any_within(connection, camera.number, camera.camera_id, 0, before_us):
        return True
    held = [
        (row.start_us, row.end_us)
        for row in await connection.execute(
            sa.select(held_ranges.c.start_us, held_ranges.c.end_us).where(
                holds(camera.camera_id), held_ranges.c.start_us < limit_us
            )
        )
    ]
    for table in (indexed_spans, missed_spans):
        statement = sa.select(table.c.start_us, table.c.end_us).where(
            table.c.camera == camera.number, table.c.start_us < limit_us
        )
        if table is missed_spans:
            statement = statement.where(table.c.cause != EXPIRED)
        for row in await connection.execute(statement):
            if subtract((row.start_us, min(row.end_us, limit_us)), held):
                return True
    return False


async def _any_within(
    connection: AsyncConnection, camera: int, camera_id: str, start_us: int, end_us: int
) -> bool:
    statement = (
        sa.select(passages.c.id).where(*unheld(camera, camera_id, start_us, end_us)).limit(1)
    )
    return (await connection.execute(statement)).first() is not None


async def _footage(
    connection: AsyncConnection, camera_id: str, start_us: int, end_us: int
) -> list[Interval]:
    """What there still is of a camera's footage."""
    rows = await connection.execute(
        sa.select(spans.c.start_us, spans.c.end_us)
        .join(sources, sources.c.id == spans.c.source_id)
        .where(
            sources.c.camera_id == camera_id, spans.c.start_us < end_us, spans.c.end_us > start_us
        )
    )
    return [(row.start_us, row.end_us) for row in rows]
