"""What both ends of an RTMP connection share: the handshake, control messages, commands."""

from __future__ import annotations

import os

from camera_adapters.rtmp import amf0, chunks
from camera_adapters.rtmp.chunks import ChunkReader, ChunkWriter, Message, RtmpError

_VERSION = 3
_HANDSHAKE_BYTES = 1536
_OUR_CHUNK_BYTES = 4096
_OUR_WINDOW_BYTES = 2_500_000
_PING_REQUEST = 6
_PING_RESPONSE = 7


class Connection:
    """Bytes in, messages out: handshake (§5.2) done, pings answered, bytes acknowledged.

    ``to_send`` gathers what has to go out; take it with :meth:`data_to_send`.
    """

    def __init__(self, *, client: bool) -> None:
        self._client = client
        self._reader = ChunkReader()
        self._writer = ChunkWriter()
        self._out: list[bytes] = []
        self._rest = b""
        # Of C0, C1 and C2 (S0, S1, S2): how many bytes still have to come.
        self._version_seen = False
        self._first: bytes = b""
        self._shaken = False
        self._window_bytes = 0
        self._acknowledged = 0
        if client:
            self._out.append(bytes((_VERSION,)) + bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8))

    @property
    def shaken(self) -> bool:
        """Whether the handshake is over."""
        return self._shaken

    def data_to_send(self) -> bytes:
        """What has to go out now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def receive(self, data: bytes) -> list[Message]:
        """The next bytes; gives messages that are for the layer above. Raises RtmpError."""
        if not self._shaken:
            data = self._shake(data)
            if not self._shaken:
                return []
        messages = [one for one in self._reader.receive(data) if not self._is_control(one)]
        if self._window_bytes and self._reader.octets - self._acknowledged >= self._window_bytes:
            self._acknowledged = self._reader.octets
            count = self._acknowledged & 0xFFFFFFFF
            self.send(chunks.ACKNOWLEDGEMENT, count.to_bytes(4, "big"), chunk_stream=2)
        return messages

    def send(self, kind: int, body: bytes, *, stream_id: int = 0, chunk_stream: int = 3) -> None:
        """Queue a message."""
        self._out.append(
            self._writer.message(kind, body, stream_id=stream_id, chunk_stream=chunk_stream)
        )

    def command(self, *values: amf0.Value, stream_id: int = 0) -> None:
        """Queue a command (§7.1.1): its name, transaction number, object, arguments."""
        self.send(chunks.COMMAND_AMF0, amf0.encode(*values), stream_id=stream_id)

    def announce(self) -> None:
        """Tell our window and chunk size."""
        window = _OUR_WINDOW_BYTES.to_bytes(4, "big")
        self.send(chunks.WINDOW_SIZE, window, chunk_stream=2)
        if not self._client:
            self.send(chunks.PEER_BANDWIDTH, window + b"\x02", chunk_stream=2)
        self.send(chunks.SET_CHUNK_SIZE, _OUR_CHUNK_BYTES.to_bytes(4, "big"), chunk_stream=2)
        self._writer.chunk_bytes = _OUR_CHUNK_BYTES

    def _shake(self, data: bytes) -> bytes:
        """C0 C1 C2, or S0 S1 S2: plain, as every encoder accepts it; gives what comes behind."""
        self._rest += data
        if not self._version_seen:
            if not self._rest:
                return b""
            if self._rest[0] != _VERSION:
                raise RtmpError("the peer does not begin as RTMP does")
            self._version_seen = True
            self._rest = self._rest[1:]
        if not self._first:
            if len(self._rest) < _HANDSHAKE_BYTES:
                return b""
            self._first = self._rest[:_HANDSHAKE_BYTES]
            self._rest = self._rest[_HANDSHAKE_BYTES:]
            if not self._client:
                ours = bytes(8) + os.urandom(_HANDSHAKE_BYTES - 8)
                self._out.append(bytes((_VERSION,)) + ours + self._first)
            else:
                self._out.append(self._first)
        if len(self._rest) < _HANDSHAKE_BYTES:
            return b""
        data, self._rest = self._rest[_HANDSHAKE_BYTES:], b""
        self._shaken = True
        return data

    def _is_control(self, message: Message) -> bool:
        match message.kind:
            case chunks.SET_CHUNK_SIZE | chunks.ABORT | chunks.ACKNOWLEDGEMENT:
                return True
            case chunks.PEER_BANDWIDTH:
                return True
            case chunks.WINDOW_SIZE:
                self._window_bytes = int.from_bytes(message.body[:4], "big")
                return True
            case chunks.USER_CONTROL:
                if int.from_bytes(message.body[:2], "big") == _PING_REQUEST:
                    body = _PING_RESPONSE.to_bytes(2, "big") + message.body[2:6]
                    self.send(chunks.USER_CONTROL, body, chunk_stream=2)
                return True
        return False


def command_of(message: Message) -> list[amf0.Value] | None:
    """The values of a command; None for other messages. Raises RtmpError."""
    body = message.body
    if message.kind == chunks.COMMAND_AMF3:
        body = body[1:]
    elif message.kind != chunks.COMMAND_AMF0:
        return None
    try:
        values = amf0.decode(body)
    except amf0.AmfError as error:
        raise RtmpError(f"a command cannot be read: {error}") from None
    if len(values) < 2 or not isinstance(values[0], str):
        raise RtmpError("a command without a name")
    return values
