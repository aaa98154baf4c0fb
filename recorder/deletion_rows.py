"""What was deleted, counted by source and day in the transaction in which its row goes.

A segment's row goes when its object has left the store; so what is counted here is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    for (source_id, cause), (segments, size_bytes, first_us, last_us) in sums.items():
        add_to_day(
            connection,
            deletions,
            {"source_id": source_id, "day": now_us // _DAY_US, "cause": cause},
            {"segments": segments, "size_bytes": size_bytes},
            first_us,
            last_us,
        )


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


def add_to_day(
    connection: sa.Connection,
    table: sa.Table,
    key: Mapping[str, Any],
    counts: Mapping[str, int],
    first_us: int,
    last_us: int,
) -> None:
    """Add ``counts`` to the row with that ``key`` of a table of deletions, and have it reach from
    ``first_us`` to ``last_us`` at least.
    """
    here = [table.c[name] == value for name, value in key.items()]
    known = connection.execute(
        sa.select(table.c.first_us, table.c.last_us).where(*here)
    ).one_or_none()
    if known is None:
        connection.execute(
            sa.insert(table).values(**key, **counts, first_us=first_us, last_us=last_us)
        )
        return
    connection.execute(
        sa.update(table)
        .where(*here)
        .values(
            first_us=min(known.first_us, first_us),
            last_us=max(known.last_us, last_us),
            **{name: table.c[name] + more for name, more in counts.items()},
        )
    )
