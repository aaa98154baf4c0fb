"""Writes to holds: who keeps which footage from being deleted, why, and until when.

The footage itself is held by the recorder (:mod:`recorder.hold_rows`), in the same transaction and
under the same id.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.audit.records import append_rows
from gateway.database.evidence_tables import cases, holds
from gateway.database.tables import areas, cameras
from gateway.identifiers import new_id, now_us
from recorder.hold_rows import add_hold, drop_hold
from recorder.rows import RowError, row_operation


@row_operation("evidence.hold")
def place_hold(
    connection: sa.Connection,
    camera_id: str,
    start_us: int,
    end_us: int,
    reason: str,
    created_by: str | None,
    case_id: str | None = None,
    expires_us: int | None = None,
) -> dict[str, Any]:
    """Hold all footage of the camera in the range, what will come too; gives ``id`` and how many
    stored ``segments`` nothing held before. Refused with ``case_closed``, ``not_found``.
    """
    if case_id is not None:
        require_open_case(connection, case_id)
    hold_id = new_id("hold")
    connection.execute(
        sa.insert(holds).values(
            id=hold_id,
            case_id=case_id,
            camera_id=camera_id,
            start_us=start_us,
            end_us=end_us,
            reason=reason,
            created_us=now_us(),
            created_by=created_by,
            expires_us=expires_us,
        )
    )
    changed = add_hold(connection, hold_id, start_us, end_us, camera_id=camera_id)
    return {"id": hold_id, "segments": changed}


@row_operation("evidence.prolong_hold")
def prolong_hold(connection: sa.Connection, hold_id: str, expires_us: int | None) -> None:
    """Let a hold end at another time, or (None) not by itself. Refused when it is over."""
    changed = connection.execute(
        sa.update(holds)
        .where(holds.c.id == hold_id, holds.c.released_us.is_(None))
        .values(expires_us=expires_us)
    )
    if not changed.rowcount:
        raise RowError("conflict", "this hold was released: place another")


@row_operation("evidence.release_hold")
def release_hold(connection: sa.Connection, hold_id: str, released_by: str, reason: str) -> int:
    """End a hold; gives how many segments nothing holds any more. Refused when it is over."""
    changed = _release(connection, hold_id, released_by, reason)
    if changed is None:
        raise RowError("conflict", "this hold was released already")
    return changed


@row_operation("evidence.expire_holds")
def expire_holds(connection: sa.Connection) -> list[str]:
    """End the holds whose time is over, and record each; gives their ids."""
    at_us = now_us()
    due = connection.execute(
        sa.select(
            holds.c.id,
            holds.c.case_id,
            holds.c.camera_id,
            holds.c.start_us,
            holds.c.end_us,
            holds.c.expires_us,
            areas.c.path,
        )
        .select_from(
            holds.join(cameras, cameras.c.id == holds.c.camera_id).join(
                areas, areas.c.id == cameras.c.area_id
            )
        )
        .where(holds.c.released_us.is_(None), holds.c.expires_us <= at_us)
        .limit(500)
    ).all()
    records = []
    for row in due:
        segments = _release(connection, row.id, None, "its time was over")
        record = AuditRecord(
            "hold.expire",
            camera_id=row.camera_id,
            area_path=row.path,
            start_us=row.start_us,
            end_us=row.end_us,
            case_id=row.case_id,
            detail={"hold_id": row.id, "expires_us": row.expires_us, "segments": segments},
        )
        records.append(record.to_message())
    if records:
        append_rows(connection, records)
    return [row.id for row in due]


def release_case_holds(connection: sa.Connection, case_id: str, released_by: str) -> list[str]:
    """End every hold of a case; gives their ids."""
    open_holds = sa.select(holds.c.id).where(
        holds.c.case_id == case_id, holds.c.released_us.is_(None)
    )
    ids = list(connection.execute(open_holds).scalars())
    for hold_id in ids:
        _release(connection, hold_id, released_by, "the case was closed")
    return ids


def require_open_case(connection: sa.Connection, case_id: str) -> None:
    """Raise RowError ``case_closed`` or ``not_found``."""
    row = connection.execute(sa.select(cases.c.closed_us).where(cases.c.id == case_id)).first()
    if row is None:
        raise RowError("not_found", "there is no such case")
    if row.closed_us is not None:
        raise RowError("case_closed", "the case is closed: reopen it first")


def _release(
    connection: sa.Connection, hold_id: str, released_by: str | None, reason: str
) -> int | None:
    changed = connection.execute(
        sa.update(holds)
        .where(holds.c.id == hold_id, holds.c.released_us.is_(None))
        .values(released_us=now_us(), released_by=released_by, release_reason=reason)
    )
    return drop_hold(connection, hold_id) if changed.rowcount else None
