"""What a platform above is given of what passes: the places of the areas and cameras that somebody
shared with it (``platform_shares``). Nothing, until somebody did.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.cascade_tables import platform_shares
from gateway.database.tables import areas
from gateway.sightings.places import SightingPlace, read_places


async def shared_places(connection: AsyncConnection, platform_id: str) -> dict[int, SightingPlace]:
    """The places that this platform may hear of, by id."""
    shared = await connection.execute(
        sa.select(areas.c.path, platform_shares.c.camera_id)
        .select_from(platform_shares.outerjoin(areas, areas.c.id == platform_shares.c.area_id))
        .where(platform_shares.c.platform_id == platform_id)
    )
    paths: list[str] = []
    camera_ids: set[str] = set()
    for row in shared:
        if row.camera_id is not None:
            camera_ids.add(row.camera_id)
        elif row.path is not None:
            paths.append(row.path)
    if not paths and not camera_ids:
        return {}
    # What a platform told us is never told back to it.
    return {
        one.id: one
        for one in await read_places(connection)
        if one.platform_id != platform_id
        and not one.camera_deleted
        and (
            one.camera_id in camera_ids
            or any(mine.startswith(path) for mine in one.area_paths for path in paths)
        )
    }
