"""The ``spans`` of a source: the union of its effective ranges, kept merged row by row.

Both functions cost a few indexed statements, however long the history is.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.intervals import Interval
from recorder.tables import spans


def add_span(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    """Make [``start_us``, ``end_us``) part of the union, joining what touches it."""
    touching = _between(connection, source_id, start_us, end_us, touching=True)
    if len(touching) == 1 and touching[0][0] <= start_us:  # as good as always: the newest grows
        if touching[0][1] < end_us:
            _set_end(connection, source_id, touching[0][0], end_us)
        return
    if touching:
        _delete(connection, source_id, [start for start, _ in touching])
        start_us = min(start_us, touching[0][0])
        end_us = max(end_us, touching[-1][1])
    _insert(connection, source_id, start_us, end_us)


def remove_span(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    """Take [``start_us``, ``end_us``) out of the union."""
    for start, end in _between(connection, source_id, start_us, end_us, touching=False):
        if start < start_us:
            _set_end(connection, source_id, start, start_us)
        else:
            _delete(connection, source_id, [start])
        if end > end_us:
            _insert(connection, source_id, end_us, end)


def _between(
    connection: sa.Connection, source_id: str, start_us: int, end_us: int, *, touching: bool
) -> list[Interval]:
    """The spans that meet the range (or just touch it), in order."""
    found: list[Interval] = []
    before_us = end_us + 1 if touching else end_us
    while True:
        batch = connection.execute(
            sa.select(spans.c.start_us, spans.c.end_us)
            .where(spans.c.source_id == source_id, spans.c.start_us < before_us)
            .order_by(spans.c.start_us.desc())
            .limit(_NEIGHBOURS)
        ).all()
        for row in batch:
            if row.end_us < start_us or (row.end_us == start_us and not touching):
                return found[::-1]
            found.append((row.start_us, row.end_us))
        if len(batch) < _NEIGHBOURS:
            return found[::-1]
        before_us = batch[-1].start_us


_NEIGHBOURS = 4


def _insert(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    connection.execute(
        sa.insert(spans).values(source_id=source_id, start_us=start_us, end_us=end_us)
    )


def _set_end(connection: sa.Connection, source_id: str, start_us: int, end_us: int) -> None:
    connection.execute(
        sa.update(spans)
        .where(spans.c.source_id == source_id, spans.c.start_us == start_us)
        .values(end_us=end_us)
    )


def _delete(connection: sa.Connection, source_id: str, starts_us: list[int]) -> None:
    connection.execute(
        sa.delete(spans).where(spans.c.source_id == source_id, spans.c.start_us.in_(starts_us))
    )
