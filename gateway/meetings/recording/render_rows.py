"""Writes to renderings: ordered, claimed by a footage server, told how far they are, ended.

As with exports (:mod:`gateway.evidence.export_rows`): a server has one for as long as it renews the
lease; whose lease has ended, or who starts anew under the same name, is followed by the next.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_recordings, meetings
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.recording.rows import find_recording
from recorder.hold_rows import add_hold, drop_hold
from recorder.rows import RowError, row_operation

LEASE_US = 120 * US_PER_S
_table = meeting_recordings.c


@row_operation("meetings.order_render")
def order_render(connection: sa.Connection, recording_id: str, layout: str) -> None:
    """Have one MP4 made of it, in place of one that was made before; its footage is held until it
    is. Refused with ``not_found``, ``conflict`` while it runs or is being made.
    """
    row = find_recording(connection, recording_id)
    if row.ended_us is None:
        raise RowError("conflict", "it is still being recorded: wait for its end")
    if row.render_state in ("queued", "running"):
        raise RowError("conflict", "it is being made already")
    connection.execute(
        sa.update(meeting_recordings)
        .where(_table.id == recording_id)
        .values(
            render_state="queued",
            render_layout=layout,
            render_process=None,
            render_lease_us=0,
            render_done_us=0,
            render_message=None,
        )
    )
    drop_hold(connection, _hold(recording_id))
    add_hold(
        connection, _hold(recording_id), row.started_us, row.ended_us, camera_id=row.meeting_id
    )


@row_operation("meetings.claim_render")
def claim_render(connection: sa.Connection, process: str) -> dict[str, Any] | None:
    """Give ``process`` the oldest that nobody makes; None without one."""
    at_us = now_us()
    free = (_table.render_lease_us <= at_us) & _table.render_state.in_(["queued", "running"]) | (
        (_table.render_state == "running") & (_table.render_process == process)
    )
    row = connection.execute(
        sa.select(
            _table.id, _table.meeting_id, _table.started_us, _table.ended_us,
            _table.render_layout, _table.render_key, meetings.c.title,
        )
        .join(meetings, meetings.c.id == _table.meeting_id)
        .where(free, _table.removed_us.is_(None))
        .order_by(_table.render_lease_us, _table.started_us)
        .limit(1)
    ).first()  # fmt: skip
    if row is None:
        return None
    connection.execute(
        sa.update(meeting_recordings)
        .where(_table.id == row.id)
        .values(render_state="running", render_process=process, render_lease_us=at_us + LEASE_US)
    )
    return dict(row._mapping)


@row_operation("meetings.render_progress")
def render_progress(
    connection: sa.Connection, recording_id: str, process: str, done_us: int
) -> bool:
    """Renew the lease, tell how far it is. False when it is not this process's any more."""
    changed = connection.execute(
        sa.update(meeting_recordings)
        .where(*_made_by(recording_id, process))
        .values(render_done_us=done_us, render_lease_us=now_us() + LEASE_US)
    )
    return bool(changed.rowcount)


@row_operation("meetings.finish_render")
def finish_render(
    connection: sa.Connection,
    recording_id: str,
    process: str,
    key: str,
    size_bytes: int,
    sha256: str,
) -> bool:
    """It is complete in the store. False when it is not this process's any more."""
    changed = connection.execute(
        sa.update(meeting_recordings)
        .where(*_made_by(recording_id, process))
        .values(
            render_state="done",
            render_done_us=_table.ended_us - _table.started_us,
            render_key=key,
            render_bytes=size_bytes,
            render_sha256=sha256,
            render_message=None,
        )
    )
    if changed.rowcount:
        drop_hold(connection, _hold(recording_id))
    return bool(changed.rowcount)


@row_operation("meetings.fail_render")
def fail_render(connection: sa.Connection, recording_id: str, process: str, message: str) -> bool:
    """It cannot be made; ``message`` says why."""
    changed = connection.execute(
        sa.update(meeting_recordings)
        .where(*_made_by(recording_id, process))
        .values(render_state="failed", render_message=message[:1000])
    )
    if changed.rowcount:
        drop_hold(connection, _hold(recording_id))
    return bool(changed.rowcount)


@row_operation("meetings.yield_render")
def yield_render(
    connection: sa.Connection, recording_id: str, process: str, rest_us: int = 0
) -> None:
    """Put it back: the server stops, or what it needs is away; nobody takes it up for so long."""
    connection.execute(
        sa.update(meeting_recordings)
        .where(*_made_by(recording_id, process))
        .values(render_state="queued", render_lease_us=now_us() + rest_us)
    )


def _made_by(recording_id: str, process: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        _table.id == recording_id,
        _table.render_process == process,
        _table.render_state == "running",
    )


def _hold(recording_id: str) -> str:
    return f"render/{recording_id}"
