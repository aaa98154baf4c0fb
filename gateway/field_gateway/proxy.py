"""Telephones' requests to the gateway and its answers back. Pure ASGI.

A request is passed on if the list has it, with the headers that it needs and no others; the page
itself is served from here, so that it opens while the gateway behind cannot be reached, and what
was written waits on the telephone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import aiohttp
import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.field_gateway.allowed import Passage, passage_of
from gateway.field_gateway.limits import PerAddress
from gateway.field_gateway.page import PageFile
from gateway.settings.field import FieldGatewaySettings

_log = structlog.get_logger(__name__)

SESSION_COOKIE = "gridsight_session"
_CHUNK_BYTES = 256 * 1024
_ANSWER_S = 120.0
_BODY_S = 90.0
_FOR_EVER = "public, max-age=31536000, immutable"
# What a telephone may tell the gateway, besides its cookie.
_PASSED_ON = (
    "accept", "accept-language", "content-type", "range", "sec-fetch-site", "upload-checksum",
    "upload-offset", "user-agent", "x-gridsight",
)  # fmt: skip
_PASSED_BACK = (
    "accept-ranges", "cache-control", "content-disposition", "content-length", "content-range",
    "content-type", "date", "retry-after", "upload-offset",
)  # fmt: skip
_POLICY = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "worker-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(self), payment=()",
}


class FieldGateway:
    """The application. ``encrypted``: browsers come by HTTPS, here or at a proxy before it."""

    def __init__(
        self,
        settings: FieldGatewaySettings,
        page: Mapping[str, PageFile],
        client: aiohttp.ClientSession,
        *,
        encrypted: bool,
    ) -> None:
        self._settings = settings
        self._page = page
        self._client = client
        self._encrypted = encrypted
        self._requests = PerAddress(settings.requests_per_minute, time.monotonic)
        self._guesses = PerAddress(settings.sign_ins_per_minute, time.monotonic)
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        response = await self._answer(scope, receive)
        for name, value in _POLICY.items():
            response.headers[name] = value
        if self._encrypted:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        method, path = scope["method"], scope["path"]
        address = scope["client"][0] if scope.get("client") else "unknown"
        wait_s = self._requests.take(address)
        if wait_s:
            return _too_many(wait_s)
        if method in ("GET", "HEAD"):
            if path in ("/", "/field"):
                return RedirectResponse("/field/", 307)
            file = self._page.get(path)
            if file is not None:
                caching = _FOR_EVER if file.hashed else "no-cache"
                return Response(
                    file.data, media_type=file.media_type, headers={"Cache-Control": caching}
                )
        passage = passage_of(method, path)
        if passage is None:
            return _failure(404, "not_found", "there is no such thing here")
        if passage.guesses and (wait_s := self._guesses.take(address)):
            return _too_many(wait_s)
        if self._open >= self._settings.requests_at_once:
            return _failure(503, "unavailable", "too much at once: try again", {"Retry-After": "5"})
        self._open += 1
        try:
            return await self._pass_on(scope, receive, passage, address)
        finally:
            self._open -= 1

    async def _pass_on(
        self, scope: Scope, receive: Receive, passage: Passage, address: str
    ) -> Response:
        headers = Headers(scope=scope)
        try:
            body = await asyncio.wait_for(_read(receive, headers, passage.body_bytes), _BODY_S)
        except _TooLarge:
            return _failure(413, "too_large", f"at most {passage.body_bytes} bytes are taken here")
        except (TimeoutError, ConnectionError):
            return _failure(408, "timed_out", "this came too slowly: send it again")
        told = {name: headers[name] for name in _PASSED_ON if name in headers}
        told["X-Forwarded-For"] = address
        told["X-Forwarded-Proto"] = "https" if self._encrypted else "http"
        session = _session_cookie(headers.get("cookie", ""))
        if session is not None:
            told["Cookie"] = f"{SESSION_COOKIE}={session}"
        query = scope["query_string"].decode("ascii", "replace")
        url = f"{self._settings.upstream.rstrip('/')}{scope['path']}"
        try:
            answer = await self._client.request(
                scope["method"],
                f"{url}?{query}" if query else url,
                data=body or None,
                headers=told,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_ANSWER_S, connect=5),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("the gateway behind cannot be reached", why=str(error) or repr(error))
            return _failure(
                503, "unavailable", "the gateway behind cannot be reached: try again later",
                {"Retry-After": "10"},
            )  # fmt: skip
        return self._passed_back(answer)

    def _passed_back(self, answer: aiohttp.ClientResponse) -> Response:
        response = StreamingResponse(_pieces(answer), answer.status)
        for name in _PASSED_BACK:
            if name in answer.headers:
                response.headers[name] = answer.headers[name]
        for cookie in answer.headers.getall("set-cookie", []):
            if cookie.startswith(f"{SESSION_COOKIE}="):
                secure = self._encrypted and "; secure" not in cookie.lower()
                response.headers.append("set-cookie", f"{cookie}; Secure" if secure else cookie)
        return response


class _TooLarge(Exception):
    pass


async def _read(receive: Receive, headers: Headers, limit: int) -> bytes:
    said = headers.get("content-length", "0")
    if not said.isdecimal() or int(said) > limit:
        raise _TooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _TooLarge
        if not message.get("more_body", False):
            return bytes(body)


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
            yield piece
    finally:
        answer.close()


def _session_cookie(header: str) -> str | None:
    """The sign-in's cookie, and no other."""
    try:
        cookies: SimpleCookie = SimpleCookie(header)
    except CookieError:
        return None
    found = cookies.get(SESSION_COOKIE)
    value = found.value if found is not None else ""
    return value if value and value.isascii() and value.isprintable() and ";" not in value else None


def _too_many(wait_s: int) -> Response:
    return _failure(
        429, "too_many_requests", f"too many requests: wait {wait_s} s",
        {"Retry-After": str(wait_s)},
    )  # fmt: skip


def _failure(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {"error": {"code": code, "message": message, "detail": {}}}
    return JSONResponse(body, status, headers=headers)
