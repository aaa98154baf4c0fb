"""Reading the index: runs and segments by id, by instant, by range. One indexed query each.

Every function takes an AsyncConnection of the caller's. Effective ranges of a source never overlap,
so their order by start is their order by end, and "what covers this instant" is one step back in
the index.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.segments import Run, Segment
from recorder.tables import assignments, runs, segments

# So long after a source went to another owner the former one may have footage to store.
PREDECESSOR_US = 120_000_000


def run_from_row(row: sa.Row[Any]) -> Run:
    """A Run from a whole row of ``runs``."""
    values = dict(row._mapping)
    del values["segments"]
    values["timescales"] = tuple(int(part) for part in str(values["timescales"]).split(","))
    return Run(**values)


def segment_from_row(row: sa.Row[Any]) -> Segment:
    """A Segment from a whole row of ``segments``."""
    return Segment(**row._mapping)


def recent_predecessor(now_us: int) -> sa.ColumnElement[str | None]:
    """Of ``assignments``: who held the source until a short while ago, else NULL."""
    is_recent = assignments.c.since_us > now_us - PREDECESSOR_US
    return sa.case((is_recent, assignments.c.predecessor), else_=None)


async def find_run(connection: AsyncConnection, run_id: str) -> Run | None:
    """The run with this id."""
    row = (await connection.execute(sa.select(runs).where(runs.c.id == run_id))).first()
    return None if row is None else run_from_row(row)


async def find_runs(connection: AsyncConnection, run_ids: set[str]) -> dict[str, Run]:
    """The runs with these ids; unknown ones are left out."""
    rows = await connection.execute(sa.select(runs).where(runs.c.id.in_(run_ids)))
    return {row.id: run_from_row(row) for row in rows}


async def find_segment(connection: AsyncConnection, segment_id: str) -> Segment | None:
    """The segment with this id, in whatever state."""
    statement = sa.select(segments).where(segments.c.id == segment_id)
    row = (await connection.execute(statement)).first()
    return None if row is None else segment_from_row(row)


async def segment_at(connection: AsyncConnection, source_id: str, at_us: int) -> Segment | None:
    """The segment whose effective range holds the instant."""
    statement = (
        sa.select(segments)
        .where(segments.c.source_id == source_id, segments.c.effective_start_us <= at_us)
        .order_by(segments.c.effective_start_us.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).first()
    if row is None or row.effective_end_us <= at_us:
        return None
    return segment_from_row(row)


async def segments_between(
    connection: AsyncConnection, source_id: str, start_us: int, end_us: int, limit: int = 10_000
) -> list[Segment]:
    """The segments whose effective range meets [``start_us``, ``end_us``), in order of time."""
    first = await segment_at(connection, source_id, start_us)
    statement = (
        sa.select(segments)
        .where(
            segments.c.source_id == source_id,
            segments.c.effective_start_us > start_us,
            segments.c.effective_start_us < end_us,
        )
        .order_by(segments.c.effective_start_us)
        .limit(limit if first is None else limit - 1)
    )
    found = [segment_from_row(row) for row in await connection.execute(statement)]
    return found if first is None else [first, *found]
