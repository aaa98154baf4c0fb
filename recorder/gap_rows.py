"""The ``gaps`` of a source: why footage is missing. Row operations, and reading them back.

An open gap (``end_us`` NULL) goes on until footage comes. Gaps may overlap footage that came late:
the timeline shows a gap only where nothing is recorded.
"""

from __future__ import annotations

import sqlalchemy as sa

from camera_adapters.stream import GapCause
from recorder.rows import row_operation
from recorder.tables import assignments, clock_offsets, gaps

# Always the oldest goes: one row per source tells it all, more would outlive what they explain.
_ONE_ROW_CAUSES = frozenset({GapCause.RETENTION.value})
_TOUCHING_US = 1_000_000


@row_operation("recorder.open_gap")
def open_gap(
    connection: sa.Connection,
    source_id: str,
    start_us: int,
    cause: str,
    detail: str,
    unless_open: bool = False,
    epoch: int | None = None,
) -> None:
    """From ``start_us`` on nothing comes, for this cause. Ends an open gap of another cause, or
    with ``unless_open`` leaves it as it is. What is told under an ``epoch`` that is over changes
    nothing: whoever holds the source now tells of its gaps.
    """
    if _is_late(connection, source_id, epoch):
        return
    for row in connection.execute(
        sa.select(gaps).where(gaps.c.source_id == source_id, gaps.c.end_us.is_(None))
    ).all():
        if unless_open:
            return
        if row.cause == cause:
            if row.detail != detail:
                connection.execute(sa.update(gaps).where(gaps.c.id == row.id).values(detail=detail))
            return
        _end(connection, row, start_us)
    connection.execute(
        sa.insert(gaps).values(
            source_id=source_id, start_us=start_us, end_us=None, cause=cause, detail=detail
        )
    )


@row_operation("recorder.close_gap")
def close_gap(
    connection: sa.Connection, source_id: str, end_us: int, epoch: int | None = None
) -> None:
    """Footage comes again from ``end_us`` on: end whatever gap is open. ``epoch``: as above."""
    if _is_late(connection, source_id, epoch):
        return
    for row in connection.execute(
        sa.select(gaps).where(gaps.c.source_id == source_id, gaps.c.end_us.is_(None))
    ).all():
        _end(connection, row, end_us)


@row_operation("recorder.add_gap")
def add_gap(
    connection: sa.Connection, source_id: str, start_us: int, end_us: int, cause: str, detail: str
) -> None:
    """Note a gap that is over. One that goes on where a gap of the same cause ended extends it."""
    if end_us <= start_us:
        return
    same = sa.select(gaps).where(
        gaps.c.source_id == source_id, gaps.c.cause == cause, gaps.c.end_us.is_not(None)
    )
    if cause not in _ONE_ROW_CAUSES:
        same = same.where(
            gaps.c.start_us <= end_us + _TOUCHING_US, gaps.c.end_us >= start_us - _TOUCHING_US
        )
    row = connection.execute(same.order_by(gaps.c.start_us.desc()).limit(1)).first()
    if row is None:
        connection.execute(
            sa.insert(gaps).values(
                source_id=source_id, start_us=start_us, end_us=end_us, cause=cause, detail=detail
            )
        )
        return
    connection.execute(
        sa.update(gaps)
        .where(gaps.c.id == row.id)
        .values(start_us=min(start_us, row.start_us), end_us=max(end_us, row.end_us), detail=detail)
    )


@row_operation("recorder.prune_gaps")
def prune_gaps(connection: sa.Connection, source_id: str, before_us: int) -> None:
    """Forget gaps that ended before ``before_us``: the history does not go back that far."""
    connection.execute(
        sa.delete(gaps).where(gaps.c.source_id == source_id, gaps.c.end_us < before_us)
    )


@row_operation("recorder.set_clock_offset")
def set_clock_offset(
    connection: sa.Connection, source_id: str, since_us: int, offset_us: int
) -> None:
    """From ``since_us`` on the source's clock runs ``offset_us`` ahead of its footage's times."""
    connection.execute(
        sa.insert(clock_offsets).values(
            source_id=source_id, since_us=since_us, offset_us=offset_us, accepted_us=None
        )
    )


@row_operation("recorder.accept_clock")
def accept_clock(connection: sa.Connection, source_id: str, accepted_us: int) -> None:
    """An operator accepted the source's clock; the next run follows it."""
    connection.execute(
        sa.update(clock_offsets)
        .where(clock_offsets.c.source_id == source_id, clock_offsets.c.accepted_us.is_(None))
        .values(accepted_us=accepted_us)
    )


def _is_late(connection: sa.Connection, source_id: str, epoch: int | None) -> bool:
    if epoch is None:
        return False
    row = connection.execute(
        sa.select(assignments.c.owner, assignments.c.successor, assignments.c.epoch).where(
            assignments.c.source_id == source_id
        )
    ).first()
    if row is None or not row.owner:
        return False  # nobody else tells of it
    # While a source moves, its owner goes on under the epoch before the successor's.
    return bool(epoch < row.epoch - (row.successor is not None))


def _end(connection: sa.Connection, row: sa.Row[tuple[object, ...]], end_us: int) -> None:
    if end_us <= row.start_us:
        connection.execute(sa.delete(gaps).where(gaps.c.id == row.id))
    else:
        connection.execute(sa.update(gaps).where(gaps.c.id == row.id).values(end_us=end_us))
