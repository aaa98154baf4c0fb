"""The cookie that carries a session: set for the paths of one footage server."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.footage.sessions import COOKIE_PREFIX, SESSION_LIFE_US, PlaybackSessions
from gateway.identifiers import US_PER_S


def set_session_cookie(
    request: Request,
    response: Response,
    sessions: PlaybackSessions,
    server: str,
    session_id: str,
    value: str,
) -> None:
    """Give the browser the session, and take from it those that are good for nothing any more."""
    path = f"/s/{server}"
    for stale in sessions.stale_cookies(request.headers.get("cookie", "")):
        response.delete_cookie(stale, path=path)
    response.set_cookie(
        COOKIE_PREFIX + session_id,
        value,
        max_age=SESSION_LIFE_US // US_PER_S,
        path=path,
        secure=request.headers.get("x-forwarded-proto", request.url.scheme) == "https",
        httponly=True,
        samesite="strict",
    )
