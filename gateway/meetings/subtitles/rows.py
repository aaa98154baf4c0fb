"""Writes of subtitles: what was understood of a meeting, with its time."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_subtitles
from recorder.rows import row_operation

_own = meeting_subtitles.c


@row_operation("meetings.subtitle")
def keep_subtitle(
    connection: sa.Connection,
    meeting_id: str,
    participant_id: str,
    at_us: int,
    end_us: int,
    text: str,
) -> None:
    """Keep a line. May be repeated: one of the same moment and speaker takes its place."""
    here = (
        _own.meeting_id == meeting_id,
        _own.participant_id == participant_id,
        _own.at_us == at_us,
    )
    changed = connection.execute(
        sa.update(meeting_subtitles).where(*here).values(end_us=end_us, text=text)
    )
    if not changed.rowcount:
        connection.execute(
            sa.insert(meeting_subtitles).values(
                meeting_id=meeting_id, participant_id=participant_id, at_us=at_us,
                end_us=end_us, text=text,
            )
        )  # fmt: skip
