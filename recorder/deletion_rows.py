"""What was deleted, counted by source and day in the transaction in which its row goes.

A segment's row goes when its object has left the store; so what is counted here is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from recorder.tables import deletions, gaps

_DAY_US = 86_400_000_000
UNKNOWN = "unknown"


def count_deletions(connection: sa.Connection, gone: Iterable[Any], now_us: int) -> None:
    """Count rows with ``source_id``, ``start_us``, ``end_us`` and ``size_bytes``."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in gone:
        key = (row.source_id, _cause(connection, row))
        found = sums.setdefault(key, [0, 0, row.start_us, row.end_us])
        found[0] += 1
        found[1] += row.size_bytes
        found[2] = min(found[2], row.start_us)
        found[3] = max(found[3], row.end_us)
    for (source_id, cause), counted in sums.items():
        _add(connection, source_id, now_us // _DAY_US, cause, counted)


def _cause(connection: sa.Connection, row: Any) -> str:
    """Why: the gap that took its place says so."""
    statement = (
        sa.select(gaps.c.cause)
        .where(
            gaps.c.source_id == row.source_id,
            gaps.c.start_us <= row.start_us,
            gaps.c.end_us > row.start_us,
        )
        .order_by(gaps.c.start_us.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or UNKNOWN


def _add(
    connection: sa.Connection, source_id: str, day: int, cause: str, counted: list[int]
) -> None:
    segments, size_bytes, first_us, last_us = counted
    table = deletions.c
    here = (table.source_id == source_id, table.day == day, table.cause == cause)
    known = connection.execute(sa.select(table.first_us, table.last_us).where(*here)).one_or_none()
    if known is None:
        connection.execute(
            sa.insert(deletions).values(
                source_id=source_id,
                day=day,
                cause=cause,
                segments=segments,
                size_bytes=size_bytes,
                first_us=first_us,
                last_us=last_us,
            )
        )
        return
    connection.execute(
        sa.update(deletions)
        .where(*here)
        .values(
            segments=table.segments + segments,
            size_bytes=table.size_bytes + size_bytes,
            first_us=min(known.first_us, first_us),
            last_us=max(known.last_us, last_us),
        )
    )
