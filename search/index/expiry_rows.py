"""Deleting from the index: the row first, then its vector and its crop, and only then it counts as
deleted.

What a row leaves behind stands in ``passage_leftovers`` and ``passage_crop_leftovers`` from the
transaction in which the row goes until the vector's table and the store have let go of it; so after
a crash at any line the next pass finishes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa

from recorder.deletion_rows import add_to_day
from recorder.intervals import subtract
from recorder.merged_spans import add_range, ranges_within, remove_range
from recorder.rows import row_operation
from recorder.tables import held_ranges, sources
from search.index.removal import Taken, drop_crops, drop_plates, take_out
from search.index.tables import (
    indexed_spans,
    missed_spans,
    passage_cameras,
    passage_crop_leftovers,
    passage_deletions,
    passage_leftovers,
    passages,
)
from search.passages import began_us, first_id_at

DAY_US = 86_400_000_000
EXPIRED = "expired"
REPLACED = "replaced"
"""The cause of what went because something newer took its place: nothing that was kept is lost."""


@row_operation("passages.expire")
def expire(
    connection: sa.Connection, camera: int, start_us: int, end_us: int, cause: str, limit: int
) -> int:
    """Take away what a camera (its number) saw in [``start_us``, ``end_us``): the passages that
    began and ended therein, but those that meet a range that is held; at most ``limit``, the oldest
    first. Gives how many.

    When fewer than ``limit`` go, the time itself is noted as expired, so that no answer says of it
    that nothing passed.
    """
    camera_id = connection.scalar(
        sa.select(passage_cameras.c.camera_id).where(passage_cameras.c.number == camera)
    )
    if camera_id is None:
        return 0
    due = list(
        connection.scalars(
            sa.select(passages.c.id)
            .where(*unheld(camera, camera_id, start_us, end_us))
            .order_by(passages.c.id)
            .limit(limit)
        )
    )
    taken = take_out(connection, due)
    _leave(connection, camera, taken, cause)
    if len(due) < limit:
        _note_expired(connection, camera, camera_id, start_us, end_us)
    return len(taken.ids)


@row_operation("passages.forget_crops")
def forget_crops(connection: sa.Connection, store_keys: Sequence[str]) -> int:
    """The store has these objects no more: count their bytes as deleted; gives how many."""
    table = passage_crop_leftovers
    gone = connection.execute(sa.select(table).where(table.c.store_key.in_(store_keys))).all()
    connection.execute(sa.delete(table).where(table.c.store_key.in_(store_keys)))
    for row in gone:
        _count(connection, row.camera, row.cause, 0, row.size_bytes, row.at_us, row.at_us)
    return len(gone)


@row_operation("passages.forget_vectors")
def forget_vectors(connection: sa.Connection, numbers: Sequence[int]) -> int:
    """The tables have the vectors of these leftovers no more: count their passages as deleted;
    gives how many leftovers.
    """
    table = passage_leftovers
    gone = connection.execute(sa.select(table).where(table.c.number.in_(numbers))).all()
    connection.execute(sa.delete(table).where(table.c.number.in_(numbers)))
    for row in gone:
        _count(
            connection,
            row.camera,
            row.cause,
            row.passages,
            0,
            began_us(row.first_id),
            began_us(row.last_id),
        )
    return len(gone)


def _leave(connection: sa.Connection, camera: int, taken: Taken, cause: str) -> None:
    """Remember what the rows have left behind."""
    if not taken.ids:
        return
    now_us = time.time_ns() // 1000
    drop_crops(connection, taken.crops, cause, at_us=began_us(taken.ids[0]), now_us=now_us)
    drop_plates(connection, taken.plates)
    connection.execute(
        sa.insert(passage_leftovers).values(
            camera=camera,
            cause=cause,
            first_id=taken.ids[0],
            last_id=taken.ids[-1],
            passages=len(taken.ids),
            since_us=now_us,
        )
    )


def _note_expired(
    connection: sa.Connection, camera: int, camera_id: str, start_us: int, end_us: int
) -> None:
    """What was indexed of a range that is not held is so no more."""
    held = connection.execute(
        sa.select(held_ranges.c.start_us, held_ranges.c.end_us).where(
            holds(camera_id), held_ranges.c.start_us < end_us, held_ranges.c.end_us > start_us
        )
    )
    pieces = [(row.start_us, row.end_us) for row in held]
    noted = [
        (table, column, value)
        for table, column in ((indexed_spans, "model"), (missed_spans, "cause"))
        for value in connection.scalars(
            sa.select(table.c[column]).where(table.c.camera == camera).distinct()
        ).all()
        if value != EXPIRED
    ]
    expired = {"camera": camera, "cause": EXPIRED}
    for start, end in subtract((start_us, end_us), pieces):
        for table, column, value in noted:
            key = {"camera": camera, column: value}
            for lost in ranges_within(connection, table, key, start, end):
                add_range(connection, missed_spans, expired, *lost)
            remove_range(connection, table, key, start, end)


def unheld(camera: int, camera_id: str, start_us: int, end_us: int) -> list[sa.ColumnElement[bool]]:
    """Of rows of ``passages``: those of a camera that began and ended within the range, but those
    that were to be seen within a range that is held.
    """
    began_ms = passages.c.id.bitwise_rshift(sa.literal_column("20"))
    ended_ms = began_ms + passages.c.lasts_ms
    held = sa.exists().where(
        holds(camera_id),
        held_ranges.c.end_us > began_ms * 1000,
        held_ranges.c.start_us < (ended_ms + 1) * 1000,
    )
    return [
        passages.c.camera == camera,
        passages.c.id >= first_id_at(start_us),
        passages.c.id < first_id_at(end_us),
        ended_ms < end_us // 1000,
        ~held,
    ]


def holds(camera_id: str) -> sa.ColumnElement[bool]:
    """Of rows of ``held_ranges``: those of a camera, or of one of its sources."""
    own = sa.select(sources.c.id).where(sources.c.camera_id == camera_id)
    return sa.or_(held_ranges.c.camera_id == camera_id, held_ranges.c.source_id.in_(own))


def id_at(at_us: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """As :func:`search.passages.first_id_at`, in the database."""
    # PostgreSQL's quotient is not a whole number by itself.
    milliseconds = sa.cast(at_us // sa.literal_column("1000"), sa.BigInteger)
    return milliseconds.bitwise_lshift(sa.literal_column("20"))


def _count(
    connection: sa.Connection,
    camera: int,
    cause: str,
    number: int,
    size_bytes: int,
    first_us: int,
    last_us: int,
) -> None:
    if cause == REPLACED:
        return
    add_to_day(
        connection,
        passage_deletions,
        {"camera": camera, "day": time.time_ns() // 1000 // DAY_US, "cause": cause},
        {"passages": number, "size_bytes": size_bytes},
        first_us,
        last_us,
    )
