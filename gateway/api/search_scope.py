"""Where somebody may search: the cameras, with all that an answer tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.cameras import place_columns, place_of
from gateway.database.tables import areas, cameras
from gateway.people.areas import area_names, cameras_within

_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class SearchCamera:
    """A camera as hits show it. A :class:`gateway.people.authorize.Place`."""

    id: str
    name: str
    area_path: str
    area_paths: tuple[str, ...]
    deleted_us: int | None
    longitude: float | None
    latitude: float | None
    heading_deg: float | None
    view_deg: float | None

    @property
    def position(self) -> dict[str, float | None] | None:
        """``HitPosition`` of docs/http-api.md."""
        if self.longitude is None or self.latitude is None:
            return None
        return {
            "longitude": self.longitude,
            "latitude": self.latitude,
            "heading_deg": self.heading_deg,
            "view_deg": self.view_deg,
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """``cameras`` by id, deleted ones too: their footage is still there. ``everywhere``: that is
    all there are, so that nothing need be compared.
    """

    cameras: dict[str, SearchCamera]
    everywhere: bool

    @property
    def camera_ids(self) -> list[str] | None:
        """For a query; None is no limit."""
        return None if self.everywhere else list(self.cameras)


async def search_scope(
    connection: AsyncConnection,
    paths: Sequence[str],
    *,
    within: Sequence[str] = (),
    camera_ids: Collection[str] = (),
) -> Scope:
    """The cameras in any subtree of ``paths``, in each of ``within`` too, and of ``camera_ids``
    where some are given. What the caller may not search is left out, as if it were not there.
    """
    where = [cameras_within(paths), *(cameras_within([one]) for one in within if one)]
    if camera_ids:
        where.append(cameras.c.id.in_(camera_ids))
    found = await read_search_cameras(connection, *where)
    everywhere = "" in paths and not camera_ids and not any(within)
    return Scope({one.id: one for one in found}, everywhere)


async def read_search_cameras(
    connection: AsyncConnection, *where: sa.ColumnElement[bool]
) -> list[SearchCamera]:
    """Cameras that meet conditions on ``cameras``, deleted ones too."""
    column = cameras.c
    statement = (
        sa.select(
            column.id, column.name, column.deleted_us, column.longitude, column.latitude,
            column.heading_deg, column.view_deg, *place_columns(),
        )
        .select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))
        .where(*where)
        .order_by(column.name, column.id)
    )  # fmt: skip
    found: list[SearchCamera] = []
    # A county's cameras are a tenth of a second's work: others have their turn in between.
    async with connection.stream(statement) as rows:
        async for some in rows.partitions(_AT_ONCE):
            found += [_camera(row) for row in some]
            await asyncio.sleep(0)
    return found


async def names_of_areas(
    connection: AsyncConnection, found: Collection[SearchCamera]
) -> dict[str, list[str]]:
    """By area path, the areas' names from the root down."""
    return await area_names(connection, sorted({one.area_path for one in found}))


def _camera(row: sa.Row[Any]) -> SearchCamera:
    return SearchCamera(
        row.id,
        row.name,
        row.area_path,
        place_of(row.area_path, row.area_paths).area_paths,
        row.deleted_us,
        row.longitude,
        row.latitude,
        row.heading_deg,
        row.view_deg,
    )
