"""Writes to cameras. Passwords come sealed: the writer never sees them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import append_rows
from gateway.database.tables import areas, camera_places, cameras
from gateway.identifiers import now_us
from gateway.people.area_rows import ensure as ensure_area
from recorder.rows import RowError, row_operation


@row_operation("cameras.create")
def create(connection: sa.Connection, cameras_columns: list[dict[str, Any]]) -> None:
    """Add cameras, all or none. Each has its id already, because its password is sealed to it."""
    at_us = now_us()
    for columns in cameras_columns:
        _require_area(connection, columns["area_id"])
        connection.execute(sa.insert(cameras).values(created_us=at_us, changed_us=at_us, **columns))


@row_operation("cameras.change")
def change(connection: sa.Connection, camera_id: str, columns: dict[str, Any]) -> None:
    """Change the given columns."""
    if "area_id" in columns:
        _require_area(connection, columns["area_id"])
    changed = connection.execute(
        sa.update(cameras)
        .where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
        .values(
            # Strictly rising even when the clock stands still or is set back.
            changed_us=sa.func.max(cameras.c.changed_us + 1, now_us())
            if connection.dialect.name == "sqlite"
            else sa.func.greatest(cameras.c.changed_us + 1, now_us()),
            **columns,
        )
    )
    if changed.rowcount == 0:
        raise RowError("not_found", "there is no such camera")


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
    records: list[dict[str, Any]] | None = None,
) -> None:
    """Have the camera stand in exactly these areas beside its home. May be repeated."""
    # Readers know by this that they must look where it stands.
    change(connection, camera_id, {})
    home = connection.scalar(sa.select(cameras.c.area_id).where(cameras.c.id == camera_id))
    connection.execute(sa.delete(camera_places).where(camera_places.c.camera_id == camera_id))
    for area_id in sorted(set(area_ids) - {home}):
        _axis(connection, area_id)
        connection.execute(sa.insert(camera_places).values(camera_id=camera_id, area_id=area_id))
    append_rows(connection, records or [])


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
