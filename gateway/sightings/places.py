"""Where sightings were made: places with their names, areas and rights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.cameras import place_columns, place_of
from gateway.database.platform_tables import platform_channels, platforms
from gateway.database.sighting_tables import sighting_places
from gateway.database.tables import areas, cameras
from gateway.people.areas import cameras_within, within
from gateway.people.authorize import AreaPlace

_home = areas.alias("platform_area")


@dataclass(frozen=True, slots=True)
class SightingPlace:
    """A device or checkpoint. A :class:`gateway.people.authorize.Place`: the camera's areas where
    it is one, else the platform's.
    """

    id: int
    platform_id: str
    platform_name: str
    code: str
    name: str
    camera_id: str | None
    camera_deleted: bool
    area_path: str
    area_paths: tuple[str, ...]

    def as_place(self) -> AreaPlace:
        """For decisions."""
        return AreaPlace(self.area_path, self.area_paths[1:])


def select_places() -> sa.Select[Any]:
    """Every column of :class:`SightingPlace`, for a WHERE of the caller's."""
    return sa.select(
        sighting_places.c.id,
        sighting_places.c.platform_id,
        platforms.c.name.label("platform_name"),
        sighting_places.c.code,
        cameras.c.name.label("camera_name"),
        platform_channels.c.name.label("channel_name"),
        sighting_places.c.camera_id,
        cameras.c.deleted_us,
        _home.c.path.label("home_path"),
        *place_columns(),
    ).select_from(
        sighting_places.join(platforms, platforms.c.id == sighting_places.c.platform_id)
        .join(_home, _home.c.id == platforms.c.area_id)
        .outerjoin(cameras, cameras.c.id == sighting_places.c.camera_id)
        .outerjoin(areas, areas.c.id == cameras.c.area_id)
        .outerjoin(
            platform_channels,
            sa.and_(
                platform_channels.c.platform_id == sighting_places.c.platform_id,
                platform_channels.c.code == sighting_places.c.code,
            ),
        )
    )


def places_within(paths: Sequence[str]) -> sa.ColumnElement[bool]:
    """Of :func:`select_places`: those that stand in any of the subtrees."""
    if "" in paths:
        return sa.true()
    by_camera = sa.and_(cameras.c.id.is_not(None), cameras_within(paths))
    by_platform = sa.and_(cameras.c.id.is_(None), within(_home.c.path, paths))
    return sa.or_(by_camera, by_platform)


async def read_places(
    connection: AsyncConnection, *where: sa.ColumnElement[bool]
) -> list[SightingPlace]:
    """Places that meet conditions on what :func:`select_places` joins, by name."""
    rows = await connection.execute(select_places().where(*where))
    places = []
    for row in rows:
        if row.camera_id is not None:
            paths = place_of(row.area_path, row.area_paths).area_paths
        else:
            paths = (row.home_path,)
        places.append(
            SightingPlace(
                id=row.id,
                platform_id=row.platform_id,
                platform_name=row.platform_name,
                code=row.code,
                name=row.camera_name or row.channel_name or row.code,
                camera_id=row.camera_id,
                camera_deleted=row.deleted_us is not None,
                area_path=paths[0],
                area_paths=paths,
            )
        )
    return sorted(places, key=lambda one: (one.name, one.id))


async def find_places(
    connection: AsyncConnection, place_ids: Collection[int]
) -> dict[int, SightingPlace]:
    """Places by id."""
    found = await read_places(connection, sighting_places.c.id.in_(place_ids))
    return {one.id: one for one in found}
