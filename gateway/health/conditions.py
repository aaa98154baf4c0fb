"""Cameras that are unwell, as alarms: one for each camera, whatever is wrong with its picture."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.alarms.judge import Condition, Key
from gateway.database.health_tables import camera_health
from gateway.database.tables import cameras
from gateway.health.standing import from_rows, open_of

CAMERA_HEALTH = "camera_health"


async def health_conditions(connection: AsyncConnection) -> dict[Key, Condition]:
    """What stands now, of cameras in use. It ends when later looks do not see it any more."""
    rows = await connection.execute(
        sa.select(camera_health.c.camera_id, camera_health.c.standing)
        .join(cameras, cameras.c.id == camera_health.c.camera_id)
        .where(camera_health.c.found != 0, cameras.c.enabled, cameras.c.deleted_us.is_(None))
    )
    found: dict[Key, Condition] = {}
    for row in rows:
        state = from_rows(row.standing)
        names = open_of(state)
        if names:
            one = Condition(
                CAMERA_HEALTH,
                # Not "camera:…": that it cannot be reached says nothing of its picture.
                f"picture:{row.camera_id}",
                min(state[name].since_us for name in names),
                camera_id=row.camera_id,
                detail={"findings": list(names)},
            )
            found[one.key] = one
    return found
