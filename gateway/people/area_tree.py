"""The trees of areas as they are shown: a level at a time, or what somebody searches for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, camera_places, cameras
from gateway.people.area_codes import Axis
from gateway.people.areas import area_names, within
from gateway.people.search_key import matches, rank


async def read_roots(
    connection: AsyncConnection, visible: Sequence[str], axis: Axis
) -> list[dict[str, Any]]:
    """The topmost areas of an axis below the ``visible`` paths ("" is everywhere)."""
    top = areas.c.parent_id.is_(None) if "" in visible else areas.c.path.in_(visible)
    return await _read(connection, _select().where(areas.c.axis == axis, top))


async def read_children(
    connection: AsyncConnection, visible: Sequence[str], parent_id: str
) -> list[dict[str, Any]]:
    """The areas below ``parent_id`` that lie in the ``visible`` paths."""
    below = areas.c.parent_id == parent_id
    return await _read(connection, _select().where(below, within(areas.c.path, visible)))


async def search_areas(
    connection: AsyncConnection,
    visible: Sequence[str],
    query: str,
    axis: Axis | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Areas that what was typed finds, best first, with the ``names`` from the root down and the
    ``ids`` from the topmost visible one down.
    """
    where = [matches(areas.c.search_key, query), within(areas.c.path, visible)]
    if axis is not None:
        where.append(areas.c.axis == axis)
    # Counting cameras is the dear part: only for those that are shown.
    best = (
        sa.select(areas.c.id)
        .where(*where)
        .order_by(rank(areas.c.search_key, query), sa.func.length(areas.c.path), areas.c.name)
        .limit(limit)
    )
    order = {row.id: number for number, row in enumerate(await connection.execute(best))}
    statement = _select().add_columns(areas.c.path).where(areas.c.id.in_(order))
    found = await _read(connection, statement)
    paths = [one.pop("path") for one in found]
    names = await area_names(connection, paths)
    for one, path in zip(found, paths, strict=True):
        one["names"] = names[path]
        hidden = max((top.count("/") - 1 for top in visible if path.startswith(top)), default=0)
        one["ids"] = path.strip("/").split("/")[max(0, hidden) :]
    return sorted(found, key=lambda one: order[one["id"]])


async def _read(connection: AsyncConnection, statement: sa.Select[Any]) -> list[dict[str, Any]]:
    ordered = statement.order_by(areas.c.position, areas.c.name, areas.c.id)
    return [
        {**row, "camera_count": row["camera_count"] + row.pop("placed_count")}
        for row in map(dict, (await connection.execute(ordered)).mappings())
    ]


def _select() -> sa.Select[Any]:
    below = areas.alias("below")
    child_count = (
        sa.select(sa.func.count())
        .where(below.c.parent_id == areas.c.id)
        .correlate(areas)
        .scalar_subquery()
    )
    inside = areas.alias("inside")
    homes = (
        sa.select(sa.func.count())
        .select_from(cameras.join(inside, inside.c.id == cameras.c.area_id))
        .where(cameras.c.deleted_us.is_(None), _in_subtree(inside))
        .correlate(areas)
        .scalar_subquery()
    )
    place, home = areas.alias("place"), areas.alias("home")
    placed = (
        sa.select(sa.func.count(camera_places.c.camera_id.distinct()))
        .select_from(
            camera_places.join(place, place.c.id == camera_places.c.area_id)
            .join(cameras, cameras.c.id == camera_places.c.camera_id)
            .join(home, home.c.id == cameras.c.area_id)
        )
        # A camera whose home lies there too is counted by its home.
        .where(cameras.c.deleted_us.is_(None), _in_subtree(place), sa.not_(_in_subtree(home)))
        .correlate(areas)
        .scalar_subquery()
    )
    return sa.select(
        areas.c.id,
        areas.c.parent_id,
        areas.c.axis,
        areas.c.name,
        areas.c.code,
        child_count.label("child_count"),
        homes.label("camera_count"),
        placed.label("placed_count"),
    )


def _in_subtree(area: sa.FromClause) -> sa.ColumnElement[bool]:
    """As :func:`gateway.people.areas.subtree`, with a path from the outer row."""
    return sa.and_(area.c.path >= areas.c.path, area.c.path < areas.c.path + "~")
