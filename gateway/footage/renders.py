"""Rendered recordings of meetings for download, in any part.

The ticket comes from ``POST /api/meetings/{id}/recordings/{rid}/download``. A download that runs
ends when the right to it does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.database.meeting_tables import meeting_recordings
from gateway.footage.errors import with_errors
from gateway.footage.parts import part_response, unsatisfiable, wanted_part
from gateway.footage.reader import FootageGone, FootageUnreadable
from gateway.footage.sessions import PlaybackSession, PlaybackSessions, SessionRefused
from recorder.stores import Store, StoreError

_PIECE_BYTES = 1024 * 1024


def render_package(recording_id: str) -> str:
    """What a ticket names that opens this one."""
    return f"render/{recording_id}"


class RenderServer:
    """What lies below ``/s/{name}/renders``."""

    def __init__(self, engine: AsyncEngine, sessions: PlaybackSessions, store: Store) -> None:
        self._engine = engine
        self._sessions = sessions
        self._store = store

    def routes(self) -> list[Route]:
        """The files, by their recordings."""
        return [Route("/renders/{recording_id}.mp4", with_errors(self.file))]

    async def file(self, request: Request) -> Response:
        """``/renders/{recording_id}.mp4``."""
        recording_id = request.path_params["recording_id"]
        # First, so that nobody else is told whether there is such a recording.
        session = await self._sessions.opening(
            render_package(recording_id),
            None,
            request.headers.get("cookie", ""),
            request.query_params.get("ticket"),
        )
        table = meeting_recordings.c
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(
                    sa.select(table.render_key, table.render_bytes, table.render_sha256).where(
                        table.id == recording_id,
                        table.removed_us.is_(None),
                        table.render_state == "done",
                    )
                )
            ).first()
        if row is None:
            raise FootageGone("this recording is not rendered (any more)")
        part = wanted_part(request, row.render_bytes, row.render_sha256)
        if part is None:
            return unsatisfiable(row.render_bytes)
        headers = {
            "Content-Disposition": f'attachment; filename="{recording_id}.mp4"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        pieces = self._pieces(session, row.render_key, part.start, part.end)
        return part_response(request, pieces, part, row.render_sha256, headers)

    async def _pieces(
        self, session: PlaybackSession, key: str, start: int, end: int
    ) -> AsyncIterator[bytes]:
        for at in range(start, end, _PIECE_BYTES):
            if self._sessions.is_revoked(session.id):
                # The answer ends short of its length: no browser takes it for the whole.
                raise SessionRefused(403, "revoked", "the right to take it away was withdrawn")
            try:
                yield await self._store.read(key, at, min(_PIECE_BYTES, end - at))
            except StoreError as error:
                raise FootageUnreadable(f"the store does not give it: {error}") from error
