"""Reading cameras, always together with where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.tables import areas, cameras


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera's row and its area's path. A :class:`gateway.people.authorize.Place`."""

    id: str
    area_id: str
    area_path: str
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


def select_cameras() -> sa.Select[tuple[object, ...]]:
    """Every column of :class:`Camera`, for a WHERE of the caller's."""
    columns = [
        areas.c.path.label("area_path") if field.name == "area_path" else cameras.c[field.name]
        for field in fields(Camera)
    ]
    return sa.select(*columns).select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))


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
    return [Camera(**row) for row in (await connection.execute(statement)).mappings()]


async def find_cameras(
    connection: AsyncConnection, camera_ids: Sequence[str], *, deleted: bool = False
) -> dict[str, Camera]:
    """The cameras with these ids. Deleted ones only if asked for: their footage is still there."""
    statement = select_cameras().where(cameras.c.id.in_(camera_ids))
    if not deleted:
        statement = statement.where(cameras.c.deleted_us.is_(None))
    return {camera.id: camera for camera in await read_cameras(connection, statement)}
