"""Ranges that nothing deletes: row operations, and what readers ask of them.

A range holds what is stored and what will be: footage that is still being recorded, comes late from
a spool, or is imported next week. A segment is held as long as one range meets it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.rows import RowError, row_operation
from recorder.tables import STORED, held_ranges, object_locks, segments, sources

# No segment is longer, so that one which meets a range begins no further away.
_LONGEST_US = 4 * 3_600_000_000


@dataclass(frozen=True, slots=True)
class HeldRange:
    """[``start_us``, ``end_us``) of all sources of a camera, or of one source."""

    id: str
    camera_id: str | None
    source_id: str | None
    start_us: int
    end_us: int

    def meets(self, source_id: str, camera_id: str | None, start_us: int, end_us: int) -> bool:
        """Whether it holds footage of this source and time."""
        if start_us >= self.end_us or end_us <= self.start_us:
            return False
        if self.source_id is not None:
            return self.source_id == source_id
        return self.camera_id == camera_id


@row_operation("recorder.add_hold")
def add_hold(
    connection: sa.Connection,
    hold_id: str,
    start_us: int,
    end_us: int,
    camera_id: str | None = None,
    source_id: str | None = None,
) -> int:
    """Hold a range of a camera's sources, or of one source; returns how many stored segments are
    held now that were not. Raises RowError ``conflict`` when the id is taken.
    """
    known = sa.select(held_ranges.c.id).where(held_ranges.c.id == hold_id)
    if connection.execute(known).first() is not None:
        raise RowError("conflict", f"there is a hold {hold_id} already")
    connection.execute(
        sa.insert(held_ranges).values(
            id=hold_id,
            camera_id=camera_id,
            source_id=source_id,
            start_us=start_us,
            end_us=end_us,
        )
    )
    return _mark(connection, True, camera_id, source_id, start_us, end_us)


@row_operation("recorder.drop_hold")
def drop_hold(connection: sa.Connection, hold_id: str) -> int:
    """End a hold; returns how many segments nothing holds any more. Doing it twice is harmless."""
    row = connection.execute(sa.select(held_ranges).where(held_ranges.c.id == hold_id)).first()
    if row is None:
        return 0
    connection.execute(sa.delete(held_ranges).where(held_ranges.c.id == hold_id))
    others = (
        sa.select(held_ranges.c.id)
        .select_from(sources)
        .where(sources.c.id == segments.c.source_id, *_holding(sources.c.camera_id))
        .correlate(segments)
    )
    whose = (row.camera_id, row.source_id, row.start_us, row.end_us)
    return _mark(connection, False, *whose, ~others.exists())


def is_held(
    connection: sa.Connection, source_id: str, camera_id: str | None, start_us: int, end_us: int
) -> bool:
    """Whether a range meets footage that is about to be stored."""
    met = (
        sa.select(held_ranges.c.id)
        .where(
            (held_ranges.c.source_id == source_id) | (held_ranges.c.camera_id == camera_id),
            held_ranges.c.start_us < end_us,
            held_ranges.c.end_us > start_us,
        )
        .limit(1)
    )
    return connection.execute(met).first() is not None


def has_lock() -> sa.ColumnElement[bool]:
    """Whether a row of ``segments`` has an object that the store keeps, or is about to keep."""
    return (
        sa.select(object_locks.c.segment_id)
        .where(object_locks.c.segment_id == segments.c.id)
        .correlate(segments)
        .exists()
    )


async def held_since(connection: AsyncConnection, since_us: int) -> list[HeldRange]:
    """The ranges that reach beyond ``since_us``: what a spool has to know."""
    rows = await connection.execute(sa.select(held_ranges).where(held_ranges.c.end_us > since_us))
    return [HeldRange(**row._mapping) for row in rows]


def _mark(
    connection: sa.Connection,
    held: bool,
    camera_id: str | None,
    source_id: str | None,
    start_us: int,
    end_us: int,
    *also: sa.ColumnElement[bool],
) -> int:
    """Change all stored segments that the range meets, also those that others cover."""
    whose = (
        segments.c.source_id == source_id
        if source_id is not None
        else segments.c.source_id.in_(
            sa.select(sources.c.id).where(sources.c.camera_id == camera_id)
        )
    )
    changed = 0
    # Two statements, so that each finds its rows in the index and reads no others.
    for near in (
        segments.c.effective_start_us.between(start_us - _LONGEST_US, end_us + _LONGEST_US),
        segments.c.effective_start_us.is_(None),
    ):
        result = connection.execute(
            sa.update(segments)
            .where(
                whose,
                near,
                segments.c.start_us < end_us,
                segments.c.end_us > start_us,
                segments.c.state == STORED,
                segments.c.held.is_(not held),
                *also,
            )
            .values(held=held)
        )
        changed += int(result.rowcount)
    return changed


def _holding(camera_id: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
    """Ranges that meet a row of ``segments``, of a source with that camera."""
    return (
        (held_ranges.c.source_id == segments.c.source_id) | (held_ranges.c.camera_id == camera_id),
        held_ranges.c.start_us < segments.c.end_us,
        held_ranges.c.end_us > segments.c.start_us,
    )
