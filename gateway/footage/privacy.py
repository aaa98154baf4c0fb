"""What a session may see of a camera's footage: all of it, or what its masks leave."""

from __future__ import annotations

import time
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.meeting_tables import meetings
from gateway.database.tables import cameras
from gateway.footage.footage_ids import is_meeting, meeting_of
from gateway.footage.reader import Located
from gateway.footage.sessions import PlaybackSession, SessionRefused
from gateway.live.snapshot import Caption
from gateway.masks import MaskReader, Polygons, covered_as

_NAMES_KEPT_S = 60.0


class Privacy:
    """Reads masks and names; remembers them for a moment."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._masks = MaskReader(engine)
        self._names: dict[str, tuple[float, str]] = {}

    def changed(self, camera_id: str) -> None:
        """The camera's masks were changed: look at them anew."""
        self._masks.forget(camera_id)

    async def covered_as(self, camera_id: str, session: PlaybackSession) -> int:
        """Under which version of the masks this session sees the camera; 0: as it is.

        One answer for all of the session's minutes: its footage comes from the transcoder, or it
        does not.
        """
        versions = await self._masks.versions(camera_id)
        wanted = session.range
        lifts = session.ticket.may_lift_masks
        return covered_as(versions, wanted.start_us, wanted.end_us, lifts)

    async def require_uncovered(self, camera_id: str, session: PlaybackSession) -> None:
        """Raise SessionRefused unless footage may go to the session as it was recorded."""
        if await self.covered_as(camera_id, session):
            raise SessionRefused(
                403, "masked", "parts of this picture are masked: open the playback again"
            )

    async def masks(
        self, camera_id: str, session: PlaybackSession, start_us: int, end_us: int
    ) -> Polygons:
        """What must be covered in footage of these minutes."""
        if session.ticket.may_lift_masks:
            return ()
        return await self._masks.covering(camera_id, start_us, end_us)

    async def masks_of(
        self, camera_id: str, session: PlaybackSession, items: Iterable[Located]
    ) -> Polygons:
        """What must be covered in footage of these segments."""
        segments = [item.segment for item in items]
        start_us = min(segment.start_us for segment in segments)
        end_us = max(segment.end_us for segment in segments)
        return await self.masks(camera_id, session, start_us, end_us)

    async def caption(self, camera_id: str, session: PlaybackSession) -> Caption:
        """What is written into pictures for this session."""
        known = self._names.get(camera_id)
        if known is None or known[0] < time.monotonic():
            statement = sa.select(cameras.c.name).where(cameras.c.id == camera_id)
            if is_meeting(camera_id):
                meeting_id = meeting_of(camera_id)
                statement = sa.select(meetings.c.title).where(meetings.c.id == meeting_id)
            async with self._engine.connect() as connection:
                name = (await connection.execute(statement)).scalar() or camera_id
            if len(self._names) > 10_000:
                self._names.clear()
            known = self._names[camera_id] = (time.monotonic() + _NAMES_KEPT_S, name)
        return Caption(known[1], session.ticket.user_name)
