"""A camera's timeline: its own recording, and what was added: imported, fetched from its device
into a gap, borrowed from its device by who played it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.intervals import merge, subtract
from recorder.segments import Segment
from recorder.tables import sources
from recorder.timeline import SEAM_US, Timeline, TimelineGap, recorded_days, timeline


class AddedSpan(NamedTuple):
    """Footage that the gateway did not record itself; ``kind`` is that of its source."""

    start_us: int
    end_us: int
    kind: str


@dataclass(frozen=True, slots=True)
class CameraTimeline(Timeline):
    """``added`` is what of the spans is not the gateway's own recording."""

    added: list[AddedSpan]


async def camera_timeline(
    connection: AsyncConnection,
    camera_id: str,
    start_us: int,
    end_us: int,
    *,
    now_us: int,
    resolution_us: int = 0,
    open_segments: Sequence[Segment] = (),
    held_on: str | None = None,
) -> CameraTimeline:
    """As :func:`recorder.timeline.timeline`, for all sources of the camera's main variant. Gaps are
    those of its own recording, less what was added.
    """
    own = await timeline(
        connection,
        f"{camera_id}/main",
        start_us,
        end_us,
        now_us=now_us,
        resolution_us=resolution_us,
        open_segments=open_segments,
        held_on=held_on,
    )
    others = [
        (
            kind,
            await timeline(
                connection, source_id, start_us, end_us, now_us=now_us, resolution_us=resolution_us
            ),
        )
        for source_id, kind in await added_sources(connection, camera_id)
    ]
    added = [
        AddedSpan(start, end, kind)
        for kind, one in others
        for whole in one.spans
        for start, end in subtract(whole, own.spans)
    ]
    known = [one.first_us for one in (own, *(one for _, one in others)) if one.first_us is not None]
    first_us = min(known, default=None)
    if not added:
        return CameraTimeline(own.spans, own.gaps, first_us, [])
    tolerance_us = max(resolution_us, SEAM_US)
    filled = [(one.start_us, one.end_us) for one in added]
    gaps = [
        TimelineGap(start, end, gap.cause, gap.detail)
        for gap in own.gaps
        for start, end in subtract((gap.start_us, gap.end_us), filled)
        if end - start > tolerance_us
    ]
    spans = merge([*own.spans, *filled], tolerance_us)
    return CameraTimeline(spans, gaps, first_us, sorted(added))


async def camera_days(
    connection: AsyncConnection,
    camera_id: str,
    first: datetime.date,
    last: datetime.date,
    *,
    utc_offset_minutes: int,
    open_segments: Sequence[Segment] = (),
) -> list[tuple[datetime.date, int]]:
    """As :func:`recorder.timeline.recorded_days`. A day that both recorded counts the longer."""
    days = dict(
        await recorded_days(
            connection,
            f"{camera_id}/main",
            first,
            last,
            utc_offset_minutes=utc_offset_minutes,
            open_segments=open_segments,
        )
    )
    for source_id, _ in await added_sources(connection, camera_id):
        found = await recorded_days(
            connection, source_id, first, last, utc_offset_minutes=utc_offset_minutes
        )
        for day, recorded_us in found:
            days[day] = max(days.get(day, 0), recorded_us)
    return sorted(days.items())


async def added_sources(connection: AsyncConnection, camera_id: str) -> list[tuple[str, str]]:
    """The sources of the camera's main variant beside its own recording, with their kinds."""
    rows = await connection.execute(
        sa.select(sources.c.id, sources.c.kind)
        .where(
            sources.c.camera_id == camera_id,
            sources.c.variant == "main",
            sources.c.id != f"{camera_id}/main",
        )
        .order_by(sources.c.id)
    )
    return [(row.id, row.kind) for row in rows]
