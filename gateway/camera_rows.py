"""Writes to cameras. Passwords come sealed: the writer never sees them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.area_tables import camera_devices
from gateway.database.tables import areas, camera_places, cameras
from gateway.identifiers import now_us
from gateway.people.area_rows import ensure as ensure_area
from gateway.people.search_key import search_key
from recorder.rows import RowError, row_operation


@row_operation("cameras.create")
def create(connection: sa.Connection, cameras_columns: list[dict[str, Any]]) -> None:
    """Add cameras, all or none. Each has its id already, because its password is sealed to it.

    ``place_ids`` among the columns are the areas in which it stands beside its home.
    """
    at_us = now_us()
    for columns in cameras_columns:
        columns = {"number": None, **columns}
        place_ids = columns.pop("place_ids", [])
        _require_area(connection, columns["area_id"])
        _require_free_number(connection, columns["number"])
        _require_free_push_names(connection, columns)
        connection.execute(
            sa.insert(cameras).values(
                created_us=at_us,
                changed_us=at_us,
                **{"search_key": search_key(columns["name"], columns["number"]), **columns},
            )
        )
        _set_places(connection, columns["id"], columns["area_id"], place_ids)


@row_operation("cameras.change")
def change(connection: sa.Connection, camera_id: str, columns: dict[str, Any]) -> None:
    """Change the given columns; ``place_ids`` among them as for :func:`place`."""
    columns = dict(columns)
    place_ids = columns.pop("place_ids", None)
    row = connection.execute(
        sa.select(cameras.c.name, cameras.c.number, cameras.c.area_id).where(
            cameras.c.id == camera_id, cameras.c.deleted_us.is_(None)
        )
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such camera")
    if "area_id" in columns:
        _require_area(connection, columns["area_id"])
    if columns.get("number", row.number) != row.number:
        _require_free_number(connection, columns["number"])
    _require_free_push_names(connection, columns, camera_id)
    if "name" in columns or "number" in columns:
        columns["search_key"] = search_key(
            columns.get("name", row.name), columns.get("number", row.number)
        )
    connection.execute(
        sa.update(cameras)
        .where(cameras.c.id == camera_id)
        .values(changed_us=later(connection), **columns)
    )
    if place_ids is not None:
        _set_places(connection, camera_id, columns.get("area_id", row.area_id), place_ids)


@row_operation("cameras.change_many")
def change_many(connection: sa.Connection, steps: list[dict[str, Any]]) -> None:
    """Change many cameras, all or none, and none that has changed since ``changed_us``."""
    for step in steps:
        changed_us = connection.scalar(
            sa.select(cameras.c.changed_us).where(cameras.c.id == step["camera_id"])
        )
        if changed_us != step["changed_us"]:
            raise RowError("changed_meanwhile", "these cameras have changed meanwhile: look again")
        change(connection, step["camera_id"], step["columns"])


def later(connection: sa.Connection) -> sa.ColumnElement[int]:
    """``changed_us`` of a change: rising even when the clock stands still or is set back."""
    greatest = sa.func.max if connection.dialect.name == "sqlite" else sa.func.greatest
    return greatest(cameras.c.changed_us + 1, now_us())


@row_operation("cameras.replace")
def replace(
    connection: sa.Connection,
    camera_id: str,
    columns: dict[str, Any],
    device: dict[str, Any],
) -> None:
    """Another device takes the camera's place, and the one before goes into its history.

    ``columns`` are the camera's new addresses and password; ``device`` what else is known of it:
    model, serial_number, note, replaced_by.
    """
    row = connection.execute(
        sa.select(cameras).where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such camera")
    _require_free_push_names(connection, columns, camera_id)
    history = camera_devices.c
    last = connection.execute(
        sa.select(history.from_us)
        .where(history.camera_id == camera_id)
        .order_by(history.from_us.desc())
        .limit(1)
    ).scalar()
    from_us = row.created_us if last is None else last
    # Rising even where the clock was set back.
    at_us = max(now_us(), from_us + 1)
    # Its addresses may have been corrected since it was put there.
    was = {"until_us": at_us, "main_url": row.main_url, "sub_url": row.sub_url}
    if last is None:
        connection.execute(
            sa.insert(camera_devices).values(camera_id=camera_id, from_us=from_us, **was)
        )
    else:
        connection.execute(
            sa.update(camera_devices)
            .where(history.camera_id == camera_id, history.from_us == from_us)
            .values(**was)
        )
    connection.execute(
        sa.insert(camera_devices).values(
            camera_id=camera_id,
            from_us=at_us,
            main_url=columns["main_url"],
            sub_url=columns.get("sub_url"),
            **device,
        )
    )
    change(connection, camera_id, columns)


@row_operation("cameras.delete")
def delete(connection: sa.Connection, camera_id: str) -> None:
    """Stop pulling the camera for good. Its footage lives on until its retention ends."""
    deleted = connection.execute(
        sa.update(cameras)
        .where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
        .values(
            changed_us=now_us(),
            deleted_us=now_us(),
            enabled=False,
            username=None,
            password_sealed=None,
        )
    )
    if deleted.rowcount == 0:
        raise RowError("not_found", "there is no such camera")


@row_operation("cameras.place")
def place(
    connection: sa.Connection,
    camera_id: str,
    area_ids: list[str],
) -> None:
    """Have the camera stand in exactly these areas beside its home. May be repeated."""
    # Readers know by what this changes that they must look where it stands.
    change(connection, camera_id, {"place_ids": area_ids})


def _set_places(
    connection: sa.Connection, camera_id: str, home_id: str, area_ids: list[str]
) -> None:
    connection.execute(sa.delete(camera_places).where(camera_places.c.camera_id == camera_id))
    for area_id in sorted(set(area_ids) - {home_id}):
        _axis(connection, area_id)
        connection.execute(sa.insert(camera_places).values(camera_id=camera_id, area_id=area_id))


def _require_free_number(connection: sa.Connection, number: str | None) -> None:
    taken = sa.select(cameras.c.id).where(
        cameras.c.number == number, cameras.c.deleted_us.is_(None)
    )
    if number is not None and connection.execute(taken).first() is not None:
        raise RowError("number_taken", f"there is already a camera with the number {number}")


def _require_free_push_names(
    connection: sa.Connection, columns: dict[str, Any], camera_id: str = ""
) -> None:
    """Two cameras of one name would take each other's publishers away."""
    for name in ("main_url", "sub_url"):
        url = columns.get(name)
        if not url or not url.startswith("push://"):
            continue
        taken = connection.scalar(
            sa.select(cameras.c.id)
            .where(
                sa.or_(cameras.c.main_url == url, cameras.c.sub_url == url),
                cameras.c.id != camera_id,
                cameras.c.deleted_us.is_(None),
            )
            .limit(1)
        )
        if taken is not None:
            raise RowError("conflict", "another camera has this push name: choose another")


def _require_area(connection: sa.Connection, area_id: str) -> None:
    if _axis(connection, area_id) != "area":
        raise RowError("invalid", "a camera's home is a township or village, on the axis 'area'")


def _axis(connection: sa.Connection, area_id: str) -> str:
    axis: str | None = connection.scalar(sa.select(areas.c.axis).where(areas.c.id == area_id))
    if axis is None:
        raise RowError("invalid", f"there is no area {area_id}")
    return axis


@row_operation("cameras.import")
def import_cameras(connection: sa.Connection, cameras_columns: list[dict[str, Any]]) -> None:
    """Add cameras whose ``area`` is given by names from the root down; areas are made as needed."""
    known: dict[tuple[str, ...], str] = {}
    for columns in cameras_columns:
        names = tuple(columns.pop("area"))
        if names not in known:
            known[names] = ensure_area(connection, list(names))
        columns["area_id"] = known[names]
    create(connection, cameras_columns)
