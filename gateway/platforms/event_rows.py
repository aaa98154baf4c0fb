"""What devices told, as rows: written in batches, deleted with the footage they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.operating_tables import alarms, device_events
from gateway.database.tables import cameras
from gateway.retention import overdue_events
from recorder.retention import DAY_US
from recorder.rows import row_operation

_DELETED_AT_ONCE = 2000
# Alarms tell of devices, not of people: they are kept for comparing this year with the last.
ALARM_DAYS = 400


@row_operation("device_events.store")
def store(
    connection: sa.Connection, new: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]
) -> None:
    """Add rows, and change ``state``, ``end_us``, ``count``, ``detail`` of others by id. May be
    repeated.
    """
    table = device_events
    if new:
        ids = [row["id"] for row in new]
        known = set(connection.scalars(sa.select(table.c.id).where(table.c.id.in_(ids))))
        fresh = [row for row in new if row["id"] not in known]
        if fresh:
            connection.execute(sa.insert(table), fresh)
        changed = [*(row for row in new if row["id"] in known), *changed]
    if changed:
        connection.execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("row_id"))
            .values(
                state=sa.bindparam("new_state"),
                end_us=sa.bindparam("new_end_us"),
                count=sa.bindparam("new_count"),
                detail=sa.bindparam("new_detail"),
            ),
            [
                {
                    "row_id": row["id"],
                    "new_state": row["state"],
                    "new_end_us": row["end_us"],
                    "new_count": row["count"],
                    "new_detail": row["detail"],
                }
                for row in changed
            ],
        )


@row_operation("device_events.expire")
def expire(connection: sa.Connection, default_days: int, at_us: int) -> int:
    """Delete what is older than its camera's footage is kept, and of which none is left; and ended
    alarms of more than a year. Gives how many; call it again while it gives any.
    """
    due = (
        sa.select(device_events.c.id)
        .select_from(device_events.outerjoin(cameras, cameras.c.id == device_events.c.camera_id))
        .where(overdue_events(default_days, at_us))
        .order_by(device_events.c.begin_us)
        .limit(_DELETED_AT_ONCE)
    )
    ids = list(connection.scalars(due))
    if ids:
        connection.execute(sa.delete(device_events).where(device_events.c.id.in_(ids)))
    old = sa.and_(alarms.c.end_us.is_not(None), alarms.c.end_us < at_us - ALARM_DAYS * DAY_US)
    folded = connection.execute(
        sa.delete(alarms).where(old, alarms.c.folded_into.is_not(None))
    ).rowcount
    child = alarms.alias("child")
    unreferenced = ~sa.exists().where(child.c.folded_into == alarms.c.id)
    ended = connection.execute(sa.delete(alarms).where(old, unreferenced)).rowcount
    return len(ids) + folded + ended
