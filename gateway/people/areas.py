"""Reading the tree of areas through what a principal may see of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, camera_places, cameras


def subtree(column: sa.ColumnElement[str], path: str) -> sa.ColumnElement[bool]:
    """Rows whose area path is ``path`` or lies below it; "" is everything.

    A range, not LIKE: it uses the index, and ids may hold LIKE's wildcards.
    """
    if not path:
        return sa.true()
    # "0" follows "/" in ASCII and in every collation that we create databases with.
    return sa.and_(column >= path, column < f"{path[:-1]}0")


def within(column: sa.ColumnElement[str], paths: Sequence[str]) -> sa.ColumnElement[bool]:
    """Rows that lie in any of the subtrees; none when there are none."""
    return sa.or_(sa.false(), *(subtree(column, path) for path in paths))


def cameras_within(paths: Sequence[str]) -> sa.ColumnElement[bool]:
    """Cameras that stand in any of the subtrees, by their home or by a further place.

    On ``cameras`` alone: each of the two ways is looked up in its index.
    """
    if "" in paths:
        return sa.true()
    inside = areas.alias("inside")
    identifiers = sa.select(inside.c.id).where(within(inside.c.path, paths))
    placed = sa.select(camera_places.c.camera_id).where(camera_places.c.area_id.in_(identifiers))
    return cameras.c.area_id.in_(identifiers) | cameras.c.id.in_(placed)


def standing_in(area_id: str) -> sa.ColumnElement[bool]:
    """Cameras that stand in this very area, not below it. On ``cameras`` alone."""
    by_place = sa.select(camera_places.c.camera_id).where(camera_places.c.area_id == area_id)
    return sa.or_(cameras.c.area_id == area_id, cameras.c.id.in_(by_place))


async def area_path(connection: AsyncConnection, area_id: str) -> str | None:
    """The path of an area, None when there is none of that id."""
    path: str | None = await connection.scalar(sa.select(areas.c.path).where(areas.c.id == area_id))
    return path


def last_area(path: str) -> str:
    """The id of the area that a path leads to."""
    return path.rstrip("/").rpartition("/")[2]


async def area_axes(connection: AsyncConnection, area_ids: Collection[str]) -> dict[str, str]:
    """On which axis each area is."""
    if not area_ids:
        return {}
    rows = await connection.execute(
        sa.select(areas.c.id, areas.c.axis).where(areas.c.id.in_(set(area_ids)))
    )
    return {row.id: row.axis for row in rows}


async def area_names(connection: AsyncConnection, paths: Sequence[str]) -> dict[str, list[str]]:
    """For each path, the names from the root down."""
    identifiers = {part for path in paths for part in path.split("/") if part}
    rows = await connection.execute(
        sa.select(areas.c.id, areas.c.name).where(areas.c.id.in_(identifiers))
    )
    names: dict[str, Any] = {row.id: row.name for row in rows}
    return {path: [names.get(part, "?") for part in path.split("/") if part] for path in paths}
