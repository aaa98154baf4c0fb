"""Writing what a sheet says: one operation for each kind, all of it or nothing.

The steps were made from what the database held a moment ago; where somebody else was faster in
between, the whole import is refused and is to be checked anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from gateway.camera_rows import later
from gateway.database.tables import areas, camera_places, cameras, users
from gateway.identifiers import now_us
from gateway.people import account_rows
from gateway.people.area_rows import move
from recorder.rows import RowError, row_operation

Steps = list[dict[str, Any]]


@row_operation("sheets.areas")
def apply_areas(connection: sa.Connection, steps: Steps) -> None:
    """Create and change areas, in the order of the steps: what stands above comes first."""
    with _all_or_nothing():
        _areas(connection, steps)


@row_operation("sheets.cameras")
def apply_cameras(connection: sa.Connection, steps: Steps) -> None:
    """Create and change cameras, and the areas that are made for them."""
    with _all_or_nothing():
        _cameras(connection, steps)


@row_operation("sheets.users")
def apply_users(connection: sa.Connection, steps: Steps, granted_by: str | None = None) -> None:
    """Create and change accounts; each new one comes with the hash of its one-time password."""
    with _all_or_nothing():
        for step in steps:
            if step["do"] == "create":
                _create_user(connection, step, granted_by)
            else:
                _change_user(connection, step, granted_by)


def _create_user(connection: sa.Connection, step: dict[str, Any], granted_by: str | None) -> None:
    user_id = account_rows.create(
        connection,
        name=step["name"],
        display_name=step["display_name"],
        password_hash=step["password_hash"],
        must_change_password=True,
        granted=step["granted"],
        area_id=step["area_id"],
        granted_by=granted_by,
    )
    if not step["enabled"]:
        _update(connection, users, user_id, {"enabled": False})


def _change_user(connection: sa.Connection, step: dict[str, Any], granted_by: str | None) -> None:
    columns = dict(step["columns"])
    if "area_id" in columns:
        _update(connection, users, step["id"], {"area_id": columns.pop("area_id")})
    account_rows.change(connection, user_id=step["id"], granted_by=granted_by, **columns)


@contextlib.contextmanager
def _all_or_nothing() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise changed_meanwhile() from None


def changed_meanwhile() -> RowError:
    """Somebody else was faster."""
    return RowError("changed_meanwhile", "this has changed since it was checked: check it again")


def _areas(connection: sa.Connection, steps: Steps) -> None:
    paths: dict[str | None, str] = {None: ""}
    new: Steps = []
    for step in steps:
        columns = {name: value for name, value in step.items() if name not in ("do", "area_path")}
        if step["do"] == "create":
            path = f"{_path(connection, paths, step['parent_id'])}{step['id']}/"
            paths[step["id"]] = path
            new.append({**columns, "path": path, "created_us": now_us()})
            continue
        _insert(connection, areas, new)
        area_id = columns.pop("id")
        if "parent_id" in columns:
            move(connection, area_id, columns.pop("parent_id"))
            # What lies below has moved too.
            paths = {None: ""}
        _update(connection, areas, area_id, columns)
    _insert(connection, areas, new)


def _path(connection: sa.Connection, paths: dict[str | None, str], area_id: str | None) -> str:
    if area_id not in paths:
        path = connection.scalar(sa.select(areas.c.path).where(areas.c.id == area_id))
        if path is None:
            raise changed_meanwhile()
        paths[area_id] = path
    return paths[area_id]


def _cameras(connection: sa.Connection, steps: Steps) -> None:
    _areas(connection, [{**step, "do": "create"} for step in steps if step["do"] == "area"])
    at_us = now_us()
    _insert(
        connection,
        cameras,
        [
            {"id": step["id"], "created_us": at_us, "changed_us": at_us, **step["columns"]}
            for step in steps
            if step["do"] == "create"
        ],
    )
    for step in steps:
        if step["do"] != "change":
            continue
        _update(
            connection, cameras, step["id"], {**step["columns"], "changed_us": later(connection)}
        )
        if "place_ids" in step:
            connection.execute(
                sa.delete(camera_places).where(camera_places.c.camera_id == step["id"])
            )
    _insert(
        connection,
        camera_places,
        [
            {"camera_id": step["id"], "area_id": area_id}
            for step in steps
            for area_id in step.get("place_ids", ())
        ],
    )


def _insert(connection: sa.Connection, table: sa.Table, rows: Steps) -> None:
    """Insert them all at once, and forget them."""
    if rows:
        connection.execute(sa.insert(table), rows)
        rows.clear()


def _update(
    connection: sa.Connection, table: sa.Table, row_id: str, columns: dict[str, Any]
) -> None:
    statement = sa.update(table).where(table.c.id == row_id).values(**columns)
    if "deleted_us" in table.c:
        statement = statement.where(table.c.deleted_us.is_(None))
    if columns and connection.execute(statement).rowcount == 0:
        raise changed_meanwhile()
