"""How much of each day a camera recorded, of what it should have."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.stream import GapCause
from gateway.footage.camera_timeline import CameraTimeline, camera_timeline
from gateway.identifiers import US_PER_S
from recorder.retention import DAY_US
from recorder.segments import Segment

# Nobody meant to record then, or to keep what was.
_PLANNED = frozenset({GapCause.NOT_SCHEDULED.value, GapCause.RETENTION.value})
_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class DayRecorded:
    """``day`` counts from 1970, by the clock on the wall."""

    day: int
    recorded_us: int
    expected_us: int


def day_of(at_us: int, utc_offset_minutes: int) -> int:
    """The day of an instant."""
    return (at_us + utc_offset_minutes * 60 * US_PER_S) // DAY_US


def day_text(day: int) -> str:
    """As ``2026-11-24``."""
    return (_EPOCH + datetime.timedelta(days=day)).isoformat()


async def recorded_day(
    connection: AsyncConnection,
    camera_id: str,
    day: int,
    *,
    utc_offset_minutes: int,
    now_us: int,
    created_us: int | None,
    open_segments: Sequence[Segment] = (),
    held_on: str | None = None,
) -> DayRecorded:
    """Of one day up to now. ``created_us``: since when the camera is to be recorded, None where it
    is not; what was recorded nevertheless, or planned to be missing, is as it should be.
    """
    start_us = day * DAY_US - utc_offset_minutes * 60 * US_PER_S
    end_us = min(start_us + DAY_US, now_us)
    if end_us <= start_us:
        return DayRecorded(day, 0, 0)
    found = await camera_timeline(
        connection,
        camera_id,
        start_us,
        end_us,
        now_us=now_us,
        open_segments=open_segments,
        held_on=held_on,
    )
    return DayRecorded(day, *completeness(found, start_us, end_us, created_us))


def completeness(
    found: CameraTimeline, start_us: int, end_us: int, created_us: int | None
) -> tuple[int, int]:
    """Recorded, and expected: that and what is missing though nobody meant it to be."""
    recorded_us = sum(end - start for start, end in found.spans)
    if found.first_us is None and not found.gaps:
        since_us = end_us if created_us is None else max(start_us, created_us)
        return 0, max(0, end_us - since_us)
    missing_us = sum(one.end_us - one.start_us for one in found.gaps if one.cause not in _PLANNED)
    return recorded_us, recorded_us + missing_us
