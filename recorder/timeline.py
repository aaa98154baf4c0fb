"""The timeline of a source: what is recorded, what is missing and why, in a few indexed reads.

Spans come merged from their own rows, so that a month costs as little as an hour; segments that are
not in the index yet (``Recorder.open_segments``) are merged in by the caller's argument.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.stream import GapCause
from recorder.intervals import Interval, merge, subtract
from recorder.segments import Segment
from recorder.tables import clock_offsets, gaps, spans

# Between two runs a few pictures' time may be uncovered; that is no gap worth a person's look.
SEAM_US = 500_000


class TimelineGap(NamedTuple):
    """Nothing is recorded in [``start_us``, ``end_us``), for this GapCause."""

    start_us: int
    end_us: int
    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Recorded spans and gaps of the asked range, in order; ``first_us`` is where the history
    begins, None when there is none.
    """

    spans: list[Interval]
    gaps: list[TimelineGap]
    first_us: int | None


async def timeline(
    connection: AsyncConnection,
    source_id: str,
    start_us: int,
    end_us: int,
    *,
    now_us: int,
    resolution_us: int = 0,
    open_segments: Sequence[Segment] = (),
    held_on: str | None = None,
) -> Timeline:
    """The timeline of [``start_us``, ``end_us``), which ends at ``now_us`` at the latest.

    Spans closer than ``resolution_us`` are merged, and gaps shorter than it left out; there is
    always a resolution of half a second. Missing time that nobody explained is reported as
    ``gateway_stopped``; but when ``held_on`` names an owner that does not answer, what is missing
    since the last footage is ``held_on_node``. Time before the first footage is no gap.
    """
    end_us = min(end_us, now_us)
    first_us, recorded, told = await _read(connection, source_id, start_us, end_us, now_us)
    for segment in open_segments:
        recorded.append((segment.start_us, segment.end_us))
        first_us = segment.start_us if first_us is None else min(first_us, segment.start_us)
    tolerance_us = max(resolution_us, SEAM_US)
    covered = [
        (max(span_start, start_us), min(span_end, end_us))
        for span_start, span_end in merge(recorded, tolerance_us)
        if span_end > start_us and span_start < end_us
    ]
    if end_us <= start_us:
        return Timeline([], [], first_us)
    known = [gap.start_us for gap in told]
    if first_us is not None:
        known.append(first_us)
    missing = subtract((max(start_us, min(known, default=end_us)), end_us), covered)
    if covered and missing and missing[-1][1] == end_us:
        since_us = missing[-1][0]
        told_since = any(gap.end_us > since_us for gap in told)
        if not told_since and now_us - since_us <= _ON_ITS_WAY_US:
            missing.pop()  # the last seconds are on their way to the disk: not missing
    # Whoever asks up to now has a clock of their own, and the question took its time.
    is_recent = now_us - end_us <= _ON_ITS_WAY_US
    if held_on is not None and is_recent and missing and missing[-1][1] == end_us:
        told.append(TimelineGap(*missing[-1], GapCause.HELD_ON_NODE.value, _held(held_on)))
    return Timeline(covered, _explain(missing, told, tolerance_us), first_us)


async def recorded_days(
    connection: AsyncConnection,
    source_id: str,
    first: datetime.date,
    last: datetime.date,
    *,
    utc_offset_minutes: int = 0,
    open_segments: Sequence[Segment] = (),
) -> list[tuple[datetime.date, int]]:
    """How many microseconds are recorded on each day from ``first`` to ``last``, by local time."""
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    days = [first + datetime.timedelta(days=n) for n in range((last - first).days + 1)]
    if not days:
        return []
    day_us = 86_400_000_000
    midnight = datetime.datetime.combine(first, datetime.time(), zone)
    start_us = round(midnight.timestamp()) * 1_000_000
    found = await _spans(connection, source_id, start_us, start_us + len(days) * day_us)
    recorded = merge(found + [(segment.start_us, segment.end_us) for segment in open_segments])
    totals = [0] * len(days)
    for span_start, span_end in recorded:
        for number in range(
            max((span_start - start_us) // day_us, 0),
            min((span_end - 1 - start_us) // day_us + 1, len(days)),
        ):
            day_start = start_us + number * day_us
            totals[number] += min(span_end, day_start + day_us) - max(span_start, day_start)
    return list(zip(days, totals, strict=True))


async def clock_offset(connection: AsyncConnection, source_id: str) -> tuple[int, int] | None:
    """``(since_us, offset_us)`` of a clock step that nobody accepted yet, else None."""
    row = await _newest_clock_offset(connection, source_id)
    if row is None or row.offset_us == 0 or row.accepted_us is not None:
        return None
    return row.since_us, row.offset_us


async def accepted_clock_offset(connection: AsyncConnection, source_id: str) -> int | None:
    """The offset that an operator accepted, unless the clock was noted to be right or to be
    another's since."""
    row = await _newest_clock_offset(connection, source_id)
    if row is None or row.offset_us == 0 or row.accepted_us is None:
        return None
    return int(row.offset_us)


async def _newest_clock_offset(
    connection: AsyncConnection, source_id: str
) -> sa.Row[tuple[object, ...]] | None:
    found = await connection.execute(
        sa.select(clock_offsets)
        .where(clock_offsets.c.source_id == source_id)
        .order_by(clock_offsets.c.since_us.desc(), clock_offsets.c.id.desc())
        .limit(1)
    )
    return found.first()


_ON_ITS_WAY_US = 15_000_000


async def _read(
    connection: AsyncConnection, source_id: str, start_us: int, end_us: int, now_us: int
) -> tuple[int | None, list[Interval], list[TimelineGap]]:
    """Where the history begins, its spans and its gaps: one statement, one trip to the database."""
    nothing = sa.null()
    first = (
        sa.select(spans.c.start_us, spans.c.end_us)
        .where(spans.c.source_id == source_id)
        .order_by(spans.c.start_us)
        .limit(1)
        .subquery()
    )
    found = _spans_statement(source_id, start_us, end_us).subquery()
    told = sa.select(
        sa.literal(2), gaps.c.start_us, gaps.c.end_us, gaps.c.cause, gaps.c.detail
    ).where(
        gaps.c.source_id == source_id,
        gaps.c.start_us < end_us,
        sa.or_(gaps.c.end_us.is_(None), gaps.c.end_us > start_us),
    )
    rows = await connection.execute(
        sa.union_all(
            sa.select(sa.literal(0), first.c.start_us, first.c.end_us, nothing, nothing),
            sa.select(sa.literal(1), found.c.start_us, found.c.end_us, nothing, nothing),
            told,
        )
    )
    first_us: int | None = None
    recorded: list[Interval] = []
    missing: list[TimelineGap] = []
    for kind, start, end, cause, detail in rows:
        if kind == 0:
            first_us = start
        elif kind == 1:
            recorded.append((start, end))
        else:
            missing.append(TimelineGap(start, now_us if end is None else end, cause, detail))
    missing.sort()
    return first_us, [span for span in recorded if span[1] > start_us], missing


async def _spans(
    connection: AsyncConnection, source_id: str, start_us: int, end_us: int
) -> list[Interval]:
    rows = await connection.execute(_spans_statement(source_id, start_us, end_us))
    return [(row[0], row[1]) for row in rows if row[1] > start_us]


def _spans_statement(source_id: str, start_us: int, end_us: int) -> sa.CompoundSelect[Any]:
    """The spans that start in the range, and the last before it, which may reach into it."""
    columns = (spans.c.start_us, spans.c.end_us)
    before = (
        sa.select(*columns)
        .where(spans.c.source_id == source_id, spans.c.start_us <= start_us)
        .order_by(spans.c.start_us.desc())
        .limit(1)
        .subquery()
    )
    within = sa.select(*columns).where(
        spans.c.source_id == source_id, spans.c.start_us > start_us, spans.c.start_us < end_us
    )
    return sa.union_all(sa.select(before), within)


def _explain(
    missing: list[Interval], told: list[TimelineGap], tolerance_us: int
) -> list[TimelineGap]:
    """Cut the missing ranges by cause; of overlapping explanations the later one holds."""
    explained: list[TimelineGap] = []
    for whole in missing:
        pieces: list[TimelineGap] = []
        left = [whole]
        for gap in reversed(told):
            remaining: list[Interval] = []
            for piece in left:
                start, end = max(piece[0], gap.start_us), min(piece[1], gap.end_us)
                if start < end:
                    pieces.append(TimelineGap(start, end, gap.cause, gap.detail))
                    remaining += subtract(piece, [(start, end)])
                else:
                    remaining.append(piece)
            left = remaining
        pieces += [
            TimelineGap(start, end, GapCause.GATEWAY_STOPPED.value, UNEXPLAINED)
            for start, end in left
            if end - start > SEAM_US
        ]
        pieces.sort()
        explained += _joined(pieces)
    return [gap for gap in explained if gap.end_us - gap.start_us >= tolerance_us]


def _held(owner: str) -> str:
    return f"{owner} does not answer: what it recorded last is on its disk until it is back"


UNEXPLAINED = "nothing was recorded and no reason was noted: the gateway was most likely stopped"


def _joined(pieces: list[TimelineGap]) -> list[TimelineGap]:
    joined: list[TimelineGap] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and last.cause == piece.cause and piece.start_us <= last.end_us:
            joined[-1] = last._replace(end_us=max(last.end_us, piece.end_us))
        else:
            joined.append(piece)
    return joined
