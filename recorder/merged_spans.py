"""Unions of ranges as rows: (key…, ``start_us``) → ``end_us``, kept merged row by row.

For any table of that shape. They cost a few indexed statements, however long the history
is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from recorder.intervals import Interval

Key = Mapping[str, Any]
"""The columns, by name, that tell whose ranges they are."""

_NEIGHBOURS = 4


def add_range(
    connection: sa.Connection,
    table: sa.Table,
    key: Key,
    start_us: int,
    end_us: int,
    *,
    seam_us: int = 0,
) -> None:
    """Make [``start_us``, ``end_us``) part of the union, joining what touches it, or is no further
    from it than ``seam_us``.
    """
    touching = _between(connection, table, key, start_us - seam_us, end_us + seam_us, touching=True)
    if len(touching) == 1 and touching[0][0] <= start_us:  # as good as always: the newest grows
        if touching[0][1] < end_us:
            _set_end(connection, table, key, touching[0][0], end_us)
        return
    if touching:
        _delete(connection, table, key, [start for start, _ in touching])
        start_us = min(start_us, touching[0][0])
        end_us = max(end_us, touching[-1][1])
    _insert(connection, table, key, start_us, end_us)


def remove_range(
    connection: sa.Connection, table: sa.Table, key: Key, start_us: int, end_us: int
) -> None:
    """Take [``start_us``, ``end_us``) out of the union."""
    for start, end in _between(connection, table, key, start_us, end_us, touching=False):
        if start < start_us:
            _set_end(connection, table, key, start, start_us)
        else:
            _delete(connection, table, key, [start])
        if end > end_us:
            _insert(connection, table, key, end_us, end)


def ranges_within(
    connection: sa.Connection, table: sa.Table, key: Key, start_us: int, end_us: int
) -> list[Interval]:
    """The parts of the union that lie within the range, in order."""
    found = _between(connection, table, key, start_us, end_us, touching=False)
    return [(max(start, start_us), min(end, end_us)) for start, end in found]


def _where(table: sa.Table, key: Key) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]


def _between(
    connection: sa.Connection,
    table: sa.Table,
    key: Key,
    start_us: int,
    end_us: int,
    *,
    touching: bool,
) -> list[Interval]:
    """The ranges that meet this one (or just touch it), in order."""
    found: list[Interval] = []
    before_us = end_us + 1 if touching else end_us
    while True:
        batch = connection.execute(
            sa.select(table.c.start_us, table.c.end_us)
            .where(*_where(table, key), table.c.start_us < before_us)
            .order_by(table.c.start_us.desc())
            .limit(_NEIGHBOURS)
        ).all()
        for row in batch:
            if row.end_us < start_us or (row.end_us == start_us and not touching):
                return found[::-1]
            found.append((row.start_us, row.end_us))
        if len(batch) < _NEIGHBOURS:
            return found[::-1]
        before_us = batch[-1].start_us


def _insert(
    connection: sa.Connection, table: sa.Table, key: Key, start_us: int, end_us: int
) -> None:
    connection.execute(sa.insert(table).values(**key, start_us=start_us, end_us=end_us))


def _set_end(
    connection: sa.Connection, table: sa.Table, key: Key, start_us: int, end_us: int
) -> None:
    connection.execute(
        sa.update(table)
        .where(*_where(table, key), table.c.start_us == start_us)
        .values(end_us=end_us)
    )


def _delete(connection: sa.Connection, table: sa.Table, key: Key, starts_us: list[int]) -> None:
    connection.execute(sa.delete(table).where(*_where(table, key), table.c.start_us.in_(starts_us)))
