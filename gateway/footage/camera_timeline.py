"""A camera's timeline: its own recording, and what imports add to it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from recorder.intervals import merge, subtract
from recorder.segments import Segment
from recorder.tables import sources
from recorder.timeline import SEAM_US, Timeline, TimelineGap, recorded_days, timeline


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
) -> Timeline:
    """As :func:`recorder.timeline.timeline`, for all sources of the camera's main variant. Gaps are
    those of its own recording, less what was imported.
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
    imports = [
        await timeline(
            connection, source_id, start_us, end_us, now_us=now_us, resolution_us=resolution_us
        )
        for source_id in await import_sources(connection, camera_id)
    ]
    added = [span for one in imports for span in one.spans]
    if not added:
        return own
    tolerance_us = max(resolution_us, SEAM_US)
    gaps = [
        TimelineGap(start, end, gap.cause, gap.detail)
        for gap in own.gaps
        for start, end in subtract((gap.start_us, gap.end_us), added)
        if end - start > tolerance_us
    ]
    known = [one.first_us for one in (own, *imports) if one.first_us is not None]
    return Timeline(merge([*own.spans, *added], tolerance_us), gaps, min(known, default=None))


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
    for source_id in await import_sources(connection, camera_id):
        found = await recorded_days(
            connection, source_id, first, last, utc_offset_minutes=utc_offset_minutes
        )
        for day, recorded_us in found:
            days[day] = max(days.get(day, 0), recorded_us)
    return sorted(days.items())


async def import_sources(connection: AsyncConnection, camera_id: str) -> list[str]:
    """The sources of the camera's main variant beside its own recording."""
    rows = await connection.execute(
        sa.select(sources.c.id)
        .where(
            sources.c.camera_id == camera_id,
            sources.c.variant == "main",
            sources.c.id != f"{camera_id}/main",
        )
        .order_by(sources.c.id)
    )
    return [row.id for row in rows]
