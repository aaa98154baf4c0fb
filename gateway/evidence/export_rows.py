"""Writes to export jobs: ordered, claimed by a footage server, told how far they are, ended.

While a job is queued or runs its footage is held under the job's own id, so that retention cannot
take what has been promised. A server has a job for as long as it renews the lease; whose lease has
ended, or who starts anew under the same name, is followed by the next that asks.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.audit.records import append_rows
from gateway.database.evidence_tables import export_files, export_jobs
from gateway.evidence.hold_rows import require_open_case
from gateway.identifiers import US_PER_S, new_id, now_us
from recorder.hold_rows import add_hold, drop_hold
from recorder.rows import row_operation

LEASE_US = 60 * US_PER_S
UNFINISHED = ("queued", "running")


@row_operation("evidence.order_export")
def order_export(
    connection: sa.Connection,
    user_id: str,
    case_id: str | None,
    camera_ids: list[str],
    start_us: int,
    end_us: int,
    order: dict[str, Any],
) -> str:
    """Queue a job; gives its id. Refused with ``case_closed``."""
    if case_id is not None:
        require_open_case(connection, case_id)
    job_id = new_id("exp")
    connection.execute(
        sa.insert(export_jobs).values(
            id=job_id,
            case_id=case_id,
            user_id=user_id,
            created_us=now_us(),
            camera_ids=camera_ids,
            start_us=start_us,
            end_us=end_us,
            order=order,
            state="queued",
            lease_us=0,
            total_us=0,
            done_us=0,
            size_bytes=0,
        )
    )
    for number, camera_id in enumerate(camera_ids):
        add_hold(connection, f"{job_id}/{number}", start_us, end_us, camera_id=camera_id)
    return job_id


@row_operation("evidence.claim_export")
def claim_export(connection: sa.Connection, process: str) -> dict[str, Any] | None:
    """Give ``process`` the oldest job that nobody makes; None without one.

    A process that asks makes none: what it is said to be making, it made before it was restarted.
    """
    at_us = now_us()
    table = export_jobs.c
    free = (table.lease_us <= at_us) & table.state.in_(UNFINISHED) | (
        (table.state == "running") & (table.process == process)
    )
    row = connection.execute(
        # One that was put back comes after those that nobody has begun.
        sa.select(export_jobs).where(free).order_by(table.lease_us, table.created_us).limit(1)
    ).first()
    if row is None:
        return None
    connection.execute(
        sa.update(export_jobs)
        .where(table.id == row.id)
        .values(state="running", process=process, lease_us=at_us + LEASE_US)
    )
    return {**row._mapping, "state": "running", "process": process}


@row_operation("evidence.export_progress")
def export_progress(
    connection: sa.Connection,
    job_id: str,
    process: str,
    total_us: int,
    done_us: int,
    file: dict[str, Any] | None = None,
) -> bool:
    """Renew the lease, tell how far it is, and that a file is complete. False when the job is not
    this process's any more: it was cancelled, or another has taken it over.
    """
    changed = connection.execute(
        sa.update(export_jobs)
        .where(_made_by(job_id, process))
        .values(total_us=total_us, done_us=done_us, lease_us=now_us() + LEASE_US)
    )
    if not changed.rowcount:
        return False
    if file is not None:
        here = sa.and_(export_files.c.job_id == job_id, export_files.c.path == file["path"])
        connection.execute(sa.delete(export_files).where(here))
        connection.execute(sa.insert(export_files).values(job_id=job_id, **file))
    return True


@row_operation("evidence.finish_export")
def finish_export(
    connection: sa.Connection,
    job_id: str,
    process: str,
    size_bytes: int,
    expires_us: int,
    message: str | None = None,
) -> bool:
    """The package is complete; ``message`` is what must be known of it. False when the job is not
    this process's any more.
    """
    changed = connection.execute(
        sa.update(export_jobs)
        .where(_made_by(job_id, process))
        .values(
            state="done",
            message=message,
            done_us=export_jobs.c.total_us,
            size_bytes=size_bytes,
            finished_us=now_us(),
            expires_us=expires_us,
        )
    )
    if changed.rowcount:
        _let_go(connection, job_id)
    return bool(changed.rowcount)


@row_operation("evidence.fail_export")
def fail_export(
    connection: sa.Connection, job_id: str, process: str, code: str, message: str
) -> bool:
    """It cannot be made; ``message`` says what to do. Its files go."""
    changed = connection.execute(
        sa.update(export_jobs)
        .where(_made_by(job_id, process))
        .values(state="failed", code=code, message=message[:1000], finished_us=now_us())
    )
    if changed.rowcount:
        _let_go(connection, job_id)
        row = connection.execute(sa.select(export_jobs).where(export_jobs.c.id == job_id)).one()
        append_rows(connection, _records("export.fail", row, {"code": code, "message": message}))
    return bool(changed.rowcount)


@row_operation("evidence.yield_export")
def yield_export(connection: sa.Connection, job_id: str, process: str, rest_us: int = 0) -> None:
    """Put a job back, behind those that wait: the server stops, or what it needs is away; nobody
    takes it up for ``rest_us``.
    """
    connection.execute(
        sa.update(export_jobs)
        .where(_made_by(job_id, process))
        .values(state="queued", lease_us=now_us() + rest_us)
    )


@row_operation("evidence.cancel_export")
def cancel_export(connection: sa.Connection, job_id: str) -> bool:
    """End a job in whatever state, and let its files go. False when it was over already."""
    changed = connection.execute(
        sa.update(export_jobs)
        .where(export_jobs.c.id == job_id, export_jobs.c.state.in_((*UNFINISHED, "done")))
        .values(state="cancelled", finished_us=now_us())
    )
    if changed.rowcount:
        _let_go(connection, job_id)
    return bool(changed.rowcount)


@row_operation("evidence.expire_exports")
def expire_exports(connection: sa.Connection) -> list[str]:
    """End the packages whose time is over, and record each; gives their ids."""
    due = connection.execute(
        sa.select(export_jobs)
        .where(export_jobs.c.state == "done", export_jobs.c.expires_us <= now_us())
        .limit(500)
    ).all()
    for row in due:
        connection.execute(
            sa.update(export_jobs).where(export_jobs.c.id == row.id).values(state="expired")
        )
        append_rows(connection, _records("export.expire", row, {"size_bytes": row.size_bytes}))
    return [row.id for row in due]


def _made_by(job_id: str, process: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        export_jobs.c.id == job_id,
        export_jobs.c.process == process,
        export_jobs.c.state == "running",
    )


def _let_go(connection: sa.Connection, job_id: str) -> None:
    camera_ids = connection.execute(
        sa.select(export_jobs.c.camera_ids).where(export_jobs.c.id == job_id)
    ).scalar_one()
    for number in range(len(camera_ids)):
        drop_hold(connection, f"{job_id}/{number}")


def _records(action: str, row: sa.Row[Any], detail: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        AuditRecord(
            action,
            camera_id=camera_id,
            start_us=row.start_us,
            end_us=row.end_us,
            case_id=row.case_id,
            detail={"export_id": row.id, "user_id": row.user_id, **detail},
        ).to_message()
        for camera_id in row.camera_ids
    ]
