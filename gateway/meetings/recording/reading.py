"""What recordings there are of a meeting, what each consists of, and who was on when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.meeting_tables import (
    meeting_floor,
    meeting_participants,
    meeting_recordings,
    meeting_tracks,
)
from gateway.database.tables import users
from gateway.footage.footage_ids import track_footage_id
from recorder.segments import Segment
from recorder.timeline import timeline

_KINDS = {"program": 0, "camera": 1, "screen": 2, "microphone": 3}


async def read_recordings(
    connection: AsyncConnection, meeting_ids: Sequence[str], recording_id: str | None = None
) -> list[dict[str, Any]]:
    """The recordings of these meetings, the newest first, each with its tracks by name."""
    table = meeting_recordings.c
    holder, starter = users.alias("holder"), users.alias("starter")
    statement = (
        sa.select(
            meeting_recordings,
            holder.c.display_name.label("holder"),
            starter.c.display_name.label("starter"),
        )
        .select_from(
            meeting_recordings.outerjoin(holder, holder.c.id == table.held_by).outerjoin(
                starter, starter.c.id == table.started_by
            )
        )
        .where(table.meeting_id.in_(meeting_ids), table.removed_us.is_(None))
        .order_by(table.started_us.desc(), table.id)
    )
    if recording_id is not None:
        statement = statement.where(table.id == recording_id)
    rows = (await connection.execute(statement)).all()
    tracks = await _tracks(connection, [row.id for row in rows])
    return [_document(row, tracks.get(row.id, [])) for row in rows]


async def add_timeline(
    connection: AsyncConnection,
    document: dict[str, Any],
    at_us: int,
    open_segments: Mapping[str, Sequence[Segment]],
) -> dict[str, Any]:
    """The same with what is recorded of each track, what is missing and why, and chapters.
    ``open_segments``: by source id, what its shard has not stored yet.
    """
    start_us, end_us = document["started_us"], document["ended_us"] or at_us
    tracks = []
    for track in document["tracks"]:
        source_id = track["footage_id"].replace(".", "/")
        found = await timeline(
            connection,
            source_id,
            start_us,
            end_us,
            now_us=at_us,
            open_segments=open_segments.get(source_id, ()),
        )
        tracks.append(
            {
                **track,
                "spans": [{"start_us": start, "end_us": end} for start, end in found.spans],
                "gaps": [gap._asdict() for gap in found.gaps],
            }
        )
    chapters = await read_chapters(connection, document["meeting_id"], start_us, end_us)
    return {**document, "tracks": tracks, "chapters": chapters}


async def read_chapters(
    connection: AsyncConnection, meeting_id: str, start_us: int, end_us: int
) -> list[dict[str, Any]]:
    """Who was on the program from when to when within the range, in order of time."""
    floor, own = meeting_floor.c, meeting_participants.c
    rows = await connection.execute(
        sa.select(
            floor.participant_id, floor.kind, floor.why, floor.begin_us, floor.end_us, own.name
        )
        .join(meeting_participants, own.id == floor.participant_id)
        .where(
            floor.meeting_id == meeting_id,
            floor.begin_us < end_us,
            sa.or_(floor.end_us.is_(None), floor.end_us > start_us),
        )
        .order_by(floor.begin_us, floor.id)
    )
    return [
        {
            "start_us": max(row.begin_us, start_us),
            "end_us": min(end_us if row.end_us is None else row.end_us, end_us),
            "participant_id": row.participant_id,
            "name": row.name,
            "kind": row.kind,
            "why": row.why,
        }
        for row in rows
    ]


async def _tracks(
    connection: AsyncConnection, recording_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    table, own = meeting_tracks.c, meeting_participants.c
    rows = await connection.execute(
        sa.select(meeting_tracks, own.name)
        .select_from(meeting_tracks.outerjoin(meeting_participants, own.id == table.participant_id))
        .where(table.recording_id.in_(recording_ids))
        .order_by(table.begin_us, table.stream_id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row.recording_id, []).append(
            {
                "footage_id": track_footage_id(row.stream_id),
                "kind": row.kind,
                "participant_id": row.participant_id,
                "name": row.name,
            }
        )
    for tracks in found.values():
        tracks.sort(key=lambda one: _KINDS[one["kind"]])
    return found


def _document(row: Any, tracks: list[dict[str, Any]]) -> dict[str, Any]:
    held = None
    if row.held_us is not None:
        held = {"since_us": row.held_us, "by": row.holder or "", "reason": row.hold_reason or ""}
    render = None
    if row.render_state is not None:
        total_us = (row.ended_us or row.started_us) - row.started_us
        render = {
            "state": row.render_state,
            "layout": row.render_layout,
            "done_us": min(row.render_done_us or 0, total_us),
            "total_us": total_us,
            "bytes": row.render_bytes,
            "sha256": row.render_sha256,
            "message": row.render_message,
        }
    return {
        "id": row.id,
        "meeting_id": row.meeting_id,
        "started_us": row.started_us,
        "started_by": row.starter,
        "ended_us": row.ended_us,
        "tracks": tracks,
        "held": held,
        "render": render,
    }
