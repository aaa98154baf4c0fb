"""What was said and handed out in meetings whose days are over: chat, heard text, files, pictures
of roll calls. Agenda, minutes, what roll calls amounted to and attendance stay: they are the
record of the meeting. A hold on a recording of a meeting keeps all of this, too.

First nobody finds it any more, with a record; then its objects leave the store; then what named
them goes. Each step is found again by the next pass, wherever a crash came in between.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.meeting_tables import (
    meeting_files,
    meeting_messages,
    meeting_subtitles,
    meetings,
    roll_call_answers,
    roll_calls,
)
from gateway.meetings.kept import STORE_PREFIX
from gateway.meetings.paper_rows import over_and_unheld
from gateway.settings import Settings
from recorder.retention import DAY_US
from recorder.rows import RowError, RowWriter
from recorder.stores import Store, StoreError

_AT_ONCE = 100


class PaperExpiry:
    """One pass a minute; what fails is tried again by the next."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._days = settings.meetings.papers_days
        self._reader = reader
        self._rows = rows
        self._store = store

    async def run(self, now_us: int) -> None:
        """One pass over all; of one that fails the others are none the worse. Raises StoreError,
        RowError, ConnectionError, DBAPIError.
        """
        before_us = now_us - round(self._days * DAY_US)
        failed: StoreError | RowError | None = None
        last_id = ""
        while True:
            async with self._reader.connect() as connection:
                over = await connection.execute(_with_papers(before_us, last_id))
            found: list[str] = list(over.scalars())
            for meeting_id in found:
                try:
                    await self._expire(meeting_id, before_us)
                except (StoreError, RowError) as error:
                    failed = error
            if len(found) < _AT_ONCE:
                break
            last_id = found[-1]
        if failed is not None:
            raise failed

    async def _expire(self, meeting_id: str, before_us: int) -> None:
        if not await self._rows.write(
            "meetings.expire_papers", meeting_id=meeting_id, before_us=before_us
        ):
            return
        # Also what a kill left behind that nobody names. The one MP4 goes with its recording.
        kept = [item.key async for item in self._store.list(f"{STORE_PREFIX}{meeting_id}/")]
        renders = f"{STORE_PREFIX}{meeting_id}/renders/"
        await self._store.delete([key for key in kept if not key.startswith(renders)])
        await self._rows.write("meetings.forget_papers", meeting_id=meeting_id)


def _with_papers(before_us: int, after_id: str) -> sa.Select[Any]:
    """Meetings that were over before, of which something is left to be deleted; by their ids."""
    pictured = (
        sa.exists()
        .where(roll_calls.c.meeting_id == meetings.c.id)
        .where(roll_call_answers.c.roll_call_id == roll_calls.c.id)
        .where(roll_call_answers.c.snapshot_key.is_not(None))
    )
    said = (
        sa.exists().where(table.c.meeting_id == meetings.c.id)
        for table in (meeting_messages, meeting_subtitles, meeting_files)
    )
    return (
        sa.select(meetings.c.id)
        .where(over_and_unheld(before_us), meetings.c.id > after_id, sa.or_(pictured, *said))
        .order_by(meetings.c.id)
        .limit(_AT_ONCE)
    )
