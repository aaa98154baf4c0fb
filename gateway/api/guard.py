"""What holds for every request: no cross-site writes, bounded bodies, strict headers. Pure ASGI."""

from __future__ import annotations

import math
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.errors import ApiError, respond
from gateway.settings.attachments import LARGEST_FILE_BYTES

BODY_BYTES_LIMIT = 2 * 1024 * 1024
# Of a sheet that is imported, a photo to search by, a file that is handed out in a meeting.
FILE_BYTES_LIMIT = 16 * 1024 * 1024
_FILES = re.compile(
    r"^/api/(sheets/[a-z]+/imports|search/photos|assist/photos|meetings/[a-z0-9_]+/files|field/uploads/[a-z0-9_]+)$"
)
# Videos of people's; never in memory as a whole.
_LARGE_FILES = "/api/attachments"

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_HOST = re.compile(r"^[A-Za-z0-9.\-\[\]:_]+$")


# People in the field say where they are; nobody else's page is told.
FIELD_PAGE = "/field/"
_FIELD_PERMISSIONS = "camera=(self), microphone=(self), geolocation=(self), payment=()"

# A year; only of certificates that every browser trusts anyway: who has lost the trust in the
# gateway's own authority could not even be shown how to regain it.
_STRICT_TRANSPORT = "max-age=31536000"


class Guard:
    """Wraps the application. ``strict_transport``: browsers that came by HTTPS shall come by
    nothing else from now on.
    """

    def __init__(self, app: ASGIApp, strict_transport: bool = False) -> None:
        self._app = app
        self._strict_transport = strict_transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        policy = _policy(headers.get("host", ""), scope["scheme"])
        if scope["path"] == FIELD_PAGE:
            policy["Permissions-Policy"] = _FIELD_PERMISSIONS
        if self._strict_transport and scope["scheme"] == "https":
            policy["Strict-Transport-Security"] = _STRICT_TRANSPORT
        send_strict = _with_headers(send, policy)
        if not scope["path"].startswith("/api"):
            await self._app(scope, receive, send_strict)
            return
        # Of a sheet its route looks at the size, so that who sent too much is on record.
        is_large = scope["path"] == _LARGE_FILES
        is_file = is_large or _FILES.match(scope["path"]) is not None
        limit = FILE_BYTES_LIMIT if is_file else BODY_BYTES_LIMIT
        if is_large:
            limit = LARGEST_FILE_BYTES
        refusal = _refusal(scope["method"], headers, None if is_file else limit)
        if refusal is not None:
            await respond(refusal)(scope, receive, send_strict)
            return
        await self._app(scope, _bounded(receive, limit), send_strict)


def _refusal(method: str, headers: Headers, limit: int | None) -> ApiError | None:
    if method in _SAFE_METHODS:
        return None
    # Browsers say where a request was made; what another site makes here, it makes in our people's
    # names.
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return ApiError(403, "not_allowed", "another site made this request: open the console")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and headers.get("x-gridsight") != "1":
        return ApiError(
            403,
            "not_allowed",
            "writes need Content-Type: application/json or the header X-Gridsight: 1",
        )
    if limit is not None and said_length(headers) > limit:
        return too_large(limit)
    return None


def said_length(headers: Headers) -> float:
    """Of the body, in bytes. Infinite where it makes no sense."""
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else math.inf


def too_large(limit: int) -> ApiError:
    """413."""
    return ApiError(413, "too_large", f"this request has at most {limit} bytes")


def _bounded(receive: Receive, limit: int) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large(limit)
        return message

    return bounded


def _policy(host: str, scheme: str) -> dict[str, str]:
    # Old Chromium does not count WebSockets of one's own host as 'self'.
    sockets = f" {'wss' if scheme == 'https' else 'ws'}://{host}" if _HOST.match(host) else ""
    return {
        "Content-Security-Policy": "; ".join(
            (
                "default-src 'self'",
                "script-src 'self'",
                "style-src 'self'",
                "style-src-attr 'unsafe-inline'",
                "img-src 'self' blob: data:",
                "media-src 'self' blob:",
                "worker-src 'self' blob:",
                f"connect-src 'self'{sockets}",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'self'",
            )
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    }


def _with_headers(send: Send, policy: dict[str, str]) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in policy.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with
