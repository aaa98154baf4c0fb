"""Writes to masks: each change is a version of its own, and none is ever forgotten."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.privacy_tables import camera_masks
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation


@row_operation("masks.put")
def put(
    connection: sa.Connection,
    camera_id: str,
    version: int,
    masks: list[dict[str, Any]],
    user_id: str,
    user_name: str,
) -> int:
    """Replace version ``version`` (0: there is none) by these; gives the new version's number.

    Refused with ``conflict`` when another version is in force by now.
    """
    found = connection.execute(
        sa.select(cameras.c.id).where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
    )
    if found.one_or_none() is None:
        raise RowError("not_found", "there is no such camera")
    newest = connection.execute(
        sa.select(camera_masks.c.version, camera_masks.c.from_us).where(
            camera_masks.c.camera_id == camera_id, camera_masks.c.until_us.is_(None)
        )
    ).one_or_none()
    if (newest.version if newest is not None else 0) != version:
        raise RowError("conflict", "somebody else has changed the masks: look at them again")
    at_us = now_us()
    if newest is not None:
        at_us = max(at_us, newest.from_us + 1)
        connection.execute(
            sa.update(camera_masks)
            .where(camera_masks.c.camera_id == camera_id, camera_masks.c.version == version)
            .values(until_us=at_us)
        )
    connection.execute(
        sa.insert(camera_masks).values(
            camera_id=camera_id,
            version=version + 1,
            masks=masks,
            from_us=at_us,
            until_us=None,
            user_id=user_id,
            user_name=user_name,
        )
    )
    return version + 1
