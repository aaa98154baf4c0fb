"""Packages of evidence for download, whole or file by file, in any part.

The ticket comes from ``POST /api/exports/{id}/download`` and grants the export of the package's
cameras and minutes. A download that runs ends when the right to it does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.evidence.package import Package, find_package, read_part
from gateway.footage.errors import with_errors
from gateway.footage.playback_index import Range
from gateway.footage.reader import FootageGone
from gateway.footage.routes import byte_range, unsatisfiable
from gateway.footage.sessions import (
    COOKIE_PREFIX,
    SESSION_LIFE_US,
    PlaybackSession,
    PlaybackSessions,
    SessionRefused,
)
from gateway.identifiers import US_PER_S

_MEDIA_TYPES = {".mp4": "video/mp4", ".html": "text/html", ".txt": "text/plain"}


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
        part = _wanted_part(request, size, package.id)
        if part is None:
            return unsatisfiable(size)
        name = f"{package.id}.zip"
        response = self._answer(request, session, package.read(*part), part, size, name, package.id)
        self._keep(request, response, session, cookie)
        return response

    async def file(self, request: Request) -> Response:
        """``/packages/{export_id}/files/{path}``."""
        package, session, cookie = await self._permitted(request)
        path = request.path_params["path"]
        entry = next((one for one in package.layout.entries if one.path == path), None)
        if entry is None:
            raise FootageGone("there is no such file in this package")
        tag = f"{package.id}-{entry.crc32:08x}"
        part = _wanted_part(request, entry.size_bytes, tag)
        if part is None:
            return unsatisfiable(entry.size_bytes)
        pieces = read_part(package.folder / path, *part)
        name = path.rpartition("/")[2]
        response = self._answer(request, session, pieces, part, entry.size_bytes, name, tag)
        self._keep(request, response, session, cookie)
        return response

    async def _permitted(self, request: Request) -> tuple[Package, PlaybackSession, str | None]:
        """The package, the session that grants it, and the cookie to be set for it."""
        async with self._engine.connect() as connection:
            package = await find_package(connection, request.path_params["export_id"], self._folder)
        if package is None:
            # Whoever has no session is not told whether there is such a package.
            await self._sessions.find("", None, _cookies(request), _ticket(request), "export")
            raise FootageGone("there is no such package (any more)")
        session, cookie = await self._session(request, package)
        granted = session.ticket
        within = (granted.start_us or 0) <= package.start_us <= package.end_us <= (
            granted.end_us or 0
        )  # fmt: skip
        if not within or not set(package.camera_ids) <= set(granted.camera_ids):
            raise SessionRefused(404, "not_found", "this session is not for this package")
        return package, session, cookie

    async def _session(
        self, request: Request, package: Package
    ) -> tuple[PlaybackSession, str | None]:
        ticket, camera_id = _ticket(request), package.camera_ids[0]
        wanted = Range(package.start_us, package.end_us)
        try:
            # A browser that goes on after a restart carries both; the cookie is good for longer.
            return await self._sessions.find(
                camera_id, wanted, _cookies(request), None, "export"
            ), None  # fmt: skip
        except SessionRefused:
            if ticket is None:
                raise
        session = await self._sessions.find(camera_id, wanted, "", ticket, "export")
        try:
            return session, (await self._sessions.open(ticket))[1]
        except SessionRefused:
            return session, None

    def _answer(
        self,
        request: Request,
        session: PlaybackSession,
        pieces: AsyncIterator[bytes],
        part: tuple[int, int],
        size: int,
        name: str,
        tag: str,
    ) -> Response:
        start, end = part
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Length": str(end - start),
            "Content-Disposition": f'attachment; filename="{name}"',
            "ETag": f'"{tag}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
        status = 200
        if "range" in request.headers:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        media_type = _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")
        if name.endswith(".zip"):
            media_type = "application/zip"
        if request.method == "HEAD":
            return Response(None, status, headers, media_type=media_type)
        watched = self._while_permitted(session, pieces)
        return StreamingResponse(watched, status, headers, media_type=media_type)

    async def _while_permitted(
        self, session: PlaybackSession, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        async for piece in pieces:
            if self._sessions.is_revoked(session.id):
                # The answer ends short of its length: no browser takes it for the whole.
                raise SessionRefused(403, "revoked", "the right to export was withdrawn")
            yield piece

    def _keep(
        self, request: Request, response: Response, session: PlaybackSession, cookie: str | None
    ) -> None:
        if cookie is None:
            return
        path = f"/s/{self._name}"
        for stale in self._sessions.stale_cookies(_cookies(request)):
            response.delete_cookie(stale, path=path)
        response.set_cookie(
            COOKIE_PREFIX + session.id,
            cookie,
            max_age=SESSION_LIFE_US // US_PER_S,
            path=path,
            secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
            httponly=True,
            samesite="strict",
        )


def _cookies(request: Request) -> str:
    return request.headers.get("cookie", "")


def _ticket(request: Request) -> str | None:
    return request.query_params.get("ticket")


def _wanted_part(request: Request, size: int, tag: str) -> tuple[int, int] | None:
    if request.headers.get("if-range", f'"{tag}"') != f'"{tag}"':
        return 0, size
    return byte_range(request, size)
