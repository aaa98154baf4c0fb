"""HTTP for GA/T 1400: bodies within their limit, answers as the standard has them, TLS if wanted.

A request is admitted before its body is read; large bodies are parsed in a thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from aiohttp import web

from camera_adapters.gat1400.answers import ResponseStatus, write_status
from camera_adapters.gat1400.body import CONTENT_TYPE, BodyError, read_body, write_body
from camera_adapters.gat1400.codes import Status
from gateway.cluster.child import ConfigurationError
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from recorder.rows import RowError
from recorder.stores import StoreError

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_log = structlog.get_logger(__name__)

SMALL_BODY = 65_536
_BODY_S = 60.0
_PATH_LIMIT = 8192
_T = TypeVar("_T")


class Refused(Exception):
    """A request that is answered with a status of HTTP, and one of GA/T 1400 within."""

    def __init__(
        self, http_status: int, status: Status, text: str, challenges: tuple[str, ...] = ()
    ) -> None:
        super().__init__(text)
        self.http_status = http_status
        self.status = status
        self.challenges = challenges


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request before its body is read. ``parts`` follow ``/VIID/``; ``code`` is who it says it
    is (``User-Identify``), proven or not.
    """

    method: str
    parts: tuple[str, ...]
    uri: str
    query: Mapping[str, str]
    code: str
    address: str
    port: int
    authorization: str | None = field(repr=False)
    request: web.Request = field(repr=False)

    @property
    def path(self) -> str:
        """As answers repeat it."""
        return "/VIID/" + "/".join(self.parts)


Handler = Callable[[Incoming], Awaitable[Mapping[str, Any]]]


class Listener:
    """The server; ``find_route`` says who answers a request, or raises :class:`Refused`."""

    def __init__(self, hub: Hub, find_route: Callable[[Hub, Incoming], Handler]) -> None:
        self._hub = hub
        self._find_route = find_route
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def open(self) -> None:
        """Listen. Raises ConfigurationError."""
        settings = self._hub.settings
        application = web.Application(client_max_size=settings.body_bytes_limit)
        application.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            keepalive_timeout=90.0,
            max_field_size=16_384,
            max_line_size=_PATH_LIMIT,
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, settings.address, settings.port, ssl_context=self._tls(), backlog=512
        )
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError(
                f"gat1400: cannot listen at {settings.address}:{settings.port}: {error.strerror}"
            ) from None
        self.port = self._runner.addresses[0][1]
        _log.info("GA/T 1400 listens", address=settings.address, port=self.port)

    async def close(self) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _tls(self) -> ssl.SSLContext | None:
        settings = self._hub.settings
        if settings.certificate is None or settings.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(settings.certificate, settings.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"gat1400.certificate cannot be used: {error}") from None
        return context

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        hub = self._hub
        incoming = _incoming(request)
        try:
            document = await self._find_route(hub, incoming)(incoming)
            return self._answer(200, document)
        except Refused as refusal:
            hub.figures["gat1400_refused"] += 1
            return self._refuse(incoming, refusal)
        except BodyError as error:
            hub.figures["gat1400_refused"] += 1
            return self._refuse(incoming, Refused(400, error.status, str(error)))
        except (StoreError, RowError, ControlError, ConnectionError, TimeoutError) as error:
            # Nothing was acknowledged: it is told again.
            _log.warning("GA/T 1400: a request is put off", path=incoming.path, why=str(error))
            return self._refuse(incoming, Refused(503, Status.BUSY, "come again in a moment"))
        except web.HTTPException:
            raise
        except Exception:
            _log.exception("GA/T 1400: a request failed", path=incoming.path)
            return self._refuse(incoming, Refused(500, Status.OTHER_ERROR, "this went wrong here"))

    def _answer(self, status: int, document: Mapping[str, Any]) -> web.Response:
        response = web.Response(status=status, body=write_body(document))
        response.headers["Content-Type"] = CONTENT_TYPE
        return response

    def _refuse(self, incoming: Incoming, refusal: Refused) -> web.Response:
        status = ResponseStatus(incoming.path[:256], refusal.status, str(refusal), incoming.code)
        response = self._answer(
            refusal.http_status, write_status(status, now_us(), self._hub.utc_offset_minutes)
        )
        for challenge in refusal.challenges:
            response.headers.add("WWW-Authenticate", challenge)
        if refusal.http_status in (429, 503):
            response.headers["Retry-After"] = "2"
        if refusal.http_status in (401, 413) and incoming.request.can_read_body:
            # What was not read would be taken for the next request.
            response.force_close()
        return response


async def take_body(
    hub: Hub, incoming: Incoming, parse: Callable[[dict[str, Any]], _T], limit: int | None = None
) -> _T:
    """Read the body within its limits, and parse it; outside the loop where it is large.

    Raises Refused, BodyError.
    """
    request = incoming.request
    limit = hub.settings.body_bytes_limit if limit is None else limit
    told = request.content_length
    if told is not None and told > limit:
        raise Refused(
            413, Status.INVALID_JSON_CONTENT, f"at most {limit} bytes: send fewer at once"
        )
    # Without a length it may be anything; parsing takes some times its size for a moment.
    async with hub.memory.hold(2 * (limit if told is None else told)):
        try:
            async with asyncio.timeout(_BODY_S):
                raw = await _read(request, limit)
        except TimeoutError:
            raise Refused(408, Status.OTHER_ERROR, f"the body took over {_BODY_S:g} s") from None
        if len(raw) <= SMALL_BODY:
            return parse(read_body(raw))
        return await asyncio.to_thread(lambda: parse(read_body(raw)))


async def _read(request: web.Request, limit: int) -> bytes:
    pieces = []
    size = 0
    async for piece in request.content.iter_chunked(SMALL_BODY):
        size += len(piece)
        if size > limit:
            raise Refused(
                413, Status.INVALID_JSON_CONTENT, f"at most {limit} bytes: send fewer at once"
            )
        pieces.append(piece)
    return b"".join(pieces)


def _incoming(request: web.Request) -> Incoming:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address, port = (peer[0], peer[1]) if peer else ("unknown", 0)
    parts = [part for part in request.path.split("/") if part]
    parts = parts[1:] if parts and parts[0].upper() == "VIID" else ["", *parts]
    return Incoming(
        request.method,
        tuple(parts),
        request.raw_path,
        request.query,
        _plain(request.headers.get("User-Identify", "")),
        _plain_address(address),
        port,
        request.headers.get("Authorization"),
        request,
    )


def _plain(text: str) -> str:
    return text.strip() if text.isascii() and len(text) <= 64 else ""


def _plain_address(address: str) -> str:
    """An IPv4 peer of a socket for both is an IPv4 address."""
    return address.removeprefix("::ffff:")
