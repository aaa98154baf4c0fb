"""Who owns cameras now, as relays ask: by their rows."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.tables import assignments

_AT_ONCE = 500


async def read_owners(reader: AsyncEngine, camera_ids: Iterable[str]) -> dict[str, str]:
    """Camera id → its shard, of those that somebody owns. Raises ConnectionError."""
    source_ids = [f"{camera_id}/main" for camera_id in camera_ids]
    owners: dict[str, str] = {}
    try:
        async with reader.connect() as connection:
            for start in range(0, len(source_ids), _AT_ONCE):
                rows = await connection.execute(
                    sa.select(assignments.c.source_id, assignments.c.owner).where(
                        assignments.c.source_id.in_(source_ids[start : start + _AT_ONCE])
                    )
                )
                owners.update((source_id.rpartition("/")[0], owner) for source_id, owner in rows)
    except sa.exc.DBAPIError as error:
        raise ConnectionError(f"assignments cannot be read: {error.orig}") from None
    return {camera_id: owner for camera_id, owner in owners.items() if owner}
