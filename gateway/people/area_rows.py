"""Writes to the tree of areas. ``path`` is kept with each row: a subtree is a prefix."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.tables import areas, camera_places, cameras, grants, users
from gateway.identifiers import new_id, now_us
from gateway.people.area_codes import AXES, CodeError, check_code
from gateway.people.areas import subtree
from gateway.people.search_key import search_key
from recorder.rows import RowError, row_operation

DEPTH_LIMIT = 12


@row_operation("areas.create")
def create(
    connection: sa.Connection,
    parent_id: str | None,
    name: str,
    code: str | None = None,
    position: int = 0,
    axis: str | None = None,
) -> str:
    """Add an area below ``parent_id``, on its axis, or a root of ``axis`` ("area" unless given);
    gives its id.
    """
    area_id = new_id("area")
    parent_path, parent_axis = "", axis or "area"
    if parent_id is not None:
        parent_path, parent_axis = _path(connection, parent_id), _axis(connection, parent_id)
    if axis not in (None, parent_axis) or parent_axis not in AXES:
        raise RowError("invalid", f"an area stands on its parent's axis, one of {', '.join(AXES)}")
    if parent_path.count("/") >= DEPTH_LIMIT:
        raise RowError("invalid", f"areas nest at most {DEPTH_LIMIT} deep")
    code = _free_code(connection, parent_axis, code)
    connection.execute(
        sa.insert(areas).values(
            id=area_id,
            parent_id=parent_id,
            axis=parent_axis,
            name=name,
            code=code,
            search_key=search_key(name, code),
            path=f"{parent_path}{area_id}/",
            position=position,
            created_us=now_us(),
        )
    )
    return area_id


@row_operation("areas.ensure")
def ensure(connection: sa.Connection, names: list[str]) -> str:
    """The area called by these names from a root down, made where it is missing; gives its id."""
    area_id: str | None = None
    for name in names:
        area_id = ensure_below(connection, area_id, name)
    if area_id is None:
        raise RowError("invalid", "an area has a name")
    return area_id


def ensure_below(connection: sa.Connection, parent_id: str | None, name: str) -> str:
    """The child of ``parent_id`` (the root for None) with this name, made if missing; its id."""
    below = (
        sa.and_(areas.c.parent_id.is_(None), areas.c.axis == "area")
        if parent_id is None
        else areas.c.parent_id == parent_id
    )
    found: str | None = connection.execute(
        sa.select(areas.c.id).where(areas.c.name == name, below)
    ).scalar()
    return found or create(connection, parent_id, name)


@row_operation("areas.change")
def change(
    connection: sa.Connection,
    area_id: str,
    name: str | None = None,
    code: str | None = None,
    position: int | None = None,
) -> None:
    """Change what is given; the code "" takes it away."""
    row = connection.execute(
        sa.select(areas.c.axis, areas.c.name, areas.c.code).where(areas.c.id == area_id)
    ).one_or_none()
    if row is None:
        raise RowError("not_found", f"there is no area {area_id}")
    now_named = row.name if name is None else name
    now_coded = row.code
    if code is not None and code != (row.code or ""):
        now_coded = _free_code(connection, row.axis, code)
    values: dict[str, object] = {
        "name": now_named,
        "code": now_coded,
        "search_key": search_key(now_named, now_coded),
    }
    if position is not None:
        values["position"] = position
    connection.execute(sa.update(areas).where(areas.c.id == area_id).values(**values))


@row_operation("areas.move")
def move(connection: sa.Connection, area_id: str, parent_id: str | None) -> None:
    """Hang the area and all below it elsewhere; never below itself."""
    old_path = _path(connection, area_id)
    parent_path = _path(connection, parent_id) if parent_id is not None else ""
    if parent_path.startswith(old_path):
        raise RowError("invalid", "an area cannot be moved below itself")
    if parent_id is not None and _axis(connection, parent_id) != _axis(connection, area_id):
        raise RowError("invalid", "an area stays on its axis")
    new_path = f"{parent_path}{area_id}/"
    connection.execute(
        sa.update(areas).where(areas.c.id == area_id).values(parent_id=parent_id, moved_us=now_us())
    )
    below = connection.execute(
        sa.select(areas.c.id, areas.c.path).where(subtree(areas.c.path, old_path))
    ).all()
    for row in below:
        moved = new_path + row.path.removeprefix(old_path)
        if moved.count("/") > DEPTH_LIMIT:
            raise RowError("invalid", f"areas nest at most {DEPTH_LIMIT} deep")
        connection.execute(sa.update(areas).where(areas.c.id == row.id).values(path=moved))


@row_operation("areas.edit")
def edit(connection: sa.Connection, area_id: str, given: dict[str, Any]) -> None:
    """Change and move in one: ``parent_id`` among what is given moves it."""
    given = dict(given)
    if "parent_id" in given:
        move(connection, area_id, given.pop("parent_id"))
    change(connection, area_id, **given)


@row_operation("areas.delete")
def delete(connection: sa.Connection, area_id: str) -> None:
    """Delete an empty area, and the grants in it."""
    _path(connection, area_id)
    if connection.execute(sa.select(areas.c.id).where(areas.c.parent_id == area_id)).first():
        raise RowError(
            "area_has_areas", "the area still has areas below it: move or delete them first"
        )
    # Deleted cameras count too: their footage and audit records still need a place.
    inside = connection.execute(
        sa.select(cameras.c.deleted_us).where(cameras.c.area_id == area_id)
    ).all()
    if any(row.deleted_us is None for row in inside):
        raise RowError("area_has_cameras", "the area still has cameras: move or delete them first")
    if inside:
        raise RowError("area_has_footage", "footage of deleted cameras is still kept in this area")
    placed = (
        sa.select(camera_places.c.camera_id)
        .join(cameras, cameras.c.id == camera_places.c.camera_id)
        .where(camera_places.c.area_id == area_id, cameras.c.deleted_us.is_(None))
    )
    if connection.execute(placed.limit(1)).first():
        raise RowError("area_has_cameras", "cameras also stand in this area: take them out first")
    homes = sa.select(users.c.id).where(users.c.area_id == area_id)
    if connection.execute(homes.where(users.c.deleted_us.is_(None)).limit(1)).first():
        raise RowError("area_has_users", "accounts have their home in this area: move them first")
    connection.execute(sa.update(users).where(users.c.id.in_(homes)).values(area_id=None))
    connection.execute(sa.delete(camera_places).where(camera_places.c.area_id == area_id))
    connection.execute(sa.delete(grants).where(grants.c.area_id == area_id))
    try:
        connection.execute(sa.delete(areas).where(areas.c.id == area_id))
    except sa.exc.IntegrityError:
        raise RowError("conflict", "something still belongs to this area: move it first") from None


def _free_code(connection: sa.Connection, axis: str, code: str | None) -> str | None:
    """The code, if it is well formed and nobody has it; None for none."""
    if not code:
        return None
    try:
        check_code(axis, code)
    except CodeError as error:
        raise RowError(error.code, str(error)) from None
    taken = sa.select(areas.c.id).where(areas.c.axis == axis, areas.c.code == code)
    if connection.execute(taken).first() is not None:
        raise RowError("code_taken", f"there is already an area with the code {code}")
    return code


def _axis(connection: sa.Connection, area_id: str) -> str:
    return str(connection.scalar(sa.select(areas.c.axis).where(areas.c.id == area_id)))


def _path(connection: sa.Connection, area_id: str) -> str:
    path = connection.execute(sa.select(areas.c.path).where(areas.c.id == area_id)).scalar()
    if path is None:
        raise RowError("not_found", f"there is no area {area_id}")
    return str(path)
