"""The cameras of one shard whose devices keep footage of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.platform_tables import platforms
from gateway.database.tables import cameras
from gateway.fetching.fetch import FetchedCamera
from gateway.secrets import SealError, unseal
from recorder.tables import assignments

_log = structlog.get_logger(__name__)


async def fetched_cameras(
    connection: AsyncConnection, secret: bytes, owner: str, camera_ids: Sequence[str]
) -> dict[str, FetchedCamera]:
    """Those of these cameras that ``owner`` holds and that a device or platform brings."""
    rows = await connection.execute(
        sa.select(
            cameras.c.id,
            cameras.c.platform_id,
            cameras.c.channel,
            cameras.c.username,
            cameras.c.password_sealed,
            platforms.c.kind,
        )
        .join(platforms, platforms.c.id == cameras.c.platform_id)
        .join(assignments, assignments.c.source_id == cameras.c.id + "/main")
        .where(
            cameras.c.id.in_(camera_ids),
            cameras.c.deleted_us.is_(None),
            platforms.c.enabled,
            platforms.c.deleted_us.is_(None),
            assignments.c.owner == owner,
        )
    )
    found = {row.id: row for row in rows}
    epochs: dict[str, dict[str, int]] = {}
    wanted = [f"{one}/{kind}" for one in found for kind in ("backfill", "borrowed")]
    for row in await connection.execute(
        sa.select(assignments.c.source_id, assignments.c.epoch).where(
            assignments.c.source_id.in_(wanted)
        )
    ):
        epochs.setdefault(row.source_id.partition("/")[0], {})[row.source_id] = row.epoch
    return {
        camera_id: FetchedCamera(
            camera_id,
            row.platform_id,
            row.kind,
            row.channel or "",
            row.username,
            _password(row, secret),
            epochs.get(camera_id, {}),
        )
        for camera_id, row in found.items()
    }


def _password(row: Any, secret: bytes) -> str | None:
    if row.password_sealed is None:
        return None
    try:
        return unseal(secret, row.password_sealed, row.id)
    except SealError as error:
        _log.error("a camera's password is lost", camera=row.id, why=str(error))
        return None
