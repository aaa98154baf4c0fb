"""The RTSP client as a state machine (RFC 2326 §10): no socket, no clock, no task.

The owner feeds :meth:`RtspClient.receive`, writes what :meth:`RtspClient.data_to_send` gives, and
acts on the events: at ``Described`` it calls :meth:`~RtspClient.setup`, at ``SetUp``
:meth:`~RtspClient.play` once it is ready for packets.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters import sdp
from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.rtp.tracks import NoVideoError, TrackPlan, choose_tracks
from camera_adapters.rtsp.messages import (
    GARBAGE_BYTES_LIMIT,
    HEADER_BYTES_LIMIT,
    Headers,
    MessageError,
    Request,
    Response,
    find_resumption,
    is_message_start,
    parse_message,
)

_USER_AGENT = "gridsight"
_DEFAULT_TIMEOUT_S = 60
_AUTHENTICATION_ROUNDS = 3
_INTERLEAVED = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.IGNORECASE)
_SERVER_PORT = re.compile(r"server_port\s*=\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?", re.IGNORECASE)
_SOURCE = re.compile(r"source\s*=\s*([^;\s]+)", re.IGNORECASE)

# Takes packets of one channel out of a read: (data, position, end, arrival_us) -> new position.
PacketTaker = Callable[[bytes, int, int, int], int]
# Takes one RTCP packet: (data, arrival_us).
ReportTaker = Callable[[bytes, int], None]


class FailureCode(enum.StrEnum):
    """Why a camera does not deliver; stable, shown to people with a line of text."""

    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NO_VIDEO = "no_video"
    TRANSPORT = "transport"
    SERVER_ERROR = "server_error"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Described:
    """The camera has told its tracks: call :meth:`RtspClient.setup`."""

    plans: list[TrackPlan]


@dataclass(frozen=True, slots=True)
class TrackTransport:
    """Where one track's packets come: two channels of the connection, or the server's ports.

    A server port of 0 is one that the camera did not tell. ``source`` is its own address if told.
    """

    rtp_channel: int = 0
    rtcp_channel: int = 1
    server_rtp_port: int = 0
    server_rtcp_port: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class SetUp:
    """All tracks are set up: connect the receivers, then call :meth:`RtspClient.play`."""

    transports: list[TrackTransport]


@dataclass(frozen=True, slots=True)
class Playing:
    """PLAY was accepted. Keep-alives are due every ``keepalive_s``."""

    keepalive_s: float


@dataclass(frozen=True, slots=True)
class Redirected:
    """The camera wants to be asked at another address (RFC 2326 §11.3)."""

    url: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It does not work, and why; ``line`` is one English line without credentials."""

    code: FailureCode
    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The camera has ended the session in an orderly way."""


Event = Described | SetUp | Playing | Redirected | Failed | Ended


@dataclass(slots=True)
class _Exchange:
    """One request under way. ``rounds`` counts its answers to 401s."""

    request: Request
    on_success: Callable[[Response], None]
    on_failure: Callable[[Response], None] | None = None
    rounds: int = 0


@dataclass(slots=True)
class RtspClient:
    """One connection's session with a camera.

    ``tcp`` asks for packets inside the connection, else by UDP. Packets go to the takers given to
    :meth:`connect_channel`; garbage between messages is skipped and counted in ``garbage_bytes``.
    ``describe_headers``, ``setup_headers`` and ``play_headers`` go out with each request of that
    name; ``choose`` says what to set up of what is described. No method raises for anything that
    the camera sends.
    """

    url: str
    credentials: Credentials | None = None
    tcp: bool = True
    garbage_bytes: int = 0
    setup_headers: tuple[tuple[str, str], ...] = ()
    play_headers: tuple[tuple[str, str], ...] = (("Range", "npt=0.000-"),)
    describe_headers: tuple[tuple[str, str], ...] = ()
    choose: Callable[[sdp.SessionDescription], list[TrackPlan]] = choose_tracks
    session_id: str = ""
    plans: list[TrackPlan] = field(default_factory=list)
    finished: bool = False
    _out: list[bytes] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _rest: bytes = b""
    _sequence: int = 0
    _exchanges: dict[int, _Exchange] = field(default_factory=dict)
    _base_url: str = ""
    _control_url: str = ""
    _transports: list[TrackTransport] = field(default_factory=list)
    _client_ports: list[tuple[int, int]] | None = None
    _timeout_s: int = _DEFAULT_TIMEOUT_S
    _keepalive_method: str = "OPTIONS"
    _packet_takers: dict[int, PacketTaker] = field(default_factory=dict)
    _report_takers: dict[int, ReportTaker] = field(default_factory=dict)

    def start(self) -> None:
        """Begin: OPTIONS, then DESCRIBE."""
        self._send("OPTIONS", self.url, self._on_options, self._on_options)

    def setup(self, client_ports: list[tuple[int, int]] | None = None) -> None:
        """Set every plan up; by UDP with one (RTP, RTCP) pair of local ports for each."""
        self._client_ports = client_ports
        self._setup_next()

    def play(self) -> None:
        """Ask for packets."""
        self._send("PLAY", self._control_url, self._on_play, headers=list(self.play_headers))

    def keep_alive(self) -> None:
        """Say that we are still there; call it as often as ``Playing.keepalive_s`` says."""
        if self.session_id and not self.finished:
            self._send(
                self._keepalive_method,
                self._control_url,
                lambda response: None,
                self._on_keepalive_refused,
            )

    def teardown(self) -> None:
        """Say good-bye, without waiting for the answer."""
        if self.session_id and not self.finished:
            self._send("TEARDOWN", self._control_url, lambda response: None)
            self.finished = True

    def send_interleaved(self, channel: int, payload: bytes) -> None:
        """Queue a packet for one of the connection's channels."""
        self._out.append(b"$" + bytes((channel,)) + len(payload).to_bytes(2, "big") + payload)

    def connect_channel(
        self, transport: TrackTransport, packets: PacketTaker, reports: ReportTaker
    ) -> None:
        """Say who takes a track's packets and reports."""
        self._packet_takers[transport.rtp_channel] = packets
        self._report_takers[transport.rtcp_channel] = reports

    @property
    def has_news(self) -> bool:
        """Whether there are bytes to send or events to act on."""
        return bool(self._out or self._events)

    def data_to_send(self) -> bytes:
        """What must be written to the connection, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def receive(self, data: bytes, arrival_us: int) -> None:
        """Take a read of the connection, of any length."""
        if self._rest:
            data = self._rest + data
        position, end = 0, len(data)
        takers = self._packet_takers
        while position < end:
            if data[position] == 0x24:
                if end - position < 5:
                    break
                taker = takers.get(data[position + 1])
                if taker is not None:
                    reached = taker(data, position, end, arrival_us)
                    if reached != position:
                        position = reached
                        continue
                following = position + 4 + (data[position + 2] << 8 | data[position + 3])
                reports = self._report_takers.get(data[position + 1])
                if taker is None and data[position + 4] & 0xC0 != 0x80:
                    # Neither RTP nor RTCP: a "$" in the midst of garbage.
                    position = self._skip_garbage(data, position)
                    continue
                if following > end:
                    break
                if reports is not None:
                    reports(data[position + 4 : following], arrival_us)
                position = following
            else:
                reached = self._receive_other(data, position)
                if reached == position:
                    break
                position = reached
            if self.finished:
                position = end
        self._rest = data[position:] if position < end else b""

    def _receive_other(self, data: bytes, position: int) -> int:
        """What is no frame: a message, blank lines, or garbage. Returns where it stopped."""
        if data[position] in b"\r\n":
            return position + 1
        starts = is_message_start(data, position)
        if starts is None:
            if len(data) - position > HEADER_BYTES_LIMIT:
                self._fail(FailureCode.PROTOCOL, "the camera sends an endless header")
                return len(data)
            return position
        if not starts:
            return self._skip_garbage(data, position)
        try:
            parsed = parse_message(data, position)
        except MessageError as error:
            self._fail(FailureCode.PROTOCOL, f"the camera sends bad RTSP: {error}")
            return len(data)
        if parsed is None:
            return position
        message, reached = parsed
        if isinstance(message, Response):
            self._on_response(message)
        else:
            self._on_request(message)
        return reached

    def _skip_garbage(self, data: bytes, position: int) -> int:
        channels = {*self._packet_takers, *self._report_takers}
        resumed = find_resumption(data, position + 1, channels)
        self.garbage_bytes += resumed - position
        if self.garbage_bytes > GARBAGE_BYTES_LIMIT:
            self._fail(FailureCode.PROTOCOL, "the camera sends garbage instead of RTSP")
        return resumed

    def _send(
        self,
        method: str,
        url: str,
        on_success: Callable[[Response], None],
        on_failure: Callable[[Response], None] | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        request = Request(method, url, Headers(headers or []))
        self._transmit(_Exchange(request, on_success, on_failure))

    def _transmit(self, exchange: _Exchange) -> None:
        self._sequence += 1
        self._exchanges[self._sequence] = exchange
        request = exchange.request
        fields = [("CSeq", str(self._sequence)), ("User-Agent", _USER_AGENT)]
        if self.session_id and request.method != "DESCRIBE":
            fields.append(("Session", self.session_id))
        if self.credentials is not None:
            authorization = self.credentials.authorization(request.method, request.url)
            if authorization is not None:
                fields.append(("Authorization", authorization))
        complete = Request(request.method, request.url, Headers([*fields, *request.headers]))
        self._out.append(complete.to_bytes())

    def _on_response(self, response: Response) -> None:
        number = response.headers.get("CSeq").strip()
        exchange = self._exchanges.pop(int(number), None) if number.isdecimal() else None
        if exchange is None:
            # Cameras that forget CSeq, or count for themselves: they answer in order.
            if not self._exchanges:
                return
            exchange = self._exchanges.pop(min(self._exchanges))
        if 100 <= response.status < 200:
            self._exchanges[self._sequence] = exchange
        elif response.status == 401:
            self._on_unauthorised(exchange, response)
        elif 200 <= response.status < 300:
            exchange.on_success(response)
        elif response.status in (301, 302, 303, 305, 307, 308):
            self._on_redirect(response)
        elif exchange.on_failure is not None:
            exchange.on_failure(response)
        else:
            self._on_refusal(exchange.request.method, response)

    def _on_unauthorised(self, exchange: _Exchange, response: Response) -> None:
        credentials = self.credentials
        if credentials is None:
            self._fail(FailureCode.REFUSED, "the camera wants a user name and password (401)")
            return
        challenges = parse_challenges(response.headers.get_all("WWW-Authenticate"))
        stale = any(challenge.stale for challenge in challenges)
        answered = exchange.rounds > 0 and not stale
        if answered or exchange.rounds >= _AUTHENTICATION_ROUNDS:
            self._fail(
                FailureCode.REFUSED,
                f"the camera refuses the password of user {credentials.username!r} (401)",
            )
        elif not credentials.accept(challenges):
            self._fail(FailureCode.PROTOCOL, "the camera asks for an unknown way to sign in (401)")
        else:
            exchange.rounds += 1
            self._transmit(exchange)

    def _on_redirect(self, response: Response) -> None:
        location = response.headers.get("Location")
        if location.lower().startswith("rtsp://"):
            self.finished = True
            self._events.append(Redirected(location))
        else:
            self._fail(
                FailureCode.PROTOCOL, f"the camera redirects to no address ({response.status})"
            )

    def _on_refusal(self, method: str, response: Response) -> None:
        status = response.status
        reason = f"{status} {response.reason}".strip()
        if status == 403:
            self._fail(
                FailureCode.FORBIDDEN, f"the camera forbids {method} to this user ({reason})"
            )
        elif status in (404, 410):
            self._fail(FailureCode.NOT_FOUND, f"the camera has nothing at this path ({reason})")
        elif status == 461:
            kind = "TCP" if self.tcp else "UDP"
            self._fail(FailureCode.TRANSPORT, f"the camera does not send by {kind} ({reason})")
        else:
            self._fail(FailureCode.SERVER_ERROR, f"the camera answers {method} with {reason}")

    def _on_options(self, response: Response) -> None:
        # Some cameras do not know OPTIONS; what they say to DESCRIBE counts.
        if "GET_PARAMETER" in response.headers.get("Public").upper():
            self._keepalive_method = "GET_PARAMETER"
        headers = [("Accept", "application/sdp"), *self.describe_headers]
        self._send("DESCRIBE", self.url, self._on_describe, headers=headers)

    def _on_describe(self, response: Response) -> None:
        try:
            session = sdp.parse(response.body)
            self.plans = self.choose(session)
        except sdp.SdpError as error:
            self._fail(FailureCode.PROTOCOL, f"the camera's description is unreadable: {error}")
            return
        except NoVideoError as error:
            self._fail(FailureCode.NO_VIDEO, str(error))
            return
        self._base_url = self.url
        for name in ("Content-Base", "Content-Location"):
            value = response.headers.get(name).strip()
            if value.lower().startswith("rtsp://"):
                self._base_url = value
                break
        self._control_url = sdp.resolve_control(self._base_url, session.control)
        self._events.append(Described(self.plans))

    def _setup_next(self) -> None:
        index = len(self._transports)
        plan = self.plans[index]
        url = sdp.resolve_control(self._setup_base(), plan.control)
        if self._client_ports is None:
            value = f"RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}"
        else:
            first, second = self._client_ports[index]
            value = f"RTP/AVP;unicast;client_port={first}-{second}"
        headers = [("Transport", value), *self.setup_headers]
        self._send("SETUP", url, self._on_setup, headers=headers)

    def _setup_base(self) -> str:
        """Relative controls hang below the session's own control where that is a path or URL."""
        return self._control_url or self._base_url

    def _on_setup(self, response: Response) -> None:
        session, _, parameters = response.headers.get("Session").partition(";")
        if session.strip():
            self.session_id = session.strip()
        given = re.search(r"timeout\s*=\s*(\d{1,6})", parameters, re.IGNORECASE)
        if given:
            self._timeout_s = max(int(given[1]) or _DEFAULT_TIMEOUT_S, 2)
        index = len(self._transports)
        transport = _parse_transport(response.headers.get("Transport"), index, self.tcp)
        if transport is None:
            kind = "TCP" if self.tcp else "UDP"
            self._fail(FailureCode.TRANSPORT, f"the camera does not send by {kind}")
            return
        used = {one.rtp_channel for one in self._transports}
        if self.tcp and transport.rtp_channel in used:
            self._fail(FailureCode.PROTOCOL, "the camera gives two tracks the same channel")
            return
        self._transports.append(transport)
        if len(self._transports) < len(self.plans):
            self._setup_next()
        else:
            self._events.append(SetUp(self._transports))

    def _on_play(self, response: Response) -> None:
        # A third of the time-out: two keep-alives may be lost on the way.
        self._events.append(Playing(max(1.0, min(self._timeout_s / 3, 30.0))))

    def _on_keepalive_refused(self, response: Response) -> None:
        if response.status == 454:
            self.finished = True
            self._events.append(Ended())
        elif self._keepalive_method != "OPTIONS":
            self._keepalive_method = "OPTIONS"

    def _on_request(self, request: Request) -> None:
        """Cameras may ask as well (RFC 2326 §10): answer politely."""
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN")
        reply = Response(200, "OK") if known else Response(501, "Not Implemented")
        reply.headers.add("CSeq", _one_line(request.headers.get("CSeq", "0")))
        self._out.append(reply.to_bytes())
        if request.method in ("TEARDOWN", "REDIRECT"):
            self.finished = True
            self._events.append(Ended())

    def _fail(self, code: FailureCode, line: str) -> None:
        if not self.finished:
            self.finished = True
            self._events.append(Failed(code, _one_line(line)))


def _parse_transport(value: str, index: int, tcp: bool) -> TrackTransport | None:
    """What a SETUP's answer says; None when the camera chose another way than we asked for."""
    if tcp:
        channels = _INTERLEAVED.search(value)
        if channels is None:
            if "client_port" in value.lower() or "multicast" in value.lower():
                return None
            return TrackTransport(2 * index, 2 * index + 1)
        first = int(channels[1])
        second = int(channels[2]) if channels[2] else first + 1
        if first > 255 or second > 255:
            return None
        return TrackTransport(first, second)
    if "interleaved" in value.lower() or "/tcp" in value.lower():
        return None
    ports = _SERVER_PORT.search(value)
    source = _SOURCE.search(value)
    first = int(ports[1]) if ports else 0
    second = int(ports[2]) if ports and ports[2] else first + 1 if first else 0
    if first > 65535 or second > 65535:
        return None
    return TrackTransport(
        server_rtp_port=first, server_rtcp_port=second, source=source[1] if source else ""
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
