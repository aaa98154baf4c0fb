"""Packages of evidence for download, whole or file by file, in any part.

The ticket comes from ``POST /api/exports/{id}/download`` and opens what was asked for there, the
whole or one file: others of the package may show what is masked for this viewer. A download that
runs ends when the right to it does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.evidence.package import Package, find_package, read_part
from gateway.footage.errors import with_errors
from gateway.footage.parts import Part, part_response, unsatisfiable, wanted_part
from gateway.footage.reader import FootageGone
from gateway.footage.session_cookie import set_session_cookie
from gateway.footage.sessions import PlaybackSession, PlaybackSessions, SessionRefused

_MEDIA_TYPES = {
    ".zip": "application/zip",
    ".mp4": "video/mp4",
    ".html": "text/html",
    ".txt": "text/plain",
}


class PackageServer:
    """What lies below ``/s/{name}/packages``."""

    def __init__(
        self, name: str, engine: AsyncEngine, sessions: PlaybackSessions, folder: Path
    ) -> None:
        self._name = name
        self._engine = engine
        self._sessions = sessions
        self._folder = folder

    def routes(self) -> list[Route]:
        """The archive, and its files one by one."""
        return [
            Route("/packages/{export_id}/package.zip", with_errors(self.archive)),
            Route("/packages/{export_id}/files/{path:path}", with_errors(self.file)),
        ]

    async def archive(self, request: Request) -> Response:
        """``/packages/{export_id}/package.zip``."""
        package, session, cookie = await self._permitted(request)
        size = package.layout.size_bytes
        part = wanted_part(request, size, package.id)
        if part is None:
            return unsatisfiable(size)
        pieces = package.read(part.start, part.end)
        name = f"{package.id}.zip"
        return self._answer(request, session, cookie, pieces, part, name, package.id)

    async def file(self, request: Request) -> Response:
        """``/packages/{export_id}/files/{path}``."""
        path = request.path_params["path"]
        package, session, cookie = await self._permitted(request, path)
        entry = next((one for one in package.layout.entries if one.path == path), None)
        if entry is None:
            raise FootageGone("there is no such file in this package")
        tag = f"{package.id}-{entry.crc32:08x}"
        part = wanted_part(request, entry.size_bytes, tag)
        if part is None:
            return unsatisfiable(entry.size_bytes)
        pieces = read_part(package.folder / path, part.start, part.end)
        name = path.rpartition("/")[2]
        return self._answer(request, session, cookie, pieces, part, name, tag)

    async def _permitted(
        self, request: Request, path: str | None = None
    ) -> tuple[Package, PlaybackSession, str | None]:
        """The package, the session that opens it, and the cookie to be set for that."""
        export_id = request.path_params["export_id"]
        # First, so that nobody else is told whether there is such a package.
        session, cookie = await self._session(request, export_id, path)
        async with self._engine.connect() as connection:
            package = await find_package(connection, export_id, self._folder)
        if package is None:
            raise FootageGone("there is no such package (any more)")
        return package, session, cookie

    async def _session(
        self, request: Request, export_id: str, path: str | None
    ) -> tuple[PlaybackSession, str | None]:
        cookies = request.headers.get("cookie", "")
        ticket = request.query_params.get("ticket")
        try:
            # A browser that goes on after a restart carries both; the cookie is good for longer.
            return await self._sessions.opening(export_id, path, cookies, None), None
        except SessionRefused:
            if ticket is None:
                raise
        session = await self._sessions.opening(export_id, path, "", ticket)
        try:
            return session, (await self._sessions.open(ticket))[1]
        except SessionRefused:
            return session, None

    def _answer(
        self,
        request: Request,
        session: PlaybackSession,
        cookie: str | None,
        pieces: AsyncIterator[bytes],
        part: Part,
        name: str,
        tag: str,
    ) -> Response:
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        media_type = _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")
        watched = self._while_permitted(session, pieces)
        response = part_response(request, watched, part, tag, headers, media_type)
        if cookie is not None:
            set_session_cookie(request, response, self._sessions, self._name, session.id, cookie)
        return response

    async def _while_permitted(
        self, session: PlaybackSession, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        async for piece in pieces:
            if self._sessions.is_revoked(session.id):
                # The answer ends short of its length: no browser takes it for the whole.
                raise SessionRefused(403, "revoked", "the right to export was withdrawn")
            yield piece
