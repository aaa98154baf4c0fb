"""The server's half for those who publish (Adobe RTMP 1.0, §7.2): bytes in, events out.

One connection publishes one stream. Whoever wants to play is refused: that is what the console, and
RTSP restreams, are for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs

from camera_adapters.rtmp import amf0
from camera_adapters.rtmp.chunks import AUDIO, VIDEO, RtmpError
from camera_adapters.rtmp.connection import Connection, command_of

_STREAM_ID = 1
_TEXT_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class PublishAsked:
    """Somebody wants to publish: answer with :meth:`RtmpServer.accept` or ``refuse``."""

    application: str
    name: str
    key: str = field(repr=False)


@dataclass(slots=True)
class Media:
    """A body as FLV has it; ``kind`` as there: 8 sound, 9 pictures."""

    kind: int
    timestamp_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The publisher says that it is done."""


Event = PublishAsked | Media | PublishEnded


class RtmpServer:
    """One connection. Events of :meth:`receive` are in order; what has to go out is in
    :meth:`data_to_send`. Raises RtmpError where the peer makes no sense: close it then.
    """

    def __init__(self) -> None:
        self.publishing = False
        self._connection = Connection(client=False)
        self._application = ""
        self._application_query = ""
        self._asked = False

    @property
    def shaken(self) -> bool:
        """Whether the handshake is over."""
        return self._connection.shaken

    def data_to_send(self) -> bytes:
        """What has to go out now."""
        return self._connection.data_to_send()

    def receive(self, data: bytes) -> list[Event]:
        """The next bytes. Raises RtmpError."""
        events: list[Event] = []
        for message in self._connection.receive(data):
            if message.kind in (AUDIO, VIDEO):
                if self.publishing:
                    events.append(Media(message.kind, message.timestamp_ms, message.body))
                continue
            values = command_of(message)
            if values is not None:
                self._on_command(values, events)
        return events

    def accept(self) -> None:
        """Let them publish."""
        self.publishing = True
        stream = _STREAM_ID.to_bytes(4, "big")
        self._connection.send(4, b"\x00\x00" + stream, chunk_stream=2)
        self._status("status", "NetStream.Publish.Start", "publishing")

    def refuse(self, why: str) -> None:
        """Say no; close the connection once that is sent."""
        self._status("error", "NetStream.Publish.BadName", why)

    def _status(self, level: str, code: str, description: str) -> None:
        self._connection.command(
            "onStatus",
            0.0,
            None,
            {"level": level, "code": code, "description": description},
            stream_id=_STREAM_ID,
        )

    def _on_command(self, values: list[amf0.Value], events: list[Event]) -> None:
        name, transaction = values[0], values[1]
        match name:
            case "connect":
                self._on_connect(values, transaction)
            case "createStream":
                self._connection.command("_result", transaction, None, float(_STREAM_ID))
            case "publish":
                self._on_publish(values, events)
            case "play":
                self._status("error", "NetStream.Play.Failed", "nothing is played here")
                raise RtmpError("somebody wants to play, and not to publish")
            case "deleteStream" | "closeStream" | "FCUnpublish":
                if self.publishing:
                    self.publishing = False
                    events.append(PublishEnded())
            case "releaseStream" | "FCPublish" | "getStreamLength" | "_checkbw":
                self._connection.command("_result", transaction, None, None)

    def _on_connect(self, values: list[amf0.Value], transaction: amf0.Value) -> None:
        described = values[2] if len(values) > 2 else None
        application = described.get("app") if isinstance(described, dict) else None
        if not isinstance(application, str) or len(application) > _TEXT_LIMIT:
            raise RtmpError("the connect command names no application")
        self._application, _, self._application_query = application.partition("?")
        self._application = self._application.strip("/")
        self._connection.announce()
        self._connection.command(
            "_result",
            transaction,
            {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31.0},
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "connected",
                "objectEncoding": 0.0,
                # Enhanced RTMP: what may be sent here.
                "fourCcList": ["avc1", "hvc1", "mp4a"],
            },
        )

    def _on_publish(self, values: list[amf0.Value], events: list[Event]) -> None:
        if self._asked:
            raise RtmpError("one connection publishes once")
        self._asked = True
        text = values[3] if len(values) > 3 else None
        if not isinstance(text, str) or len(text) > _TEXT_LIMIT:
            raise RtmpError("the publish command names no stream")
        # Encoders put rtmp://host/push/NAME?key=… together in either way.
        name, _, query = text.partition("?")
        application, _, rest = self._application.partition("/")
        if not name and rest:
            name = rest
        key = _key(query) or _key(self._application_query)
        events.append(PublishAsked(application, name.strip("/"), key))


def _key(query: str) -> str:
    try:
        return parse_qs(query, max_num_fields=16).get("key", [""])[0]
    except ValueError:
        return ""
