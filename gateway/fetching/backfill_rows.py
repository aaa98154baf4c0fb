"""Writes to what is to be fetched from devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.fetch_tables import backfills
from gateway.identifiers import new_id, now_us
from recorder.rows import row_operation


@row_operation("backfills.want")
def want(connection: sa.Connection, stretches: Sequence[Sequence[Any]]) -> int:
    """Note stretches to fetch: each ``[camera_id, start_us, end_us]``; gives how many were new. One
    that meets a row of its camera is known already, so that this may be repeated.
    """
    added = 0
    at_us = now_us()
    for camera_id, start_us, end_us in stretches:
        known = connection.execute(
            sa.select(backfills.c.id).where(
                backfills.c.camera_id == camera_id,
                backfills.c.start_us < end_us,
                backfills.c.end_us > start_us,
            )
        ).first()
        if known is not None:
            continue
        connection.execute(
            sa.insert(backfills).values(
                id=new_id("bkf"),
                camera_id=camera_id,
                start_us=start_us,
                end_us=end_us,
                state="waiting",
                tries=0,
                next_us=at_us,
                fetched_us=0,
                created_us=at_us,
                changed_us=at_us,
            )
        )
        added += 1
    return added


@row_operation("backfills.report")
def report(connection: sa.Connection, backfill_id: str, columns: dict[str, Any]) -> None:
    """How a try ended. May be repeated."""
    connection.execute(
        sa.update(backfills)
        .where(backfills.c.id == backfill_id)
        .values(changed_us=now_us(), **columns)
    )


@row_operation("backfills.forget")
def forget(connection: sa.Connection, before_us: int) -> int:
    """Forget what is older than anything that is still fetched; gives how many rows went."""
    gone = connection.execute(sa.delete(backfills).where(backfills.c.end_us < before_us))
    return gone.rowcount
