"""Writes to subscriptions: who hears of what passes here, and of whom we hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.sighting_tables import sighting_subscriptions, sightings
from gateway.identifiers import now_us
from recorder.rows import RowError, row_operation

SUBSCRIPTIONS_LIMIT = 200


@row_operation("sightings.subscribe")
def subscribe(
    connection: sa.Connection,
    platform_id: str,
    subscription_id: str,
    direction: str,
    document: Mapping[str, Any],
    ends_us: int | None,
) -> bool:
    """Begin or change a subscription; True where it is new. It begins with what passes from now on.

    Raises RowError ``too_many``.
    """
    table = sighting_subscriptions
    here = (table.c.platform_id == platform_id, table.c.id == subscription_id)
    at_us = now_us()
    columns = {"document": dict(document), "active": True, "ends_us": ends_us, "changed_us": at_us}
    if connection.execute(sa.update(table).where(*here).values(**columns)).rowcount:
        return False
    held = connection.scalar(
        sa.select(sa.func.count()).select_from(table).where(table.c.platform_id == platform_id)
    )
    if (held or 0) >= SUBSCRIPTIONS_LIMIT:
        raise RowError("too_many", f"there are {SUBSCRIPTIONS_LIMIT} subscriptions already")
    newest = connection.scalar(sa.select(sa.func.max(sightings.c.id)))
    connection.execute(
        sa.insert(table).values(
            platform_id=platform_id,
            id=subscription_id,
            direction=direction,
            told_id=newest or 0,
            created_us=at_us,
            **columns,
        )
    )
    return True


@row_operation("sightings.unsubscribe")
def unsubscribe(
    connection: sa.Connection, platform_id: str, subscription_ids: Sequence[str]
) -> list[str]:
    """End subscriptions; gives those that there were. May be repeated."""
    table = sighting_subscriptions
    mine = sa.and_(table.c.platform_id == platform_id, table.c.id.in_(subscription_ids))
    found = list(connection.scalars(sa.select(table.c.id).where(mine)))
    connection.execute(sa.delete(table).where(mine))
    return found


@row_operation("sightings.told")
def told(connection: sa.Connection, platform_id: str, subscription_id: str, told_id: int) -> None:
    """What arrived up to ``told_id`` was told and confirmed. May be repeated."""
    table = sighting_subscriptions
    connection.execute(
        sa.update(table)
        .where(
            table.c.platform_id == platform_id,
            table.c.id == subscription_id,
            table.c.told_id < told_id,
        )
        .values(told_id=told_id)
    )
