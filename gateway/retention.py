"""How long each source's footage is kept: the settings' default, and what cameras say otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import cameras
from gateway.settings import Settings
from recorder.retention import RetentionPolicy
from recorder.tables import sources


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
    return {
        row.id: RetentionPolicy(
            days=row.retention_days or default_days,
            size_bytes=row.retention_bytes,
            least_days=min(row.retention_days or default_days, default_days),
        )
        for row in rows
    }
