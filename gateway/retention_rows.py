"""Deletion, put into the register: a record for each day and cause of what footage went, when the
day is over; one for each bookmark.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord, append_rows
from gateway.database.audit_tables import audit_log
from gateway.database.tables import areas, bookmarks, cameras
from gateway.retention import overdue_bookmarks
from recorder.retention import DAY_US
from recorder.rows import row_operation
from recorder.tables import deletions

ACTION = "retention.deleted"
# A gateway that stood still for longer has deleted nothing on the days before.
_LOOK_BACK_DAYS = 400
_BOOKMARKS_AT_ONCE = 500


@row_operation("retention.record_deletions")
def record_deletions(connection: sa.Connection, today: int) -> int:
    """Write the records that are missing of the days before ``today`` (days since 1970, UTC); gives
    how many. May be repeated.
    """
    # By time, which is indexed: it lies a day back, and not deep in the register of years.
    newest = connection.execute(
        sa.select(audit_log.c.start_us)
        .where(audit_log.c.action == ACTION)
        .order_by(audit_log.c.at_us.desc())
        .limit(1)
    ).scalar()
    after = today - _LOOK_BACK_DAYS if newest is None else newest // DAY_US
    days = connection.execute(
        sa.select(
            deletions.c.day,
            deletions.c.cause,
            sa.func.sum(deletions.c.segments).label("segments"),
            sa.func.sum(deletions.c.size_bytes).label("bytes"),
            sa.func.count().label("sources"),
            sa.func.min(deletions.c.first_us).label("first_us"),
            sa.func.max(deletions.c.last_us).label("last_us"),
        )
        .where(deletions.c.day > after, deletions.c.day < today)
        .group_by(deletions.c.day, deletions.c.cause)
        .order_by(deletions.c.day, deletions.c.cause)
    ).all()
    records = [
        AuditRecord(
            ACTION,
            start_us=row.day * DAY_US,
            end_us=(row.day + 1) * DAY_US,
            detail={
                "cause": row.cause,
                "segments": row.segments,
                "bytes": row.bytes,
                "sources": row.sources,
                "first_us": row.first_us,
                "last_us": row.last_us,
            },
        )
        for row in days
    ]
    if records:
        append_rows(connection, [record.to_message() for record in records])
    return len(records)


@row_operation("retention.delete_bookmarks")
def delete_bookmarks(connection: sa.Connection, default_days: int, at_us: int) -> int:
    """Delete bookmarks whose footage's time is over, and record each; gives how many. A run of many
    goes in several calls.
    """
    due = connection.execute(
        sa.select(bookmarks, areas.c.path)
        .join(cameras, cameras.c.id == bookmarks.c.camera_id)
        .join(areas, areas.c.id == cameras.c.area_id)
        .where(overdue_bookmarks(default_days, at_us))
        .limit(_BOOKMARKS_AT_ONCE)
    ).all()
    if due:
        ids = [row.id for row in due]
        connection.execute(sa.delete(bookmarks).where(bookmarks.c.id.in_(ids)))
        append_rows(connection, [_expired(row) for row in due])
    return len(due)


def _expired(row: sa.Row[Any]) -> dict[str, Any]:
    # Its words go with it.
    return AuditRecord(
        "bookmark.expire",
        camera_id=row.camera_id,
        area_path=row.path,
        start_us=row.at_us,
        end_us=row.end_us,
        detail={"id": row.id},
    ).to_message()
