"""Writes to what recordings play in meetings: brought, started, paused, set to a position.

A command of the chair counts ``command`` up; a shard says where it really stands under the number
of the command that it follows, so that what it says late overrides nothing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_participants, meeting_playbacks
from gateway.identifiers import now_us
from gateway.meetings.participant_rows import invite
from gateway.meetings.playing.playback import playback_of
from gateway.meetings.rows import find_meeting, touch
from recorder.rows import RowError, row_operation

PLAYBACKS_LIMIT = 8

_table = meeting_playbacks
_own = meeting_playbacks.c


@row_operation("meetings.bring")
def bring(
    connection: sa.Connection,
    meeting_id: str,
    participants: list[dict[str, Any]],
    invited_by: str,
    playbacks: dict[str, dict[str, Any]],
) -> list[str]:
    """As ``meetings.invite``, with recordings among the participants: ``playbacks`` by subject has
    source, length_us, loop, and of recording_id, file_id, start_us, end_us what applies. Each
    stands at its beginning, paused; one that is there already stays as it is.
    """
    present = {
        (row.kind, row.subject)
        for row in connection.execute(
            sa.select(meeting_participants.c.kind, meeting_participants.c.subject).where(
                meeting_participants.c.meeting_id == meeting_id,
                meeting_participants.c.state != "removed",
            )
        )
    }
    ids = invite(connection, meeting_id, participants, invited_by)
    at_us = now_us()
    for one, participant_id in zip(participants, ids, strict=True):
        columns = playbacks.get(one["subject"]) if one["kind"] == "recording" else None
        if columns is None or ("recording", one["subject"]) in present:
            continue
        connection.execute(sa.delete(_table).where(_own.participant_id == participant_id))
        connection.execute(
            sa.insert(_table).values(
                participant_id=participant_id, meeting_id=meeting_id, state="paused",
                position_us=0, since_us=at_us, command=0, **columns,
            )
        )  # fmt: skip
    count = connection.scalar(
        sa.select(sa.func.count())
        .select_from(meeting_participants)
        .where(
            meeting_participants.c.meeting_id == meeting_id,
            meeting_participants.c.kind == "recording",
            meeting_participants.c.state != "removed",
        )
    )
    if (count or 0) > PLAYBACKS_LIMIT:
        raise RowError(
            "too_many", f"a meeting has at most {PLAYBACKS_LIMIT} recordings: take one out first"
        )
    return ids


@row_operation("meetings.playback")
def command(
    connection: sa.Connection,
    meeting_id: str,
    participant_id: str,
    state: str | None,
    position_us: int | None,
    loop: bool | None,
) -> None:
    """Start it, pause it, set it to a position, have it loop; what is None stays. Started at its
    end it begins anew. Refused with ``not_found``, ``meeting_not_running``, ``meeting_over``.
    """
    find_meeting(connection, meeting_id, "running")
    row = _find(connection, meeting_id, participant_id)
    at_us = now_us()
    stands_us = playback_of(row).position_at(at_us) if position_us is None else position_us
    stands_us = min(max(0, stands_us), row["length_us"])
    state = state or row["state"]
    if state == "playing" and stands_us >= row["length_us"]:
        stands_us = 0
    connection.execute(
        sa.update(_table)
        .where(_own.participant_id == participant_id)
        .values(
            state=state,
            position_us=stands_us,
            since_us=at_us,
            loop=row["loop"] if loop is None else loop,
            command=row["command"] + 1,
            problem=None,
        )
    )
    touch(connection, meeting_id)


@row_operation("meetings.played")
def played(
    connection: sa.Connection,
    meeting_id: str,
    participant_id: str,
    command: int,
    state: str,
    position_us: int,
    since_us: int,
    problem: str | None,
) -> None:
    """Where the shard found itself: past a gap, at the end, at its beginning again, or unable to
    show it. Said of an earlier command it changes nothing. May be repeated.
    """
    changed = connection.execute(
        sa.update(_table)
        .where(
            _own.participant_id == participant_id,
            _own.meeting_id == meeting_id,
            _own.command == command,
        )
        .values(state=state, position_us=position_us, since_us=since_us, problem=problem)
    )
    if changed.rowcount:
        touch(connection, meeting_id)


def _find(connection: sa.Connection, meeting_id: str, participant_id: str) -> Any:
    row = (
        connection.execute(
            sa.select(_table, meeting_participants.c.camera_id)
            .join(meeting_participants, meeting_participants.c.id == _own.participant_id)
            .where(
                _own.participant_id == participant_id,
                _own.meeting_id == meeting_id,
                meeting_participants.c.state != "removed",
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise RowError("not_found", "there is no such recording in this meeting")
    return row
