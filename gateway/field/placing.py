"""Where a report comes from: the cell whose code was scanned, or what is near; and what is known to
judge the telephone's place by.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.field_tables import field_reports
from gateway.database.tables import areas, cameras, grants, users
from gateway.field.judging import Box, Fix, distance_m
from gateway.people.areas import last_area, within
from gateway.people.roles import Role
from gateway.settings.field import FieldSettings

# Cameras at the edge do not stand on the border.
_ROOM_DEGREES = 0.1
_NEAR_M = 3_000.0
_CELLS_LIMIT = 5000


@dataclass(frozen=True, slots=True)
class Cell:
    """An area whose code can be scanned."""

    id: str
    path: str
    name: str
    code: str | None


async def find_cell(connection: AsyncConnection, code: str) -> Cell | None:
    """By the area's code, or its id where it has none."""
    row = (
        await connection.execute(
            sa.select(areas.c.id, areas.c.path, areas.c.name, areas.c.code)
            .where(areas.c.axis == "area", sa.or_(areas.c.code == code, areas.c.id == code))
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else Cell(*row)


async def cells_below(connection: AsyncConnection, path: str) -> list[Cell]:
    """The lowest areas below a path, in the order of the tree's codes and names; itself where
    nothing is below it. At most 5,000.
    """
    child = areas.alias("child")
    lowest = ~sa.exists().where(child.c.parent_id == areas.c.id)
    rows = await connection.execute(
        sa.select(areas.c.id, areas.c.path, areas.c.name, areas.c.code)
        .where(areas.c.axis == "area", within(areas.c.path, [path]), lowest)
        .order_by(areas.c.path)
        .limit(_CELLS_LIMIT)
    )
    return [Cell(*row) for row in rows]


async def workers_of(connection: AsyncConnection, cell: Cell, at_us: int) -> list[str]:
    """Who works in the cell: field workers with a grant in it, or in the area just above."""
    parent = last_area(cell.path.removesuffix(f"{cell.id}/"))
    rows = await connection.execute(
        sa.select(users.c.display_name, users.c.name, grants.c.area_id)
        .join(grants, grants.c.user_id == users.c.id)
        .where(
            grants.c.role == Role.FIELD_WORKER.value,
            grants.c.area_id.in_([cell.id, parent]),
            sa.or_(grants.c.valid_from_us.is_(None), grants.c.valid_from_us <= at_us),
            sa.or_(grants.c.valid_until_us.is_(None), grants.c.valid_until_us > at_us),
            users.c.enabled,
            users.c.deleted_us.is_(None),
        )
        .order_by(users.c.display_name)
    )
    found = rows.all()
    own = [row for row in found if row.area_id == cell.id]
    return list(dict.fromkeys(row.display_name or row.name for row in own or found))


async def county_box(connection: AsyncConnection, settings: FieldSettings) -> Box | None:
    """As configured, else around all cameras; None where nobody knows."""
    sides = (settings.west, settings.south, settings.east, settings.north)
    if settings.west is not None:
        west, south, east, north = (float(one or 0) for one in sides)
        return Box(west, south, east, north)
    lon, lat = cameras.c.longitude, cameras.c.latitude
    row = (
        await connection.execute(
            sa.select(sa.func.min(lon), sa.func.min(lat), sa.func.max(lon), sa.func.max(lat)).where(
                lon.is_not(None), lat.is_not(None), cameras.c.deleted_us.is_(None)
            )
        )
    ).one()
    if row[0] is None:
        return None
    room = _ROOM_DEGREES
    return Box(row[0] - room, row[1] - room, row[2] + room, row[3] + room)


async def places_in(connection: AsyncConnection, cell: Cell) -> list[tuple[float, float]]:
    """Of the cameras that stand in the cell."""
    rows = await connection.execute(
        sa.select(cameras.c.longitude, cameras.c.latitude)
        .where(
            cameras.c.area_id == cell.id,
            cameras.c.longitude.is_not(None),
            cameras.c.latitude.is_not(None),
            cameras.c.deleted_us.is_(None),
        )
        .limit(50)
    )
    return [(row.longitude, row.latitude) for row in rows]


async def last_fix(connection: AsyncConnection, user_id: str) -> Fix | None:
    """Where they were when they made the newest report that names a place."""
    own = field_reports.c
    row = (
        await connection.execute(
            sa.select(own.longitude, own.latitude, own.accuracy_m, own.made_us)
            .where(own.user_id == user_id, own.longitude.is_not(None))
            .order_by(own.made_us.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else Fix(*row)


async def area_near(
    connection: AsyncConnection, fix: Fix | None, paths: Sequence[str]
) -> str | None:
    """The area, among those, of the nearest camera within three kilometres."""
    if fix is None:
        return None
    up = _NEAR_M / 111_000
    aside = up / max(0.1, math.cos(math.radians(fix.latitude)))
    lon, lat = cameras.c.longitude, cameras.c.latitude
    rows = (
        await connection.execute(
            sa.select(cameras.c.area_id, lon, lat)
            .join(areas, areas.c.id == cameras.c.area_id)
            .where(
                lon.between(fix.longitude - aside, fix.longitude + aside),
                lat.between(fix.latitude - up, fix.latitude + up),
                cameras.c.deleted_us.is_(None),
                within(areas.c.path, paths),
            )
            .limit(500)
        )
    ).all()
    here = (fix.longitude, fix.latitude)
    near = [(distance_m(here, (row.longitude, row.latitude)), row.area_id) for row in rows]
    return str(min(near)[1]) if near and min(near)[0] <= _NEAR_M else None


async def home_area(connection: AsyncConnection, user_id: str, paths: Sequence[str]) -> str | None:
    """Where they are at home, if that lies in one of the paths; else the first of the paths, which
    for the whole county is the topmost area. None in a county without areas.
    """
    row = (
        await connection.execute(
            sa.select(areas.c.id)
            .join(users, users.c.area_id == areas.c.id)
            .where(users.c.id == user_id, areas.c.axis == "area", within(areas.c.path, paths))
        )
    ).one_or_none()
    if row is not None:
        return str(row.id)
    found: str | None = await connection.scalar(
        sa.select(areas.c.id)
        .where(areas.c.axis == "area", within(areas.c.path, paths))
        .order_by(sa.func.length(areas.c.path), areas.c.path)
        .limit(1)
    )
    return found
