"""Recordings whose days are over: what retention has deleted is not there any more for anybody.

Retention deletes their footage as any other; this takes away the recording when nothing of it is
left, then the MP4 that was made of it, and at last what the recorder remembered of its sources.
Each step is found again by the next pass, wherever a crash came in between.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database.meeting_tables import meeting_recordings, meeting_tracks, meetings
from gateway.meetings.kept import STORE_PREFIX
from gateway.meetings.recording.rows import KIND
from gateway.settings import Settings
from recorder.retention import DAY_US, RetentionPolicy
from recorder.rows import RowWriter
from recorder.stores import Store
from recorder.tables import segments, sources, spans

_AT_ONCE = 100
_recordings = meeting_recordings.c


def render_prefix(meeting_id: str, recording_id: str) -> str:
    """How the keys of what is made of a recording begin."""
    return f"{STORE_PREFIX}{meeting_id}/renders/{recording_id}-"


def recording_policy(settings: Settings) -> RetentionPolicy:
    """For all tracks of meetings."""
    days = settings.meetings.recording_days
    return RetentionPolicy(days=days, least_days=days)


async def meeting_sources(connection: AsyncConnection) -> list[str]:
    """The ids of all tracks of meetings."""
    found = await connection.execute(sa.select(sources.c.id).where(sources.c.kind == KIND))
    return list(found.scalars())


class RecordingExpiry:
    """One pass a minute; what fails is tried again by the next."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._store = store

    async def run(self, now_us: int) -> None:
        """One pass. Raises StoreError, RowError, ConnectionError, DBAPIError."""
        before_us = now_us - round(self._settings.meetings.recording_days * DAY_US)
        async with self._reader.connect() as connection:
            over = (await connection.execute(_over(before_us))).scalars().all()
        for recording_id in over:
            await self._rows.write("meetings.expire_recording", recording_id=recording_id)
        async with self._reader.connect() as connection:
            rendered = (
                await connection.execute(
                    sa.select(_recordings.id, _recordings.meeting_id)
                    .where(_recordings.removed_us.is_not(None), _recordings.render_key.is_not(None))
                    .limit(_AT_ONCE)
                )
            ).all()
        for row in rendered:
            # Of all layouts: a kill may have left one behind that nobody names.
            made = self._store.list(render_prefix(row.meeting_id, row.id))
            await self._store.delete([one.key async for one in made])
            await self._rows.write("meetings.forget_render", recording_id=row.id)
        async with self._reader.connect() as connection:
            bare = (await connection.execute(_bare())).scalars().all()
        for meeting_id in bare:
            await self._rows.write("meetings.forget_tracks", meeting_id=meeting_id)


def _over(before_us: int) -> sa.Select[tuple[str]]:
    """Recordings that ended before, that nobody holds, and of which no footage is left."""
    left = sa.exists().where(
        sources.c.camera_id == _recordings.meeting_id,
        sources.c.kind == KIND,
        spans.c.source_id == sources.c.id,
        spans.c.start_us < _recordings.ended_us,
        spans.c.end_us > _recordings.started_us,
    )
    return (
        sa.select(_recordings.id)
        .where(
            _recordings.removed_us.is_(None),
            _recordings.held_us.is_(None),
            _recordings.ended_us < before_us,
            ~left,
        )
        .limit(_AT_ONCE)
    )


def _bare() -> sa.Select[tuple[str]]:
    """Meetings that are over, all of whose recordings were removed, and no segment is left."""
    there = sa.exists().where(
        _recordings.meeting_id == meetings.c.id, _recordings.removed_us.is_(None)
    )
    stored = sa.exists().where(
        sources.c.camera_id == meetings.c.id,
        sources.c.kind == KIND,
        segments.c.source_id == sources.c.id,
    )
    tracks = sa.select(meeting_tracks.c.meeting_id).distinct()
    return (
        sa.select(meetings.c.id)
        .where(meetings.c.id.in_(tracks), meetings.c.state != "running", ~there, ~stored)
        .limit(_AT_ONCE)
    )
