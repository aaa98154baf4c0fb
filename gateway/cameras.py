"""Reading cameras, always together with where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, camera_places, cameras
from gateway.people.areas import last_area
from gateway.people.authorize import AreaPlace

_REMAINDERS_OF = 1_000_000_007


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's row and the paths of its areas. A :class:`gateway.people.authorize.Place`.

    ``area_path`` is its home's; ``area_paths`` has that first, then its further places'.
    ``platform_id`` and ``channel`` are of the device or platform that brings it, if one does.
    """

    id: str
    area_id: str
    area_path: str
    area_paths: tuple[str, ...]
    name: str
    main_url: str
    sub_url: str | None
    username: str | None
    password_sealed: str | None
    transport: str
    record: str
    retention_days: int | None
    retention_bytes: int | None
    enabled: bool
    changed_us: int
    deleted_us: int | None
    number: str | None = None
    platform_id: str | None = None
    channel: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    heading_deg: float | None = None
    view_deg: float | None = None
    analysis: str = "auto"
    # As gateway.analysis.hours reads it.
    analysis_hours: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def place_ids(self) -> frozenset[str]:
        """The areas in which it stands beside its home."""
        return frozenset(last_area(path) for path in self.area_paths[1:])


def select_cameras() -> sa.Select[tuple[object, ...]]:
    """Every column of :class:`Camera`, for a WHERE of the caller's."""
    columns: list[sa.ColumnElement[Any]] = [
        cameras.c[field.name] for field in fields(Camera) if not field.name.startswith("area_path")
    ]
    columns += place_columns()
    return sa.select(*columns).select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))


def sum_of_times(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """What is another sum once any of the times is another one, by a clock that was set back, too.

    Of remainders: the times of a county's cameras add up to more than 64 bits.
    """
    return sa.func.sum(column % _REMAINDERS_OF)


@dataclass(frozen=True, slots=True)
class Page:
    """The statements of one page of cameras, by name: its rows, one more than asked for where there
    is a next page, and how many cameras all pages have.

    Cameras are chosen within an index, and only those of the page are read: sorting the rows of a
    whole county for its first hundred takes thirty times as long.
    """

    rows: sa.Select[tuple[object, ...]]
    total: sa.Select[int]


def select_page(
    where: Sequence[sa.ColumnElement[bool]], limit: int, after: tuple[str, str] | None = None
) -> Page:
    """Cameras that are not deleted, within conditions on ``cameras`` and ``areas``; ``after`` is
    name and id of the last camera of the page before.
    """
    placed = cameras.join(areas, areas.c.id == cameras.c.area_id)
    conditions = [cameras.c.deleted_us.is_(None), *where]
    total = sa.select(sa.func.count()).select_from(placed).where(*conditions)
    chosen = sa.select(cameras.c.id).select_from(placed).where(*conditions)
    if after is not None:
        chosen = chosen.where(sa.tuple_(cameras.c.name, cameras.c.id) > sa.tuple_(*after))
    # In a name of its own: the rows are chosen once, not looked for anew in each.
    page = chosen.order_by(cameras.c.name, cameras.c.id).limit(limit + 1).subquery("page")
    rows = select_cameras().where(cameras.c.id.in_(sa.select(page.c.id)))
    return Page(rows.order_by(cameras.c.name, cameras.c.id), total)


async def read_cameras(
    connection: AsyncConnection, statement: sa.Select[tuple[object, ...]]
) -> list[Camera]:
    """The cameras that a :func:`select_cameras` statement finds."""
    rows = (await connection.execute(statement)).mappings()
    return [
        Camera(**{**row, "area_paths": place_of(row["area_path"], row["area_paths"]).area_paths})
        for row in rows
    ]


def place_columns() -> list[sa.ColumnElement[Any]]:
    """Of ``cameras`` joined with ``areas``: what :func:`place_of` reads."""
    place = areas.alias("place")
    further = (
        sa.select(sa.func.aggregate_strings(place.c.path, " "))
        .select_from(camera_places.join(place, place.c.id == camera_places.c.area_id))
        .where(camera_places.c.camera_id == cameras.c.id)
        .correlate(cameras)
        .scalar_subquery()
    )
    return [areas.c.path.label("area_path"), further.label("area_paths")]


def place_of(area_path: str, area_paths: str | None) -> AreaPlace:
    """The place in a row of :func:`place_columns`."""
    return AreaPlace(area_path, tuple(sorted((area_paths or "").split())))


async def read_places(
    connection: AsyncConnection, *where: sa.ColumnElement[bool]
) -> dict[str, AreaPlace]:
    """Where cameras stand, by id, of those that meet conditions on ``cameras``."""
    statement = (
        sa.select(cameras.c.id, *place_columns())
        .select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))
        .where(*where)
    )
    return {
        row.id: place_of(row.area_path, row.area_paths)
        for row in await connection.execute(statement)
    }


async def find_cameras(
    connection: AsyncConnection, camera_ids: Sequence[str], *, deleted: bool = False
) -> dict[str, Camera]:
    """The cameras with these ids. Deleted ones only if asked for: their footage is still there."""
    statement = select_cameras().where(cameras.c.id.in_(camera_ids))
    if not deleted:
        statement = statement.where(cameras.c.deleted_us.is_(None))
    return {camera.id: camera for camera in await read_cameras(connection, statement)}
