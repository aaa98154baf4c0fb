"""Which shard runs a meeting: the one with the fewest people invited to what it runs already."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import meeting_participants, meetings


async def least_busy(connection: AsyncConnection, shards: Collection[str]) -> str | None:
    """One of the shards; None where there is none."""
    if not shards:
        return None
    rows = await connection.execute(
        sa.select(meetings.c.shard, sa.func.count().label("people"))
        .select_from(
            meetings.join(meeting_participants, meeting_participants.c.meeting_id == meetings.c.id)
        )
        .where(meetings.c.state == "running", meetings.c.shard.in_(shards))
        .group_by(meetings.c.shard)
    )
    people = {row.shard: row.people for row in rows}
    return min(shards, key=lambda name: (people.get(name, 0), name))
