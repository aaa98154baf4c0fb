"""Writes of recordings: when one runs, its tracks and who owns them, holds, passes to others.

A recording runs exactly while its meeting runs and is to be recorded: its row follows the meeting's
in the same transaction. So nothing that dies leaves one open.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.audit import AuditRecord
from gateway.audit.records import append_rows
from gateway.database.meeting_tables import (
    meeting_passes,
    meeting_recordings,
    meeting_tracks,
    meetings,
)
from gateway.database.tables import areas
from gateway.identifiers import new_id, now_us
from gateway.meetings.rows import OPEN, find_meeting, touch
from recorder.hold_rows import add_hold, drop_hold
from recorder.index import assign, open_source
from recorder.rows import RowError, row_follower, row_operation
from recorder.tables import assignments, clock_offsets, gaps, segments, sources

KIND = "meeting"
_table = meeting_recordings.c
_passes = meeting_passes.c
# A hold lasts until somebody ends it, whatever is recorded late.
_ENDLESS_US = 1 << 61


@row_operation("meetings.record")
def record(connection: sa.Connection, meeting_id: str, on: bool, by: str | None) -> str | None:
    """Record from now on, or no more; gives the recording that runs then. May be repeated. Refused
    with ``meeting_over``.
    """
    row = find_meeting(connection, meeting_id, *OPEN)
    if row.records != on:
        touch(connection, meeting_id, records=on)
    return _follow(connection, meeting_id, by)


@row_follower("meetings.start")
def started(connection: sa.Connection, arguments: dict[str, Any], result: Any) -> None:
    """A meeting that is to be recorded is recorded from its start on."""
    _follow(connection, arguments["meeting_id"], None)


@row_follower("meetings.change")
def changed(connection: sa.Connection, arguments: dict[str, Any], result: Any) -> None:
    """Whether it is to be recorded may have changed."""
    _follow(connection, arguments["meeting_id"], None)


@row_follower("meetings.end")
def ended(connection: sa.Connection, arguments: dict[str, Any], result: Any) -> None:
    """What was recorded of it is complete."""
    _follow(connection, arguments["meeting_id"], None)


def _follow(connection: sa.Connection, meeting_id: str, by: str | None) -> str | None:
    meeting = connection.execute(sa.select(meetings).where(meetings.c.id == meeting_id)).one()
    running = connection.execute(
        sa.select(_table.id).where(_table.meeting_id == meeting_id, _table.ended_us.is_(None))
    ).scalar()
    wanted = meeting.state == "running" and meeting.records
    if wanted and running is None:
        running = new_id("mrec")
        connection.execute(
            sa.insert(meeting_recordings).values(
                id=running, meeting_id=meeting_id, started_us=now_us(), started_by=by
            )
        )
    if running is None or wanted:
        return running
    at_us = meeting.ended_us or now_us()
    connection.execute(
        sa.update(meeting_recordings).where(_table.id == running).values(ended_us=at_us)
    )
    connection.execute(
        sa.update(meeting_tracks)
        .where(meeting_tracks.c.recording_id == running, meeting_tracks.c.end_us.is_(None))
        .values(end_us=at_us)
    )
    return None


@row_operation("meetings.own_track")
def own_track(
    connection: sa.Connection,
    meeting_id: str,
    stream_id: str,
    kind: str,
    participant_id: str | None,
    codec: str,
    shard: str,
    at_us: int,
) -> int:
    """``shard`` records this track of the meeting from now on; gives the epoch under which it does.
    May be repeated. Refused with ``not_recorded`` when the meeting is not, or elsewhere.
    """
    recording_id = connection.execute(
        sa.select(_table.id)
        .join(meetings, meetings.c.id == _table.meeting_id)
        .where(
            _table.meeting_id == meeting_id, _table.ended_us.is_(None), meetings.c.shard == shard
        )
    ).scalar()
    if recording_id is None:
        raise RowError("not_recorded", "this meeting is not recorded here")
    tracks = meeting_tracks.c
    known = connection.execute(
        sa.select(tracks.begin_us).where(
            tracks.stream_id == stream_id, tracks.recording_id == recording_id
        )
    ).first()
    if known is None:
        connection.execute(
            sa.insert(meeting_tracks).values(
                stream_id=stream_id,
                begin_us=at_us,
                meeting_id=meeting_id,
                recording_id=recording_id,
                participant_id=participant_id,
                kind=kind,
                codec=codec,
            )
        )
    source = {
        "id": stream_id,
        "kind": KIND,
        "camera_id": meeting_id,
        "variant": stream_id.partition("/")[2],
    }
    open_source(connection, source, at_us)
    return assign(connection, stream_id, shard, at_us)


@row_operation("meetings.hold_recording")
def hold_recording(connection: sa.Connection, recording_id: str, by: str, reason: str) -> int:
    """Let nothing of it be deleted; gives how many segments nothing held before. Refused with
    ``not_found``, ``conflict`` where it is held already.
    """
    row = find_recording(connection, recording_id)
    if row.held_us is not None:
        raise RowError("conflict", "this recording is held already")
    connection.execute(
        sa.update(meeting_recordings)
        .where(_table.id == recording_id)
        .values(held_us=now_us(), held_by=by, hold_reason=reason)
    )
    return add_hold(
        connection,
        recording_id,
        row.started_us,
        row.ended_us or _ENDLESS_US,
        camera_id=row.meeting_id,
    )


@row_operation("meetings.release_recording")
def release_recording(connection: sa.Connection, recording_id: str) -> int:
    """Its retention counts again; gives how many segments nothing holds any more. Refused with
    ``not_found``, ``conflict`` where nobody holds it.
    """
    row = find_recording(connection, recording_id)
    if row.held_us is None:
        raise RowError("conflict", "nobody holds this recording")
    connection.execute(
        sa.update(meeting_recordings)
        .where(_table.id == recording_id)
        .values(held_us=None, held_by=None, hold_reason=None)
    )
    return drop_hold(connection, recording_id)


@row_operation("meetings.expire_recording")
def expire_recording(connection: sa.Connection, recording_id: str) -> bool:
    """Its days are over, and nothing of it is left: nobody finds it any more. Nothing where
    somebody holds it meanwhile. May be repeated.
    """
    changed = connection.execute(
        sa.update(meeting_recordings)
        .where(
            _table.id == recording_id,
            _table.removed_us.is_(None),
            _table.held_us.is_(None),
            _table.ended_us.is_not(None),
        )
        .values(removed_us=now_us())
    )
    if changed.rowcount:
        row = connection.execute(
            sa.select(meeting_recordings, meetings.c.title, areas.c.path)
            .select_from(
                meeting_recordings.join(meetings, meetings.c.id == _table.meeting_id).outerjoin(
                    areas, areas.c.id == meetings.c.area_id
                )
            )
            .where(_table.id == recording_id)
        ).one()
        record = AuditRecord(
            "meeting.recording_expire",
            area_path=row.path,
            start_us=row.started_us,
            end_us=row.ended_us,
            detail={"meeting": row.meeting_id, "title": row.title, "recording": recording_id},
        )
        append_rows(connection, [record.to_message()])
    return bool(changed.rowcount)


@row_operation("meetings.forget_render")
def forget_render(connection: sa.Connection, recording_id: str) -> None:
    """The MP4 of a removed recording has left the store. May be repeated."""
    connection.execute(
        sa.update(meeting_recordings)
        .where(_table.id == recording_id, _table.removed_us.is_not(None))
        .values(render_key=None, render_state=None)
    )


@row_operation("meetings.forget_tracks")
def forget_tracks(connection: sa.Connection, meeting_id: str) -> None:
    """Nothing is left of what a meeting recorded: forget its sources. May be repeated."""
    own = sa.select(sources.c.id).where(sources.c.camera_id == meeting_id, sources.c.kind == KIND)
    if connection.execute(
        sa.select(segments.c.id).where(segments.c.source_id.in_(own)).limit(1)
    ).first():
        return
    for table in (assignments, gaps, clock_offsets):
        connection.execute(sa.delete(table).where(table.c.source_id.in_(own)))
    connection.execute(
        sa.delete(sources).where(sources.c.camera_id == meeting_id, sources.c.kind == KIND)
    )
    connection.execute(sa.delete(meeting_tracks).where(meeting_tracks.c.meeting_id == meeting_id))


@row_operation("meetings.pass_on")
def pass_on(
    connection: sa.Connection,
    meeting_id: str,
    area_ids: list[str],
    live: bool,
    reason: str,
    by: str,
    expires_us: int,
) -> list[str]:
    """Let these areas watch, with all below them; gives the passes' ids. One that an area has
    already is replaced. Refused with ``not_found``, ``invalid`` for a time that has passed.
    """
    at_us = now_us()
    if expires_us <= at_us:
        raise RowError("invalid", "this time is over already: choose another")
    if (
        connection.execute(sa.select(meetings.c.id).where(meetings.c.id == meeting_id)).first()
        is None
    ):
        raise RowError("not_found", "there is no such meeting")
    wanted = list(dict.fromkeys(area_ids))
    known = set(connection.execute(sa.select(areas.c.id).where(areas.c.id.in_(wanted))).scalars())
    if set(wanted) - known:
        raise RowError("not_found", "there is no such area")
    connection.execute(
        sa.update(meeting_passes)
        .where(
            _passes.meeting_id == meeting_id,
            _passes.area_id.in_(wanted),
            _passes.revoked_us.is_(None),
        )
        .values(revoked_us=at_us, revoked_by=by)
    )
    made = []
    for area_id in wanted:
        made.append(new_id("mpas"))
        connection.execute(
            sa.insert(meeting_passes).values(
                id=made[-1],
                meeting_id=meeting_id,
                area_id=area_id,
                live=live,
                reason=reason,
                created_us=at_us,
                created_by=by,
                expires_us=expires_us,
            )
        )
    return made


@row_operation("meetings.revoke_pass")
def revoke_pass(connection: sa.Connection, meeting_id: str, pass_id: str, by: str) -> None:
    """End a pass before its time. Refused with ``not_found``; twice is harmless."""
    row = connection.execute(
        sa.select(_passes.revoked_us).where(_passes.id == pass_id, _passes.meeting_id == meeting_id)
    ).first()
    if row is None:
        raise RowError("not_found", "there is no such pass")
    if row.revoked_us is None:
        connection.execute(
            sa.update(meeting_passes)
            .where(_passes.id == pass_id)
            .values(revoked_us=now_us(), revoked_by=by)
        )


def find_recording(connection: sa.Connection, recording_id: str) -> sa.Row[tuple[Any, ...]]:
    """The recording; refused with ``not_found``."""
    row = connection.execute(
        sa.select(meeting_recordings).where(_table.id == recording_id, _table.removed_us.is_(None))
    ).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such recording")
    return row
