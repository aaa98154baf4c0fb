"""``/s/NAME/…``: to the process NAME and back, streaming, nothing looked at but the headers.

The browser sees one origin, also of processes of other machines. Who may do what there is decided
by the ticket that the API signed and the process verifies; the sign-in cookie is not passed on.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from http.cookies import CookieError, SimpleCookie

import aiohttp
from aiohttp.connector import AddrInfoType
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import Response, StreamingResponse
from starlette.datastructures import Headers

from gateway.api.access import SESSION_COOKIE, client_address
from gateway.api.errors import not_found, unavailable
from gateway.api.processes import HttpPlace
from gateway.api.services import Services, ServicesDep
from gateway.api.sockets import close, run_until_one_ends, same_origin
from gateway.control.address import watch_for_silence

router = APIRouter(include_in_schema=False)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CHUNK_BYTES = 256 * 1024
_WEBSOCKET_BYTES_LIMIT = 64 * 1024 * 1024
_CLOSE_AWAY = 1013
_CLOSE_RESTART = 1012
# RFC 9110 §7.6.1: these speak of one connection only.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip")


@router.api_route("/s/{name}/{path:path}", methods=METHODS)
async def pass_http(name: str, path: str, request: Request, services: ServicesDep) -> Response:
    """One request and its response; a client that goes away cancels both."""
    return await forward(name, request, services)


async def forward(
    name: str, request: Request, services: Services, path: str | None = None
) -> Response:
    """The response of the process NAME to a request, at ``path`` or at where it was made. Raises
    ApiError 404, 503.
    """
    place = await services.processes.http_place(name)
    if place is None:
        raise not_found("process")
    return await _forward(name, place, request, services, _request_headers(request.headers), path)


async def forward_signed_in(name: str, request: Request, services: Services) -> Response:
    """The response of another API process, which asks itself who this is. Raises ApiError."""
    place = await services.processes.http_place(name, ("api",))
    if place is None:
        raise not_found("process")
    headers = _request_headers(request.headers)
    if cookie := request.headers.get("cookie"):
        headers["cookie"] = cookie
    return await _forward(name, place, request, services, headers, None)


async def _forward(
    name: str,
    place: HttpPlace,
    request: Request,
    services: Services,
    headers: dict[str, str],
    path: str | None,
) -> Response:
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    headers["X-Forwarded-For"] = client_address(request)
    headers["X-Forwarded-Proto"] = request.url.scheme
    headers["Host"] = request.headers.get("host", "")
    try:
        upstream = await services.http.request(
            request.method,
            _upstream_url(place.base, request) if path is None else place.base + path,
            headers=headers,
            data=request.stream() if has_body else None,
            allow_redirects=False,
            **place.options,
        )
    except (aiohttp.ClientError, ConnectionError):
        services.processes.forget(name)
        raise unavailable(f"{name} is being restarted: try again") from None
    response = StreamingResponse(_body(upstream), upstream.status)
    response.raw_headers = [
        (key.lower().encode("latin-1"), value.encode("latin-1"))
        for key, value in upstream.headers.items()
        if key.lower() not in _HOP_BY_HOP and key.lower() not in ("date", "server")
    ]
    return response


@router.websocket("/s/{name}/{path:path}")
async def pass_websocket(socket: WebSocket, name: str, path: str, services: ServicesDep) -> None:
    """Messages both ways until one side ends it."""
    place = await services.processes.http_place(name)
    if place is None or not same_origin(socket):
        await socket.close(_CLOSE_AWAY)
        return
    headers = {"X-Forwarded-For": client_address(socket)}
    if cookie := _without_session(socket.headers.get("cookie", "")):
        headers["Cookie"] = cookie
    try:
        upstream = await services.http.ws_connect(
            _upstream_url(place.base, socket),
            headers=headers,
            protocols=socket.scope.get("subprotocols", []),
            max_msg_size=_WEBSOCKET_BYTES_LIMIT,
            autoping=True,
            compress=0,
            **place.options,
        )
    except (aiohttp.ClientError, ConnectionError):
        services.processes.forget(name)
        await socket.close(_CLOSE_AWAY)
        return
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(upstream.close)
        await socket.accept(upstream.protocol)
        try:
            await run_until_one_ends(_up(socket, upstream), _down(socket, upstream))
        finally:
            await close(socket, _passed_on(upstream.close_code))


def _passed_on(close_code: int | None) -> int:
    """The code to close with, as the process closed with its own; one that was lost is coming back.

    1005, 1006 and 1015 say that there was none, and are never sent (RFC 6455 §7.4.1).
    """
    if close_code in (1006, 1015):
        return _CLOSE_RESTART
    return 1000 if close_code in (None, 1005) else close_code


def _upstream_url(base: str, connection: Request | WebSocket) -> str:
    # Raw: what the browser escaped stays escaped.
    raw_path = connection.scope.get("raw_path") or connection.url.path.encode()
    query = connection.scope["query_string"].decode("latin-1")
    return f"{base}{raw_path.decode('latin-1')}" + (f"?{query}" if query else "")


def _request_headers(headers: Headers) -> dict[str, str]:
    dropped = {*_HOP_BY_HOP, *_FORWARDED, "host", "cookie"}
    kept = {key: value for key, value in headers.items() if key not in dropped}
    if cookie := _without_session(headers.get("cookie", "")):
        kept["cookie"] = cookie
    return kept


def _without_session(header: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return "; ".join(
        f"{name}={morsel.coded_value}" for name, morsel in cookies.items() if name != SESSION_COOKIE
    )


async def _body(upstream: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    # aiohttp reads ahead a bounded amount and then waits for us, as we wait for the browser.
    try:
        async for chunk in upstream.content.iter_any():
            yield chunk
    finally:
        # Cancelled by a browser that went away: closing stops what the process still sends.
        upstream.close()


async def _up(socket: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes") is not None:
            await upstream.send_bytes(message["bytes"])
        else:
            await upstream.send_str(message["text"])


async def _down(socket: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    async for message in upstream:
        if message.type is aiohttp.WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await socket.send_text(message.data)


def open_client() -> aiohttp.ClientSession:
    """The client that reaches the other processes; no time limit on a download, but none goes on
    with a machine that is gone. No cookies are kept.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        connector=aiohttp.TCPConnector(
            limit=0, force_close=False, socket_factory=_watched_connection
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        read_bufsize=CHUNK_BYTES,
    )


def _watched_connection(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    watch_for_silence(made)
    return made
