"""Writes to platforms, and channels that become cameras. Passwords come sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.camera_rows import change as change_camera
from gateway.camera_rows import create as create_cameras
from gateway.database.fetch_tables import backfills
from gateway.database.platform_tables import (
    platform_applicants,
    platform_channels,
    platform_states,
    platforms,
)
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation


@row_operation("platforms.create")
def create(connection: sa.Connection, columns: dict[str, Any]) -> None:
    """Add a platform; it has its id already, because its password is sealed to it. Whoever knocked
    by this code is known now.
    """
    _require_area(connection, columns["area_id"])
    _require_free_code(connection, columns["kind"], columns["direction"], columns["code"])
    at_us = now_us()
    connection.execute(sa.insert(platforms).values(created_us=at_us, changed_us=at_us, **columns))
    connection.execute(
        sa.delete(platform_applicants).where(
            platform_applicants.c.kind == columns["kind"],
            platform_applicants.c.code == columns["code"],
        )
    )


@row_operation("platforms.change")
def change(
    connection: sa.Connection,
    platform_id: str,
    columns: dict[str, Any],
    accounts: Sequence[dict[str, Any]] = (),
) -> None:
    """Change the given columns, and the account by which its cameras are pulled: each of
    ``accounts`` is ``{camera_id, columns}`` as for ``cameras.change``.
    """
    row = _row(connection, platform_id)
    if "area_id" in columns:
        _require_area(connection, columns["area_id"])
    if columns.get("code", row.code) != row.code:
        _require_free_code(connection, row.kind, row.direction, columns["code"])
    connection.execute(
        sa.update(platforms)
        .where(platforms.c.id == platform_id)
        .values(changed_us=_later(connection), **columns)
    )
    if columns.get("enabled") is False:
        _switch_off(connection, platform_id)
    for account in accounts:
        change_camera(connection, account["camera_id"], account["columns"])


@row_operation("platforms.delete")
def delete(connection: sa.Connection, platform_id: str, with_cameras: bool) -> list[str]:
    """Remove a platform, its channels, and, if asked for, the cameras that it brought; gives these.

    Cameras that stay keep their footage and their place, and are offline. One transaction: no
    orphan is left. Raises RowError.
    """
    _row(connection, platform_id)
    at_us = now_us()
    brought = sa.and_(cameras.c.platform_id == platform_id, cameras.c.deleted_us.is_(None))
    removed: list[str] = []
    if with_cameras:
        removed = list(connection.scalars(sa.select(cameras.c.id).where(brought)))
        connection.execute(
            sa.update(cameras).where(brought).values(deleted_us=at_us, changed_us=at_us)
        )
    connection.execute(
        sa.delete(platform_channels).where(platform_channels.c.platform_id == platform_id)
    )
    connection.execute(
        sa.delete(platform_states).where(platform_states.c.platform_id == platform_id)
    )
    # Nobody answers for it any more: what was to be fetched from it will not be.
    connection.execute(
        sa.update(backfills)
        .where(
            backfills.c.state == "waiting",
            backfills.c.camera_id.in_(
                sa.select(cameras.c.id).where(cameras.c.platform_id == platform_id)
            ),
        )
        .values(state="failed", fault="not_found", detail="the device was removed")
    )
    connection.execute(
        sa.update(platforms)
        .where(platforms.c.id == platform_id)
        .values(deleted_us=at_us, changed_us=_later(connection), enabled=False)
    )
    return removed


@row_operation("platforms.take_over")
def take_over(
    connection: sa.Connection, platform_id: str, cameras_columns: Sequence[dict[str, Any]]
) -> None:
    """Make cameras of channels, all or none: each as for ``cameras.create``, with ``channel``.

    Raises RowError ``not_found`` for a channel that is not there, ``conflict`` for one that is a
    camera already.
    """
    _row(connection, platform_id)
    table = platform_channels
    for columns in cameras_columns:
        channel = connection.execute(
            sa.select(table.c.camera_id, table.c.name).where(
                table.c.platform_id == platform_id, table.c.code == columns["channel"]
            )
        ).one_or_none()
        if channel is None:
            raise RowError("not_found", f"there is no channel {columns['channel']}")
        if channel.camera_id is not None and _lives(connection, channel.camera_id):
            raise RowError("conflict", f"{channel.name} is a camera already")
        create_cameras(connection, [{**columns, "platform_id": platform_id}])
        connection.execute(
            sa.update(table)
            .where(table.c.platform_id == platform_id, table.c.code == columns["channel"])
            .values(camera_id=columns["id"])
        )


def _row(connection: sa.Connection, platform_id: str) -> Any:
    row = connection.execute(
        sa.select(platforms).where(platforms.c.id == platform_id, platforms.c.deleted_us.is_(None))
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such platform")
    return row


def _lives(connection: sa.Connection, camera_id: str) -> bool:
    found = connection.scalar(
        sa.select(cameras.c.id).where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
    )
    return found is not None


def _switch_off(connection: sa.Connection, platform_id: str) -> None:
    connection.execute(
        sa.update(platform_states)
        .where(platform_states.c.platform_id == platform_id)
        .values(state="disabled", fault="", detail="", since_us=now_us())
    )


def _later(connection: sa.Connection) -> sa.ColumnElement[int]:
    greatest = sa.func.max if connection.dialect.name == "sqlite" else sa.func.greatest
    return greatest(platforms.c.changed_us + 1, now_us())


def _require_area(connection: sa.Connection, area_id: str) -> None:
    axis = connection.scalar(sa.select(areas.c.axis).where(areas.c.id == area_id))
    if axis is None:
        raise RowError("not_found", "there is no such area")
    if axis != "area":
        raise RowError("invalid", "a platform belongs to an area of the county's own tree")


def _require_free_code(
    connection: sa.Connection, kind: str, direction: str, code: str | None
) -> None:
    if code is None:
        return
    taken = connection.scalar(
        sa.select(platforms.c.id).where(
            platforms.c.kind == kind,
            platforms.c.direction == direction,
            platforms.c.code == code,
            platforms.c.deleted_us.is_(None),
        )
    )
    # Whose it is, is not for everybody to know who may add one.
    if taken is not None:
        raise RowError("conflict", f"another one here has the code {code} already")
