"""Who steers, presets' names, homes and patrols, as rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.operating_tables import patrols, preset_names, ptz_holdings, ptz_homes
from gateway.database.tables import cameras
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

PATROLS_LIMIT = 16


@row_operation("ptz.began")
def began(connection: sa.Connection, camera_id: str, since_us: int, holder: dict[str, Any]) -> None:
    """Somebody holds the camera from now on."""
    connection.execute(sa.delete(ptz_holdings).where(ptz_holdings.c.camera_id == camera_id))
    connection.execute(
        sa.insert(ptz_holdings).values(camera_id=camera_id, since_us=since_us, holder=holder)
    )


@row_operation("ptz.ended")
def ended(connection: sa.Connection, camera_id: str, since_us: int) -> None:
    """That holding is over; a later one of the same camera is not touched. May be repeated."""
    connection.execute(
        sa.delete(ptz_holdings).where(
            ptz_holdings.c.camera_id == camera_id, ptz_holdings.c.since_us == since_us
        )
    )


@row_operation("ptz.home")
def set_home(connection: sa.Connection, camera_id: str, preset: str | None, after_s: int) -> None:
    """Where the camera returns; None: nowhere."""
    _require_camera(connection, camera_id)
    connection.execute(sa.delete(ptz_homes).where(ptz_homes.c.camera_id == camera_id))
    if preset is not None:
        connection.execute(
            sa.insert(ptz_homes).values(camera_id=camera_id, preset=preset, after_s=after_s)
        )


@row_operation("presets.name")
def name_preset(connection: sa.Connection, camera_id: str, token: str, name: str) -> None:
    """What people call a preset."""
    _require_camera(connection, camera_id)
    table = preset_names
    mine = sa.and_(table.c.camera_id == camera_id, table.c.token == token)
    if connection.execute(sa.update(table).where(mine).values(name=name)).rowcount == 0:
        connection.execute(sa.insert(table).values(camera_id=camera_id, token=token, name=name))


@row_operation("presets.forget")
def forget_preset(connection: sa.Connection, camera_id: str, token: str) -> None:
    """A preset is gone. May be repeated."""
    connection.execute(
        sa.delete(preset_names).where(
            preset_names.c.camera_id == camera_id, preset_names.c.token == token
        )
    )


@row_operation("patrols.create")
def create_patrol(connection: sa.Connection, camera_id: str, columns: dict[str, Any]) -> str:
    """Add a patrol; gives its id. Raises RowError ``conflict`` beyond sixteen for one camera."""
    _require_camera(connection, camera_id)
    count = connection.scalar(
        sa.select(sa.func.count()).select_from(patrols).where(patrols.c.camera_id == camera_id)
    )
    if (count or 0) >= PATROLS_LIMIT:
        raise RowError("conflict", f"a camera has at most {PATROLS_LIMIT} patrols: delete one")
    patrol_id, at_us = new_id("ptr"), now_us()
    connection.execute(
        sa.insert(patrols).values(
            id=patrol_id, camera_id=camera_id, created_us=at_us, changed_us=at_us, **columns
        )
    )
    return patrol_id


@row_operation("patrols.change")
def change_patrol(connection: sa.Connection, patrol_id: str, columns: dict[str, Any]) -> None:
    """Change the given columns."""
    _touch(connection, patrol_id, **columns)


@row_operation("patrols.delete")
def delete_patrol(connection: sa.Connection, patrol_id: str) -> None:
    """Remove a patrol."""
    connection.execute(sa.delete(patrols).where(patrols.c.id == patrol_id))


@row_operation("patrols.start")
def start_patrol(connection: sa.Connection, patrol_id: str, by: str) -> None:
    """Start it by hand; the camera's others rest."""
    camera_id = _touch(connection, patrol_id, started_us=now_us(), started_by=by, stopped_us=None)
    others = connection.scalars(
        sa.select(patrols.c.id).where(patrols.c.camera_id == camera_id, patrols.c.id != patrol_id)
    )
    for other in list(others):
        _stop(connection, other)


@row_operation("patrols.stop")
def stop_patrol(connection: sa.Connection, patrol_id: str) -> None:
    """Stop it by hand; it rests until its schedule begins again."""
    _stop(connection, patrol_id)


def _stop(connection: sa.Connection, patrol_id: str) -> None:
    _touch(connection, patrol_id, started_us=None, started_by=None, stopped_us=now_us())


def _touch(connection: sa.Connection, patrol_id: str, **columns: Any) -> str:
    greatest = sa.func.max if connection.dialect.name == "sqlite" else sa.func.greatest
    camera_id: str | None = connection.scalar(
        sa.select(patrols.c.camera_id).where(patrols.c.id == patrol_id)
    )
    if camera_id is None:
        raise RowError("not_found", "there is no such patrol")
    connection.execute(
        sa.update(patrols)
        .where(patrols.c.id == patrol_id)
        .values(changed_us=greatest(patrols.c.changed_us + 1, now_us()), **columns)
    )
    return camera_id


def _require_camera(connection: sa.Connection, camera_id: str) -> None:
    found = connection.scalar(
        sa.select(cameras.c.id).where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
    )
    if found is None:
        raise RowError("not_found", "there is no such camera")
