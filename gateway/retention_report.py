"""What was kept, what was deleted and when, and that it is gone: from rows, and from the store."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.cameras import Camera
from gateway.database.evidence_tables import export_jobs
from gateway.database.operating_tables import device_events
from gateway.database.tables import bookmarks, cameras
from gateway.retention import camera_days, overdue_bookmarks, overdue_events
from recorder.lookup import find_segment
from recorder.retention import DAY_US
from recorder.stores import Store
from recorder.tables import DELETING, STORED, deletions, held_ranges, segments, sources, spans
from search.index.expiry import overdue as passages_overdue

# Retention looks once a minute, and at a source when some ten segments are due.
PATIENCE_US = 2 * 3_600_000_000
REMAINING_SHOWN = 200


@dataclass(slots=True)
class CameraReport:
    """How one camera's footage is kept. ``overdue_segments``: beyond their time, and not held."""

    camera: Camera
    required_days: int
    oldest_us: int | None = None
    overdue_segments: int = 0
    holds: int = 0
    deleted_segments: int = 0
    deleted_bytes: int = 0

    def kept_days(self, at_us: int) -> float:
        """How far back its footage reaches."""
        return 0.0 if self.oldest_us is None else round((at_us - self.oldest_us) / DAY_US, 2)


async def report_cameras(
    connection: AsyncConnection,
    found: Sequence[Camera],
    *,
    default_days: int,
    since_day: int,
    at_us: int,
) -> list[CameraReport]:
    """One report for each camera, in the same order."""
    reports = {
        camera.id: CameraReport(camera, camera.retention_days or default_days) for camera in found
    }
    owner = await _sources_of(connection, reports)
    oldest = await connection.execute(
        sa.select(spans.c.source_id, sa.func.min(spans.c.start_us))
        .where(spans.c.source_id.in_(owner))
        .group_by(spans.c.source_id)
    )
    for source_id, start_us in oldest:
        report = reports[owner[source_id]]
        report.oldest_us = min(start_us, report.oldest_us or start_us)
        limit_us = at_us - report.required_days * DAY_US - PATIENCE_US
        if start_us < limit_us:
            report.overdue_segments += await _overdue(connection, source_id, limit_us)
    held = await connection.execute(
        sa.select(held_ranges.c.camera_id, sa.func.count())
        .where(held_ranges.c.camera_id.in_(reports))
        .group_by(held_ranges.c.camera_id)
    )
    for camera_id, count in held:
        reports[camera_id].holds = count
    gone = await connection.execute(
        sa.select(
            deletions.c.source_id,
            sa.func.sum(deletions.c.segments),
            sa.func.sum(deletions.c.size_bytes),
        )
        .where(deletions.c.source_id.in_(owner), deletions.c.day >= since_day)
        .group_by(deletions.c.source_id)
    )
    for source_id, count, size_bytes in gone:
        reports[owner[source_id]].deleted_segments += count
        reports[owner[source_id]].deleted_bytes += size_bytes
    return list(reports.values())


async def deleted_by_day(
    connection: AsyncConnection, camera_ids: sa.Select[tuple[str]], since_day: int
) -> list[dict[str, Any]]:
    """What was deleted on each day and why, the newest first, of the cameras with these ids."""
    own = sa.select(sources.c.id).where(sources.c.camera_id.in_(camera_ids))
    where = [deletions.c.day >= since_day, deletions.c.source_id.in_(own)]
    rows = await connection.execute(
        sa.select(
            deletions.c.day,
            deletions.c.cause,
            sa.func.sum(deletions.c.segments).label("segments"),
            sa.func.sum(deletions.c.size_bytes).label("bytes"),
            sa.func.min(deletions.c.first_us).label("first_us"),
            sa.func.max(deletions.c.last_us).label("last_us"),
        )
        .where(*where)
        .group_by(deletions.c.day, deletions.c.cause)
        .order_by(deletions.c.day.desc(), deletions.c.cause)
    )
    return [dict(row) for row in rows.mappings()]


async def derived_overdue(
    connection: AsyncConnection, default_days: int, at_us: int
) -> list[dict[str, Any]]:
    """What was made from footage and should have gone with it, by kind. Thumbnails, playback
    pictures and masked renderings are never stored.
    """
    before_us = at_us - PATIENCE_US
    exports = sa.select(sa.func.count()).where(
        export_jobs.c.state == "done", export_jobs.c.expires_us < before_us
    )
    unfinished = sa.select(sa.func.count()).where(segments.c.state == DELETING)
    unfinished = unfinished.where(segments.c.effective_start_us.is_(None))
    notes = (
        sa.select(sa.func.count())
        .select_from(bookmarks.join(cameras, cameras.c.id == bookmarks.c.camera_id))
        .where(overdue_bookmarks(default_days, before_us))
    )
    told = (
        sa.select(sa.func.count())
        .select_from(device_events.outerjoin(cameras, cameras.c.id == device_events.c.camera_id))
        .where(overdue_events(default_days, before_us))
    )
    derived, unfinished_derived = await passages_overdue(
        connection, at_us, default_days, await camera_days(connection), PATIENCE_US
    )
    return [
        {"kind": "passages", "overdue": derived},
        {"kind": "unfinished_passage_deletions", "overdue": unfinished_derived},
    ] + [
        {"kind": kind, "overdue": int((await connection.execute(statement)).scalar() or 0)}
        for kind, statement in (
            ("exports", exports),
            ("unfinished_deletions", unfinished),
            ("bookmarks_without_footage", notes),
            ("device_events_without_footage", told),
        )
    ]


@dataclass(slots=True)
class Proof:
    """What the store still holds of what should be gone: objects, by key and reason."""

    looked_at: int = 0
    remaining: list[dict[str, str]] = field(default_factory=list)


async def prove_deletion(
    engine: AsyncEngine, store: Store, reports: Sequence[CameraReport], at_us: int
) -> Proof:
    """Look into the store itself: nothing of these cameras may lie there beyond its time, but what
    is held. Raises StoreError.
    """
    proof = Proof()
    for report in reports:
        limit_us = at_us - report.required_days * DAY_US - PATIENCE_US
        async with engine.connect() as connection:
            owner = await _sources_of(connection, [report.camera.id])
        for source_id in owner:
            await _prove_source(engine, store, source_id, limit_us, proof)
            if len(proof.remaining) >= REMAINING_SHOWN:
                return proof
    return proof


async def _prove_source(
    engine: AsyncEngine, store: Store, source_id: str, limit_us: int, proof: Proof
) -> None:
    last_day = _day_in_key(limit_us)
    # Keys are ordered by day: what is listed is what may be too old, and one more.
    async for found in store.list(f"{source_id}/"):
        key = PurePosixPath(found.key)
        day = "/".join(key.parts[-4:-1])
        if day > last_day:
            return
        proof.looked_at += 1
        async with engine.connect() as connection:
            row = await find_segment(connection, key.stem)
        if row is None:
            proof.remaining.append({"key": found.key, "reason": "it has no row"})
        elif not row.held and row.end_us < limit_us and row.state == STORED:
            proof.remaining.append({"key": found.key, "reason": "its time is over"})
        if len(proof.remaining) >= REMAINING_SHOWN:
            return


def _day_in_key(at_us: int) -> str:
    """The UTC day of an instant, as keys have it."""
    return f"{datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC):%Y/%m/%d}"


async def _overdue(connection: AsyncConnection, source_id: str, limit_us: int) -> int:
    statement = sa.select(sa.func.count()).where(
        segments.c.source_id == source_id,
        segments.c.effective_start_us < limit_us,
        segments.c.effective_end_us <= limit_us,
        segments.c.state == STORED,
        segments.c.held.is_(False),
    )
    return int((await connection.execute(statement)).scalar() or 0)


async def _sources_of(connection: AsyncConnection, camera_ids: Collection[str]) -> dict[str, str]:
    """The cameras' sources: source id → camera id."""
    rows = await connection.execute(
        sa.select(sources.c.id, sources.c.camera_id).where(sources.c.camera_id.in_(camera_ids))
    )
    return {row.id: row.camera_id for row in rows}
