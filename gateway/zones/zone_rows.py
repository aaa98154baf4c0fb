"""Writes to zones, and the ends of what nobody watches any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.operating_tables import device_events
from gateway.database.tables import cameras
from gateway.database.zone_tables import ZONE_SOURCE, camera_zones
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation


@row_operation("zones.put")
def put(
    connection: sa.Connection,
    camera_id: str,
    version: int,
    zones: list[dict[str, Any]],
    user_id: str,
    user_name: str,
) -> int:
    """Replace version ``version`` (0: there is none) by these; gives the new version's number.

    Refused with ``conflict`` when another version is in force by now.
    """
    living = sa.select(cameras.c.id).where(
        cameras.c.id == camera_id, cameras.c.deleted_us.is_(None)
    )
    if connection.execute(living).one_or_none() is None:
        raise RowError("not_found", "there is no such camera")
    of_camera = camera_zones.c.camera_id == camera_id
    newest = connection.execute(
        sa.select(camera_zones.c.version, camera_zones.c.changed_us).where(of_camera)
    ).one_or_none()
    if (newest.version if newest is not None else 0) != version:
        raise RowError("conflict", "somebody else has changed the zones: look at them again")
    values = {
        "version": version + 1,
        "zones": zones,
        "changed_us": now_us() if newest is None else max(now_us(), newest.changed_us + 1),
        "user_id": user_id,
        "user_name": user_name,
    }
    if newest is None:
        connection.execute(sa.insert(camera_zones).values(camera_id=camera_id, **values))
    else:
        connection.execute(sa.update(camera_zones).where(of_camera).values(**values))
    return version + 1


@row_operation("zones.end_open")
def end_open(connection: sa.Connection, camera_ids: Sequence[str] | None, at_us: int) -> int:
    """End what lasts in zones of these cameras (None: of all) and was begun before: nobody watches
    them any more. Gives how many.
    """
    table = device_events.c
    where = [table.state == "open", table.source.startswith(ZONE_SOURCE), table.begin_us <= at_us]
    if camera_ids is not None:
        where.append(table.camera_id.in_(camera_ids))
    return connection.execute(
        sa.update(device_events).where(*where).values(state="ended", end_us=at_us)
    ).rowcount
