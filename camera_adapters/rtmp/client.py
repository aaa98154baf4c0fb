"""The client's half that plays (Adobe RTMP 1.0, §7.2): connect, createStream, play."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from camera_adapters.rtmp import amf0
from camera_adapters.rtmp.chunks import AUDIO, VIDEO, RtmpError
from camera_adapters.rtmp.connection import Connection, command_of
from camera_adapters.rtmp.server import Media

DEFAULT_PORT = 1935
_CONNECT, _CREATE_STREAM = 1.0, 2.0


@dataclass(frozen=True, slots=True)
class RtmpAddress:
    """Where and what to play; ``application`` and ``name`` keep their queries."""

    host: str
    port: int
    application: str
    name: str
    tc_url: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not play that; ``code`` as in :mod:`camera_adapters.retrying`."""

    code: str
    line: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream is over."""


Event = Media | Refused | Ended


def parse_rtmp_url(url: str) -> RtmpAddress:
    """Read ``rtmp://HOST[:PORT]/APPLICATION[/INSTANCE]/NAME``. Raises ValueError."""
    parts = urlsplit(url)
    path, _, query = url.partition("://")[2].partition("/")[2].partition("?")
    application, slash, name = path.rpartition("/")
    if parts.scheme != "rtmp" or not parts.hostname:
        raise ValueError("the address must begin with rtmp://HOST/")
    if not slash or not application or not name:
        raise ValueError("the address must name application and stream: rtmp://HOST/live/NAME")
    port = parts.port or DEFAULT_PORT
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    tc_url = f"rtmp://{host}:{port}/{application}"
    name = f"{unquote(name)}?{query}" if query else unquote(name)
    return RtmpAddress(parts.hostname, port, application, name, tc_url)


class RtmpClient:
    """One connection; as :class:`~camera_adapters.rtmp.server.RtmpServer`, the other way round."""

    def __init__(self, address: RtmpAddress) -> None:
        self.playing = False
        self._address = address
        self._connection = Connection(client=True)
        self._connected = False
        self._stream_id = 0

    def data_to_send(self) -> bytes:
        """What has to go out now."""
        return self._connection.data_to_send()

    def receive(self, data: bytes) -> list[Event]:
        """The next bytes. Raises RtmpError."""
        events: list[Event] = []
        messages = self._connection.receive(data)
        if self._connection.shaken and not self._connected:
            self._connected = True
            self._connect()
        for message in messages:
            if message.kind in (AUDIO, VIDEO):
                events.append(Media(message.kind, message.timestamp_ms, message.body))
                continue
            values = command_of(message)
            if values is not None:
                self._on_command(values, events)
        return events

    def _connect(self) -> None:
        self._connection.announce()
        self._connection.command(
            "connect",
            _CONNECT,
            {
                "app": self._address.application,
                "flashVer": "LNX 9,0,124,2",
                "tcUrl": self._address.tc_url,
                "fpad": False,
                "capabilities": 15.0,
                "audioCodecs": 4071.0,
                "videoCodecs": 252.0,
                "videoFunction": 1.0,
                "fourCcList": ["avc1", "hvc1", "mp4a", "Opus"],
            },
        )

    def _on_command(self, values: list[amf0.Value], events: list[Event]) -> None:
        match values[0], values[1]:
            case "_result", 1.0:
                self._connection.command("createStream", _CREATE_STREAM, None)
            case "_result", 2.0:
                number = values[3] if len(values) > 3 else None
                if not isinstance(number, float) or not 0 <= number < 1 << 32:
                    raise RtmpError("the server made no stream")
                self._stream_id = int(number)
                self._connection.command(
                    "play", 0.0, None, self._address.name, -2000.0, stream_id=self._stream_id
                )
            case "_error", _:
                events.append(Refused("refused", f"the server refuses: {_described(values)}"))
            case "onStatus", _:
                self._on_status(values, events)
            case "close", _:
                events.append(Ended())

    def _on_status(self, values: list[amf0.Value], events: list[Event]) -> None:
        status = values[3] if len(values) > 3 else None
        code = status.get("code") if isinstance(status, dict) else None
        match code:
            case "NetStream.Play.Start":
                self.playing = True
            case "NetStream.Play.StreamNotFound":
                events.append(Refused("not_found", "the server has no stream of this name"))
            case "NetStream.Play.Failed" | "NetConnection.Connect.Rejected":
                events.append(Refused("refused", f"the server refuses: {_described(values)}"))
            case "NetStream.Play.Stop" | "NetStream.Play.UnpublishNotify":
                events.append(Ended())


def _described(values: list[amf0.Value]) -> str:
    for value in values[2:]:
        if isinstance(value, dict):
            text = value.get("description") or value.get("code")
            if isinstance(text, str):
                return text[:200]
    return "no reason given"
