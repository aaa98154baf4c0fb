"""Taking footage away: the right to, and the record of it.

A playback session shows footage; a download takes it out of the house. So the right ``export`` is
asked of the grants as they are now, and each download is in the audit log before its first byte.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.cameras import Camera, find_cameras
from gateway.control.channel import ControlError
from gateway.footage.playback_index import Range
from gateway.footage.sessions import PlaybackSession, SessionRefused
from gateway.identifiers import US_PER_S, now_us
from gateway.people.authorize import authorize
from gateway.people.grants import principal_of_user
from gateway.people.living_tokens import scopes_of_session
from gateway.people.roles import Right
from recorder.rows import RowError, RowWriter

# A download that is resumed within this time is the same download.
SAME_DOWNLOAD_US = 600 * US_PER_S
_DOWNLOADS_KEPT = 10_000


class Exports:
    """Decides and records."""

    def __init__(self, engine: AsyncEngine, rows: RowWriter) -> None:
        self._engine = engine
        self._rows = rows
        self._recorded: dict[tuple[str, str, Range], int] = {}

    async def permit(
        self, session: PlaybackSession, camera_id: str, part: Range, address: str | None
    ) -> None:
        """Returns when the download may start and is on record. Raises SessionRefused."""
        at_us = now_us()
        camera = await self.authorize(session, camera_id)
        key = (session.id, camera_id, part)
        if at_us - self._recorded.get(key, 0) < SAME_DOWNLOAD_US:
            return
        record = AuditRecord(
            "export.download",
            user_id=session.ticket.user_id,
            user_name=session.ticket.user_name,
            address=address,
            camera_id=camera_id,
            area_path=camera.area_path,
            start_us=part.start_us,
            end_us=part.end_us,
            detail={"session_id": session.id, "variant": session.variant, "format": "mp4"},
        ).because(ReasonGiven(*session.ticket.reason))
        try:
            await append(self._rows, [record])
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            raise SessionRefused(
                503, "unavailable", f"the audit log cannot be written, so nothing is given: {error}"
            ) from error
        if len(self._recorded) >= _DOWNLOADS_KEPT:
            self._recorded.clear()
        self._recorded[key] = at_us

    async def authorize(self, session: PlaybackSession, camera_id: str) -> Camera:
        """The camera, if the viewer may take its footage away at this moment: by their grants, and
        by the sign-in or token under which the session was opened. Raises SessionRefused.
        """
        at_us = now_us()
        async with self._engine.connect() as connection:
            camera = (await find_cameras(connection, [camera_id], deleted=True)).get(camera_id)
            principal = await principal_of_user(
                connection, session.ticket.user_id, at_us + US_PER_S
            )
            scopes = await scopes_of_session(connection, session.id)
        if camera is None:
            raise SessionRefused(404, "not_found", "there is no such camera")
        if principal is not None:
            principal = replace(principal, scopes=scopes)
        if not authorize(principal, Right.EXPORT, camera, at_us).allowed:
            raise SessionRefused(
                403, "not_allowed", "you may look at this footage but not download it"
            )
        return camera
