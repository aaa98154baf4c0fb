"""The forecast of a day, by camera and by area: who keeps how long, who will not, and why.

Pure but for :func:`read_cameras_use`. What a camera keeps is what its recordings keep; what was
borrowed from a device is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import cameras
from recorder.forecast import RATE_DAYS, Forecast, SourceForecast
from recorder.retention import DAY_US
from recorder.tables import daily_usage, sources, spans

State = Literal["short", "empty", "filling", "ok"]
Cause = Literal["bytes", "space"]
# How far back a bitrate is compared with that of the last days.
BEFORE_DAYS = 28
# What was recorded for less says nothing of a bitrate.
_LEAST_S = 6 * 3600
# By how much it must have grown to be named.
RISEN = 1.2
# The oldest segment of a camera that keeps its days is cut, and looked at now and then.
_TOLERANCE_DAYS = 0.5
_ORDER: Mapping[State, int] = {"short": 0, "empty": 1, "filling": 2, "ok": 3}


@dataclass(frozen=True, slots=True)
class CameraUse:
    """A camera as it is configured, and its bitrate of late and in the weeks before (None: it was
    recorded too little to tell).
    """

    camera_id: str
    area_id: str
    records: bool
    required_days: float
    size_limit: int | None
    bitrate_bps: float | None = None
    before_bps: float | None = None


@dataclass(frozen=True, slots=True)
class CameraForecast:
    """``reach_days``: how far back its footage will reach in the end. ``short``: that is less than
    it must; ``empty``: it is to be recorded, and there is nothing; ``filling``: it is still young.
    ``short_from_us``: when it falls below, or fell. ``risen_bytes_per_day``: what it takes more
    than its bitrate of the weeks before would.
    """

    camera_id: str
    area_id: str
    state: State
    cause: Cause | None
    required_days: float
    kept_days: float
    reach_days: float
    short_from_us: int | None
    used_bytes: int
    bytes_per_day: float
    bitrate_bps: float | None
    before_bps: float | None
    risen_bytes_per_day: float


@dataclass(slots=True)
class AreaSums:
    """Of the cameras whose home an area is. ``least_days``: the fewest that one keeps or will."""

    cameras: int = 0
    short: int = 0
    empty: int = 0
    filling: int = 0
    used_bytes: int = 0
    bytes_per_day: float = 0.0
    least_days: float | None = None

    def add(self, one: CameraForecast) -> None:
        """Count a camera."""
        self.cameras += 1
        self.short += one.state == "short"
        self.empty += one.state == "empty"
        self.filling += one.state == "filling"
        self.used_bytes += one.used_bytes
        self.bytes_per_day += one.bytes_per_day
        if one.state != "empty":
            days = min(one.reach_days, one.required_days)
            self.least_days = days if self.least_days is None else min(days, self.least_days)


def by_camera(
    found: Forecast, owners: Mapping[str, str], known: Iterable[CameraUse]
) -> list[CameraForecast]:
    """All cameras that record or have footage, the worst first. ``owners``: source id → camera id
    of the sources that count.
    """
    of_camera: dict[str, list[SourceForecast]] = {}
    for source in found.sources:
        if source.source_id in owners:
            of_camera.setdefault(owners[source.source_id], []).append(source)
    made = [
        _camera(one, of_camera.get(one.camera_id, []), found.full_at_us)
        for one in known
        if one.records or one.camera_id in of_camera
    ]
    return sorted(made, key=_badness)


def by_area(made: Iterable[CameraForecast]) -> dict[str, AreaSums]:
    """Sums by the id of the cameras' home."""
    sums: dict[str, AreaSums] = {}
    for one in made:
        sums.setdefault(one.area_id, AreaSums()).add(one)
    return sums


def _camera(
    one: CameraUse, kept: Sequence[SourceForecast], full_at_us: int | None
) -> CameraForecast:
    used = sum(source.used_bytes for source in kept)
    rate = sum(source.bytes_per_day for source in kept)
    kept_days = max((source.kept_days for source in kept), default=0.0)
    required = one.required_days
    by_space = min(
        (source.reachable_days for source in kept if source.reachable_days is not None),
        default=required,
    )
    by_bytes = one.size_limit / rate if one.size_limit is not None and rate > 0 else required
    # Footage of a camera that is recorded no more grows old and goes; it will reach nowhere.
    reach = min(required, by_space, by_bytes) if rate > 0 else min(kept_days, required)
    starts = [source.short_from_us for source in kept if source.short_from_us is not None]
    state: State = "ok"
    cause: Cause | None = None
    if rate > 0 and starts and reach < required - _TOLERANCE_DAYS:
        state, cause = "short", "bytes" if by_bytes < by_space else "space"
    elif one.records and not used:
        state = "empty"
    elif rate > 0 and kept_days < required - _TOLERANCE_DAYS:
        state = "filling"
    risen = 0.0
    if one.bitrate_bps and one.before_bps and one.bitrate_bps >= one.before_bps * RISEN:
        risen = rate * (1 - one.before_bps / one.bitrate_bps)
    return CameraForecast(
        one.camera_id,
        one.area_id,
        state,
        cause,
        required,
        kept_days,
        reach,
        min(starts) if state == "short" else None,
        used,
        rate,
        one.bitrate_bps,
        one.before_bps,
        risen,
    )


def _badness(one: CameraForecast) -> tuple[int, float, float, str]:
    return (
        _ORDER[one.state],
        one.reach_days / one.required_days,
        one.kept_days / one.required_days,
        one.camera_id,
    )


async def read_cameras_use(
    connection: AsyncConnection, now_us: int, default_days: float
) -> tuple[dict[str, str], list[CameraUse]]:
    """Whose sources they are, and the cameras that are not deleted."""
    owner_rows = await connection.execute(
        sa.select(sources.c.id, sources.c.camera_id)
        .join(cameras, cameras.c.id == sources.c.camera_id)
        .where(sources.c.kind != "borrowed", cameras.c.deleted_us.is_(None))
    )
    owners = {row.id: row.camera_id for row in owner_rows}
    today = now_us // DAY_US
    late = await _bitrates(connection, owners, today - RATE_DAYS, today)
    before = await _bitrates(connection, owners, today - BEFORE_DAYS, today - RATE_DAYS)
    rows = await connection.execute(
        sa.select(
            cameras.c.id,
            cameras.c.area_id,
            cameras.c.enabled,
            cameras.c.record,
            cameras.c.retention_days,
            cameras.c.retention_bytes,
        ).where(cameras.c.deleted_us.is_(None))
    )
    return owners, [
        CameraUse(
            row.id,
            row.area_id,
            row.enabled and row.record != "off",
            float(row.retention_days or default_days),
            row.retention_bytes,
            late.get(row.id),
            before.get(row.id),
        )
        for row in rows
    ]


async def _bitrates(
    connection: AsyncConnection, owners: Mapping[str, str], first_day: int, end_day: int
) -> dict[str, float]:
    """Bits per recorded second, by camera, of the days from ``first_day`` to before ``end_day``: a
    camera that was away for a week is not one whose bitrate fell.
    """
    start_us, end_us = first_day * DAY_US, end_day * DAY_US
    begins = sa.case((spans.c.start_us < start_us, start_us), else_=spans.c.start_us)
    ends = sa.case((spans.c.end_us > end_us, end_us), else_=spans.c.end_us)
    recorded = await connection.execute(
        sa.select(spans.c.source_id, sa.func.sum(ends - begins))
        .where(spans.c.start_us < end_us, spans.c.end_us > start_us)
        .group_by(spans.c.source_id)
    )
    sizes = await connection.execute(
        sa.select(daily_usage.c.source_id, sa.func.sum(daily_usage.c.size_bytes))
        .where(daily_usage.c.day >= first_day, daily_usage.c.day < end_day)
        .group_by(daily_usage.c.source_id)
    )
    seconds: dict[str, float] = {}
    bits: dict[str, float] = {}
    for found, rows, factor in ((seconds, recorded, 1e-6), (bits, sizes, 8.0)):
        for source_id, amount in rows:
            if source_id in owners:
                camera_id = owners[source_id]
                found[camera_id] = found.get(camera_id, 0.0) + float(amount) * factor
    return {
        camera_id: bits[camera_id] / lasted
        for camera_id, lasted in seconds.items()
        if lasted >= _LEAST_S and camera_id in bits
    }
