"""Writes to the tree of areas. ``path`` is kept with each row: a subtree is a prefix."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.tables import areas, cameras, grants
from gateway.identifiers import new_id, now_us
from gateway.people.areas import subtree
from recorder.rows import RowError, row_operation

DEPTH_LIMIT = 12


@row_operation("areas.create")
def create(
    connection: sa.Connection,
    parent_id: str | None,
    name: str,
    code: str | None = None,
    position: int = 0,
) -> str:
    """Add an area below ``parent_id``, or a root; gives its id."""
    area_id = new_id("area")
    parent_path = _path(connection, parent_id) if parent_id is not None else ""
    if parent_path.count("/") >= DEPTH_LIMIT:
        raise RowError("invalid", f"areas nest at most {DEPTH_LIMIT} deep")
    connection.execute(
        sa.insert(areas).values(
            id=area_id,
            parent_id=parent_id,
            name=name,
            code=code,
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
    below = areas.c.parent_id.is_(None) if parent_id is None else areas.c.parent_id == parent_id
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
    """Change what is given."""
    _path(connection, area_id)
    given = {"name": name, "code": code, "position": position}
    values = {key: value for key, value in given.items() if value is not None}
    if values:
        connection.execute(sa.update(areas).where(areas.c.id == area_id).values(**values))


@row_operation("areas.move")
def move(connection: sa.Connection, area_id: str, parent_id: str | None) -> None:
    """Hang the area and all below it elsewhere; never below itself."""
    old_path = _path(connection, area_id)
    parent_path = _path(connection, parent_id) if parent_id is not None else ""
    if parent_path.startswith(old_path):
        raise RowError("invalid", "an area cannot be moved below itself")
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
    connection.execute(sa.delete(grants).where(grants.c.area_id == area_id))
    connection.execute(sa.delete(areas).where(areas.c.id == area_id))


def _path(connection: sa.Connection, area_id: str) -> str:
    path = connection.execute(sa.select(areas.c.path).where(areas.c.id == area_id)).scalar()
    if path is None:
        raise RowError("not_found", f"there is no area {area_id}")
    return str(path)
