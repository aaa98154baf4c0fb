"""Deletion, put into the register: a record for each day and cause of what footage went, when the
day is over; one for each bookmark.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord, append_rows
from gateway.audit.deletion_records import record_days
from gateway.database.tables import areas, bookmarks, cameras
from gateway.retention import overdue_bookmarks
from recorder.rows import row_operation
from recorder.tables import deletions
from search.index.tables import passage_deletions

ACTION = "retention.deleted"
PASSAGES_ACTION = "search.deleted"
_BOOKMARKS_AT_ONCE = 500


@row_operation("retention.record_deletions")
def record_deletions(connection: sa.Connection, today: int) -> int:
    """Write the records that are missing of the days before ``today`` (days since 1970, UTC); gives
    how many. May be repeated.
    """
    table = deletions.c
    return record_days(
        connection,
        ACTION,
        deletions,
        {
            "segments": sa.func.sum(table.segments),
            "bytes": sa.func.sum(table.size_bytes),
            "sources": sa.func.count(),
        },
        today,
    )


@row_operation("retention.record_passages")
def record_passages(connection: sa.Connection, today: int) -> int:
    """As :func:`record_deletions`, of what the index of search had of that footage."""
    table = passage_deletions.c
    return record_days(
        connection,
        PASSAGES_ACTION,
        passage_deletions,
        {
            "passages": sa.func.sum(table.passages),
            "bytes": sa.func.sum(table.size_bytes),
            "cameras": sa.func.count(),
        },
        today,
    )


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
