"""How long footage is kept, and the bookmarks on it: the settings' default, and what cameras say
otherwise.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.operating_tables import device_events
from gateway.database.tables import bookmarks, cameras
from gateway.meetings.recording.expiry import meeting_sources, recording_policy
from gateway.settings import Settings
from recorder.retention import DAY_US, RetentionPolicy
from recorder.tables import sources, spans


def default_policy(settings: Settings) -> RetentionPolicy:
    """For sources whose camera says nothing."""
    days = settings.retention.days
    return RetentionPolicy(days=days, least_days=days)


async def camera_policies(
    connection: AsyncConnection, settings: Settings
) -> dict[str, RetentionPolicy]:
    """By source id, of the cameras that say otherwise than the default."""
    default_days = settings.retention.days
    rows = await connection.execute(
        sa.select(sources.c.id, cameras.c.retention_days, cameras.c.retention_bytes)
        .join(cameras, cameras.c.id == sources.c.camera_id)
        .where(cameras.c.retention_days.is_not(None) | cameras.c.retention_bytes.is_not(None))
    )
    policies = {
        row.id: RetentionPolicy(
            days=row.retention_days or default_days,
            size_bytes=row.retention_bytes,
            least_days=min(row.retention_days or default_days, default_days),
        )
        for row in rows
    }
    # What was borrowed can be borrowed again.
    borrowed = await connection.execute(sa.select(sources.c.id).where(sources.c.kind == "borrowed"))
    for row in borrowed:
        policies[row.id] = RetentionPolicy(days=settings.backfill.borrowed_days, least_days=0)
    recorded = recording_policy(settings)
    return policies | dict.fromkeys(await meeting_sources(connection), recorded)


async def camera_days(connection: AsyncConnection) -> dict[str, float]:
    """How many days cameras keep, of those that say otherwise than the default."""
    rows = await connection.execute(
        sa.select(cameras.c.id, cameras.c.retention_days).where(
            cameras.c.retention_days.is_not(None)
        )
    )
    return {row.id: float(row.retention_days) for row in rows}


def overdue_bookmarks(default_days: int, at_us: int) -> sa.ColumnElement[bool]:
    """Of bookmarks joined with their cameras: those whose days are over, and whose footage is gone.
    What is held is still there, and its bookmarks stay with it.
    """
    ends_us = sa.func.coalesce(bookmarks.c.end_us, bookmarks.c.at_us)
    footage = sa.exists().where(
        sources.c.camera_id == bookmarks.c.camera_id,
        spans.c.source_id == sources.c.id,
        spans.c.start_us <= ends_us,
        spans.c.end_us > bookmarks.c.at_us,
    )
    return sa.and_(ends_us < _kept_since(default_days, at_us), ~footage)


def overdue_events(default_days: int, at_us: int) -> sa.ColumnElement[bool]:
    """Of events outer joined with their cameras: those whose days are over, and whose footage is
    gone. What is held is still there, and its events stay with it.
    """
    ends_us = sa.func.coalesce(device_events.c.end_us, device_events.c.begin_us)
    footage = sa.exists().where(
        sources.c.camera_id == device_events.c.camera_id,
        spans.c.source_id == sources.c.id,
        spans.c.start_us <= ends_us,
        spans.c.end_us > device_events.c.begin_us,
    )
    return sa.and_(
        # By time first, which is indexed; a camera's own days are rarely more than the default.
        device_events.c.begin_us < at_us - DAY_US,
        ends_us < _kept_since(default_days, at_us),
        ~footage,
    )


def _kept_since(default_days: int, at_us: int) -> sa.ColumnElement[int]:
    # Days are a narrow column: PostgreSQL would reckon, and take the numbers, in its width.
    days = sa.cast(sa.func.coalesce(cameras.c.retention_days, default_days), sa.BigInteger)
    return sa.literal(at_us, sa.BigInteger) - days * sa.literal(DAY_US, sa.BigInteger)
