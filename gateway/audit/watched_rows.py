"""Writes of what was really watched: by the process that showed it, or, after its death, by the
sweep that finds its sessions gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gateway.audit.records import AuditRecord, append_rows
from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import meetings
from gateway.database.tables import areas, cameras, users, viewing_sessions
from gateway.footage.footage_ids import is_meeting, meeting_of
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import row_operation

# In which a report that was sent twice is looked for.
_REPEATED_US = 3600 * US_PER_S


@row_operation("watching.report")
def report(connection: sa.Connection, watched: list[dict[str, Any]]) -> None:
    """Put into the register what was watched, as :class:`gateway.audit.watching.Watched`. May be
    repeated: each has an id.
    """
    written = _written(connection, [one["report_id"] for one in watched])
    fresh = [one for one in watched if one["report_id"] not in written]
    places, names = _places(connection, fresh), _names(connection, fresh)
    append_rows(
        connection,
        [
            AuditRecord(
                f"{one['action']}.watched",
                user_id=one["user_id"],
                user_name=names.get(one["user_id"]),
                camera_id=None if is_meeting(one["camera_id"]) else one["camera_id"],
                area_path=places.get(one["camera_id"]),
                start_us=one["start_us"],
                end_us=one["end_us"],
                detail={
                    **one["detail"],
                    **_of_meeting(one["camera_id"]),
                    "session_id": one["session_id"],
                    "report_id": one["report_id"],
                },
            ).to_message()
            for one in fresh
        ],
    )
    at_us = now_us()
    for session_id in {one["session_id"] for one in fresh}:
        connection.execute(
            sa.update(viewing_sessions)
            .where(viewing_sessions.c.id == session_id)
            .values(reported_us=at_us)
        )


@row_operation("watching.seen")
def seen(connection: sa.Connection, session_ids: list[str]) -> None:
    """These sessions are open at this moment. May be repeated."""
    connection.execute(
        sa.update(viewing_sessions)
        .where(viewing_sessions.c.id.in_(session_ids))
        .values(seen_us=now_us())
    )


@row_operation("watching.lost")
def lost(connection: sa.Connection, session_ids: list[str]) -> None:
    """Nobody holds these live sessions any more. What their process did not say itself, because it
    died, goes into the register up to when they were last seen. May be repeated.
    """
    table = viewing_sessions.c
    rows = connection.execute(
        sa.select(viewing_sessions).where(
            table.id.in_(session_ids),
            table.action.in_(["live", "talk"]),
            table.seen_us.is_not(None),
            sa.or_(table.reported_us.is_(None), table.reported_us < table.seen_us),
        )
    ).all()
    report(
        connection,
        [
            {
                "report_id": f"{row.id}-lost",
                "action": row.action,
                "session_id": row.id,
                "user_id": row.user_id,
                "camera_id": camera_id,
                "start_us": row.reported_us or row.opened_us,
                "end_us": row.seen_us,
                "detail": {
                    "seconds": (row.seen_us - (row.reported_us or row.opened_us)) // US_PER_S,
                    "why": "process_lost",
                    "estimated": True,
                },
            }
            for row in rows
            for camera_id in row.camera_ids
        ],
    )


def _of_meeting(footage_id: str) -> dict[str, str]:
    if not is_meeting(footage_id):
        return {}
    return {"meeting_id": meeting_of(footage_id), "footage_id": footage_id}


def _written(connection: sa.Connection, report_ids: list[str]) -> set[str]:
    if not report_ids:
        return set()
    table = audit_log.c
    lately = sa.and_(
        table.action.in_(["live.watched", "playback.watched", "restream.watched", "talk.watched"]),
        table.at_us > now_us() - _REPEATED_US,
    )
    return {
        report_id
        for report_id in report_ids
        if connection.execute(
            sa.select(table.sequence)
            .where(lately, table.detail.contains(f'"{report_id}"', autoescape=True))
            .limit(1)
        ).first()
    }


def _places(connection: sa.Connection, watched: Iterable[dict[str, Any]]) -> dict[str, str]:
    rows = connection.execute(
        sa.select(cameras.c.id, areas.c.path)
        .join(areas, areas.c.id == cameras.c.area_id)
        .where(cameras.c.id.in_({one["camera_id"] for one in watched}))
    )
    found = {row.id: row.path for row in rows}
    tracks = {one["camera_id"] for one in watched if is_meeting(one["camera_id"])}
    if tracks:
        of_meetings = connection.execute(
            sa.select(meetings.c.id, areas.c.path)
            .join(areas, areas.c.id == meetings.c.area_id)
            .where(meetings.c.id.in_({meeting_of(one) for one in tracks}))
        )
        paths = {row.id: row.path for row in of_meetings}
        found |= {one: paths[meeting_of(one)] for one in tracks if meeting_of(one) in paths}
    return found


def _names(connection: sa.Connection, watched: Iterable[dict[str, Any]]) -> dict[str, str]:
    rows = connection.execute(
        sa.select(users.c.id, users.c.name).where(
            users.c.id.in_({one["user_id"] for one in watched})
        )
    )
    return {row.id: row.name for row in rows}
