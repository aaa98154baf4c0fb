"""What is recorded, what is missing and why."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from gateway.api.access import Caller, permitted_camera
from gateway.api.bookmarks import bookmark_document, select_bookmarks
from gateway.api.errors import invalid
from gateway.api.footage_answers import DeviceRecordings, RecordedDays, Timeline
from gateway.api.open_segments import read_open_segments
from gateway.api.services import ServicesDep
from gateway.database.tables import bookmarks
from gateway.footage.camera_timeline import camera_days, camera_timeline
from gateway.identifiers import US_PER_S, now_us
from gateway.people.roles import Right

router = APIRouter(prefix="/api/timeline", tags=["timeline"])

_RANGE_LIMIT_US = 400 * 24 * 3600 * US_PER_S
_DEVICE_RANGE_LIMIT_US = 31 * 24 * 3600 * US_PER_S
_DAYS_LIMIT = 400
_BOOKMARKS_LIMIT = 1000
# Time stamps from the year 1970 to 2200: more would not fit every database's integers.
TIME_LIMIT_US = 7_258_118_400 * US_PER_S

TimeUs = Annotated[int, Query(ge=0, le=TIME_LIMIT_US)]


@router.get("", response_model=Timeline)
async def read_timeline(
    caller: Caller,
    services: ServicesDep,
    camera_id: str,
    start_us: TimeUs,
    end_us: TimeUs,
    resolution_us: Annotated[int, Query(ge=0, le=_RANGE_LIMIT_US)] = 0,
) -> dict[str, Any]:
    """Spans, gaps with their causes, and bookmarks of a range."""
    if not start_us < end_us <= start_us + _RANGE_LIMIT_US:
        raise invalid(end_us="the range is empty or longer than 400 days")
    async with services.reader.connect() as connection:
        await permitted_camera(connection, caller, Right.PLAYBACK, camera_id, deleted=True)
    open_segments, silent_shard = await read_open_segments(services.processes, camera_id)
    at_us = now_us()
    async with services.reader.connect() as connection:
        found = await camera_timeline(
            connection,
            camera_id,
            start_us,
            end_us,
            now_us=at_us,
            resolution_us=resolution_us,
            open_segments=open_segments,
            held_on=silent_shard,
        )
        marked = await connection.execute(
            select_bookmarks()
            .where(
                bookmarks.c.camera_id == camera_id,
                bookmarks.c.at_us < end_us,
                sa.func.coalesce(bookmarks.c.end_us, bookmarks.c.at_us) >= start_us,
            )
            .order_by(bookmarks.c.at_us)
            .limit(_BOOKMARKS_LIMIT)
        )
        marks = [bookmark_document(row) for row in marked]
    return {
        "camera_id": camera_id,
        "now_us": at_us,
        "spans": [{"start_us": start, "end_us": end} for start, end in found.spans],
        "added": [one._asdict() for one in found.added],
        "gaps": [gap._asdict() for gap in found.gaps],
        "bookmarks": marks,
        "first_us": found.first_us,
    }


@router.get("/device", response_model=DeviceRecordings)
async def read_device_recordings(
    caller: Caller, services: ServicesDep, camera_id: str, start_us: TimeUs, end_us: TimeUs
) -> dict[str, Any]:
    """What the camera's device, or the platform that brings it, has recorded itself."""
    if not start_us < end_us <= start_us + _DEVICE_RANGE_LIMIT_US:
        raise invalid(end_us="the range is empty or longer than 31 days")
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.PLAYBACK, camera_id)
    return await services.device_recordings.read(camera, start_us, min(end_us, now_us()))


@router.get("/days", response_model=RecordedDays)
async def read_days(
    caller: Caller,
    services: ServicesDep,
    camera_id: str,
    first: Annotated[datetime.date, Query(alias="from")],
    last: Annotated[datetime.date, Query(alias="to")],
    utc_offset_minutes: Annotated[int, Query(ge=-1080, le=1080)] = 480,
) -> dict[str, Any]:
    """How much is recorded on each day of a calendar."""
    if not 0 <= (last - first).days < _DAYS_LIMIT or not 1971 <= first.year <= 2199:
        raise invalid(to=f"a calendar has from one to {_DAYS_LIMIT} days")
    async with services.reader.connect() as connection:
        await permitted_camera(connection, caller, Right.PLAYBACK, camera_id, deleted=True)
    open_segments, _ = await read_open_segments(services.processes, camera_id)
    async with services.reader.connect() as connection:
        days = await camera_days(
            connection,
            camera_id,
            first,
            last,
            utc_offset_minutes=utc_offset_minutes,
            open_segments=open_segments,
        )
    return {"days": [{"day": day.isoformat(), "recorded_us": total} for day, total in days]}
