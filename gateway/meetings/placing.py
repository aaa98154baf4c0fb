"""Which shard runs a meeting, and at which shard somebody sits in it.

A meeting is run by one shard, its home: the one with the fewest people invited to what it runs
already. Who joins sits there too, up to ``meetings.sites_per_shard``; who comes then sits at
another shard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import meeting_participants, meetings
from gateway.identifiers import US_PER_S

COMING_US = 30 * US_PER_S
"""Who has taken a seat comes within its ticket's life, or not at all."""


def seat_at(home: str, current: str | None, filled: Mapping[str, int], sites_per_shard: int) -> str:
    """The shard at which somebody sits who takes a seat now.

    ``filled`` says how many others sit at each shard that lives; ``current`` is where they sat
    last. Who can sit where they sat stays there; else they sit at home while it has room, then at
    the shard with the fewest. Where all are full nobody is turned away: it is the one with the
    fewest then, too. A home that is in no state to be counted takes everybody.
    """
    if home not in filled:
        return home
    with_room = [name for name, people in filled.items() if people < sites_per_shard]
    if current is not None and current in with_room:
        return current
    if home in with_room:
        return home
    if not with_room and current is not None and current in filled:
        return current
    return min(with_room or filled, key=lambda name: (filled[name], name != home, name))


def people_at(connection: sa.Connection, but: str, at_us: int) -> dict[str, int]:
    """How many sit at each shard, or are on their way there, in all meetings that run; ``but``
    this participant.
    """
    own = meeting_participants.c
    at = sa.func.coalesce(own.shard, meetings.c.shard)
    rows = connection.execute(
        sa.select(at, sa.func.count())
        .select_from(meetings.join(meeting_participants, own.meeting_id == meetings.c.id))
        .where(
            meetings.c.state == "running",
            own.id != but,
            own.session_id.is_not(None),
            sa.or_(
                own.state.in_(["connected", "lobby"]),
                sa.and_(own.state != "removed", own.answered_us > at_us - COMING_US),
            ),
        )
        .group_by(at)
    )
    return {shard: people for shard, people in rows if shard is not None}


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
