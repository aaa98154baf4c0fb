"""What can be asked of cameras, by what their devices say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.cameras import Camera
from gateway.database.platform_tables import platform_channels, platform_states


async def capabilities_of(
    connection: AsyncConnection, cameras: Sequence[Camera]
) -> dict[str, list[str]]:
    """By camera id, of those that a device or platform brings: words such as ``ptz``, ``presets``,
    ``talk``, ``recordings``. A channel has its own and its device's.
    """
    brought = [camera for camera in cameras if camera.platform_id is not None]
    if not brought:
        return {}
    channels = {
        (row.platform_id, row.code): (row.facts or {}).get("capabilities")
        for row in await connection.execute(
            sa.select(
                platform_channels.c.platform_id,
                platform_channels.c.code,
                platform_channels.c.facts,
            ).where(
                platform_channels.c.platform_id.in_({camera.platform_id for camera in brought}),
                platform_channels.c.code.in_({camera.channel for camera in brought}),
            )
        )
    }
    devices = {
        row.platform_id: (row.facts or {}).get("capabilities")
        for row in await connection.execute(
            sa.select(platform_states.c.platform_id, platform_states.c.facts).where(
                platform_states.c.platform_id.in_({camera.platform_id for camera in brought})
            )
        )
    }
    return {
        camera.id: sorted(
            {
                *(channels.get((camera.platform_id or "", camera.channel or "")) or ()),
                *(devices.get(camera.platform_id or "") or ()),
            }
        )
        for camera in brought
    }
