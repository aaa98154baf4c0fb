"""The server's half of an RTSP connection (RFC 2326), sans-IO: bytes in, events out.

The owner feeds :meth:`ServerConnection.receive`, acts on the events, and writes what
:meth:`ServerConnection.data_to_send` gives. ``DescribeRequested`` and ``SetupRequested`` wait for
an answer; until then later requests of the client are kept back, so that replies stay in order.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from camera_adapters.rtsp.messages import Headers, MessageError, MessageParser, Request, Response
from camera_adapters.rtsp.server_authentication import DigestVerifier
from camera_adapters.rtsp.server_description import describe
from camera_adapters.stream import Track

SESSION_TIMEOUT_S = 60
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
_TRACK = re.compile(r"/trackID=(\d{1,3})")
_BACKLOG_LIMIT = 64
_TRACKS_LIMIT = 16
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Access:
    """What a URL opens: ``name`` is the owner's. With ``passwords`` (user → password) the client
    must prove one by Digest; None asks for nothing more than the URL, which may hold a token."""

    name: str
    passwords: Mapping[str, str] | None = None


FindAccess = Callable[[str, str | None, str], Access | None]
"""(path without slashes at its ends, ``token`` of the query, peer address) → what it opens.

None is answered 404 whatever the reason: who may not look learns nothing.
"""


@dataclass(frozen=True, slots=True)
class InterleavedTransport:
    """Packets go over the connection itself, RTP on ``channel`` and RTCP on ``channel + 1``."""

    channel: int


@dataclass(frozen=True, slots=True)
class DatagramTransport:
    """Packets go to these UDP ports of the client."""

    rtp_port: int
    rtcp_port: int


Transport = InterleavedTransport | DatagramTransport


@dataclass(frozen=True, slots=True)
class DescribeRequested:
    """Answer with :meth:`ServerConnection.answer_describe` or :meth:`ServerConnection.refuse`."""

    access: Access


@dataclass(frozen=True, slots=True)
class SetupRequested:
    """Answer with :meth:`ServerConnection.answer_setup` or :meth:`ServerConnection.refuse`."""

    access: Access
    track_index: int
    transport: Transport


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """The session plays from now on; the reply is already among the data to send."""

    access: Access
    transports: Mapping[int, Transport]


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """The session sends nothing until it plays again."""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """TEARDOWN: nothing of the session is left."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The client broke the protocol: send what there is, then close."""

    detail: str


Event = DescribeRequested | SetupRequested | PlayRequested | PauseRequested | SessionEnded | Ended


class ServerConnection:
    """One client's connection, with at most one session."""

    def __init__(self, find_access: FindAccess, peer_address: str) -> None:
        self._find_access = find_access
        self._peer_address = peer_address
        self._parser = MessageParser()
        self._verifier = DigestVerifier("gridsight")
        self._backlog: deque[Request] = deque()
        self._pending: Request | None = None
        self._output: list[bytes] = []
        self._session_id: str | None = None
        self._access: Access | None = None
        self._transports: dict[int, Transport] = {}
        self._pending_setup: tuple[Access, int, Transport] | None = None
        self._playing = False
        self._ended = False

    @property
    def playing(self) -> bool:
        """Between PLAY and PAUSE or the end."""
        return self._playing

    @property
    def uses_datagrams(self) -> bool:
        """Whether any track goes by UDP; such a session must be kept alive by the client."""
        return any(isinstance(one, DatagramTransport) for one in self._transports.values())

    def data_to_send(self) -> bytes:
        """Replies since the last call."""
        output, self._output = self._output, []
        return b"".join(output)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the client. Never raises on what they say; see :class:`Ended`."""
        if self._ended:
            return []
        try:
            messages = self._parser.receive(data)
        except MessageError as error:
            self._reply(Request("", ""), 400)
            return self._end(f"not RTSP: {error}")
        for message in messages:
            if isinstance(message, Request):
                self._backlog.append(message)
        if len(self._backlog) > _BACKLOG_LIMIT:
            return self._end("too many requests without waiting for their answers")
        return self._work_off()

    def answer_describe(self, tracks: tuple[Track, ...]) -> list[Event]:
        """Give the session description. Returns the events of requests that were kept back."""
        request = self._take_pending()
        body = describe(tracks, secrets.randbits(32))
        base = f"{_TRACK.sub('', request.url).rstrip('/')}/"
        headers = [("Content-Base", base), ("Content-Type", "application/sdp")]
        self._reply(request, 200, headers, body)
        return self._work_off()

    def answer_setup(self, ssrc: int, server_ports: tuple[int, int] | None) -> list[Event]:
        """Accept a track. ``server_ports``: the server's RTP and RTCP ports, for UDP."""
        request = self._take_pending()
        assert self._pending_setup is not None
        access, track_index, transport = self._pending_setup
        self._pending_setup = None
        self._access = access
        self._transports[track_index] = transport
        if self._session_id is None:
            self._session_id = secrets.token_hex(8)
        if isinstance(transport, InterleavedTransport):
            value = f"RTP/AVP/TCP;unicast;interleaved={transport.channel}-{transport.channel + 1}"
        else:
            value = f"RTP/AVP;unicast;client_port={transport.rtp_port}-{transport.rtcp_port}"
            if server_ports is not None:
                value += f";server_port={server_ports[0]}-{server_ports[1]}"
        self._reply(request, 200, [("Transport", f"{value};ssrc={ssrc:08X}")])
        return self._work_off()

    def refuse(self, status: int) -> list[Event]:
        """Answer the waiting request with an error status of RTSP."""
        self._pending_setup = None
        self._reply(self._take_pending(), status)
        return self._work_off()

    def _take_pending(self) -> Request:
        if self._pending is None:
            raise RuntimeError("no request waits for an answer")
        request, self._pending = self._pending, None
        return request

    def _work_off(self) -> list[Event]:
        events: list[Event] = []
        while self._backlog and self._pending is None and not self._ended:
            events += self._handle(self._backlog.popleft())
        return events

    def _end(self, detail: str) -> list[Event]:
        self._ended = True
        self._playing = False
        self._backlog.clear()
        return [Ended(detail)]

    def _handle(self, request: Request) -> list[Event]:
        if request.method == "OPTIONS":
            self._reply(request, 200, [("Public", _METHODS)])
            return []
        if request.method not in _METHODS.split(", "):
            self._reply(request, 405, [("Allow", _METHODS)])
            return []
        session = request.headers.get("Session").partition(";")[0].strip()
        if session and session != self._session_id:
            self._reply(request, 454)
            return []
        access = self._check_access(request)
        if access is None:
            return []
        match request.method:
            case "DESCRIBE":
                self._pending = request
                return [DescribeRequested(access)]
            case "SETUP":
                return self._handle_setup(request, access)
            case "PLAY":
                return self._handle_play(request)
            case "PAUSE":
                return self._handle_pause(request)
            case "TEARDOWN":
                return self._handle_teardown(request)
            case _:
                self._reply(request, 200)
                return []

    def _check_access(self, request: Request) -> Access | None:
        """What the request's URL opens. When it is nothing, the error is already replied."""
        try:
            path, token = _path_and_token(request.url)
        except ValueError:
            self._reply(request, 400)
            return None
        if self._access is not None and path == "":
            access: Access | None = self._access  # "*", or a bare host, within a session
        else:
            access = self._find_access(path, token, self._peer_address)
        if access is None:
            self._reply(request, 404)
            return None
        if access.passwords is not None:
            given = request.headers.get("Authorization")
            if not self._verifier.accepts(given, request.method, access.passwords):
                challenges = [("WWW-Authenticate", one) for one in self._verifier.challenges()]
                self._reply(request, 401, challenges)
                return None
        return access

    def _handle_setup(self, request: Request, access: Access) -> list[Event]:
        found = _TRACK.search(request.url)
        track_index = int(found[1]) if found else 0
        transport = _parse_transport(request.headers.get("Transport"), track_index)
        if transport is None:
            self._reply(request, 461)
        elif self._access is not None and access.name != self._access.name:
            self._reply(request, 459)
        elif self._playing:
            self._reply(request, 455)
        elif track_index >= _TRACKS_LIMIT or _collides(transport, track_index, self._transports):
            self._reply(request, 400)
        else:
            self._pending = request
            self._pending_setup = (access, track_index, transport)
            return [SetupRequested(access, track_index, transport)]
        return []

    def _handle_play(self, request: Request) -> list[Event]:
        if not self._transports or self._access is None:
            self._reply(request, 455)
            return []
        self._reply(request, 200, [("Range", "npt=now-")])
        if self._playing:
            return []
        self._playing = True
        return [PlayRequested(self._access, dict(self._transports))]

    def _handle_pause(self, request: Request) -> list[Event]:
        if not self._transports:
            self._reply(request, 455)
            return []
        self._reply(request, 200)
        was_playing, self._playing = self._playing, False
        return [PauseRequested()] if was_playing else []

    def _handle_teardown(self, request: Request) -> list[Event]:
        """End the session; the connection stays, and may set up another (RFC 2326 §10.7)."""
        self._reply(request, 200)
        self._session_id = None
        self._access = None
        self._transports = {}
        self._playing = False
        return [SessionEnded()]

    def _reply(
        self,
        request: Request,
        status: int,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        response = Response(status, _REASONS[status], Headers(), body)
        # Given back as it came, unless it could break out of its line.
        sequence = request.headers.get("CSeq", "0")
        response.headers.add("CSeq", sequence if sequence.isalnum() else "0")
        response.headers.add("Server", "gridsight")
        for name, value in headers:
            response.headers.add(name, value)
        if self._session_id is not None and status == 200:
            response.headers.add("Session", f"{self._session_id};timeout={SESSION_TIMEOUT_S}")
        self._output.append(response.to_bytes())


def _path_and_token(url: str) -> tuple[str, str | None]:
    """The path and the query's ``token``; a track's control suffix may stand behind either."""
    if url == "*":
        return "", None
    parts = urlsplit(_TRACK.sub("", url))
    if parts.scheme.lower() not in ("rtsp", "rtspu", "rtsps"):
        raise ValueError("not an rtsp URL")
    tokens = parse_qs(parts.query).get("token")
    return unquote(parts.path).strip("/"), tokens[0].rstrip("/") if tokens else None


def _parse_transport(header: str, track_index: int) -> Transport | None:
    """The first alternative that can be served (RFC 2326 §12.39)."""
    for alternative in header.split(","):
        profile, *rest = (part.strip() for part in alternative.split(";"))
        parameters = {
            name.lower(): value for name, _, value in (part.partition("=") for part in rest)
        }
        if "multicast" in parameters:
            continue
        if profile.upper() == "RTP/AVP/TCP":
            pair = _number_pair(parameters.get("interleaved", f"{track_index * 2}"), 254)
            if pair is not None and pair[1] == pair[0] + 1:
                return InterleavedTransport(pair[0])
        elif profile.upper() in ("RTP/AVP", "RTP/AVP/UDP"):
            pair = _number_pair(parameters.get("client_port", ""), 65534)
            if pair is not None and pair[0] > 0:
                return DatagramTransport(*pair)
    return None


def _number_pair(text: str, limit: int) -> tuple[int, int] | None:
    first, _, second = text.partition("-")
    if not (first.isascii() and first.isdigit() and len(first) < 6):
        return None
    if second and not (second.isascii() and second.isdigit() and len(second) < 6):
        return None
    low = int(first)
    high = int(second) if second else low + 1
    return (low, high) if low <= limit and high <= limit + 1 else None


def _collides(transport: Transport, track_index: int, others: Mapping[int, Transport]) -> bool:
    if not isinstance(transport, InterleavedTransport):
        return False
    taken = {
        one.channel + step
        for index, one in others.items()
        if isinstance(one, InterleavedTransport) and index != track_index
        for step in (0, 1)
    }
    return transport.channel in taken or transport.channel + 1 in taken
