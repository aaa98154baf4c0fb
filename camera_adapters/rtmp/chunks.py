"""RTMP's chunk stream (Adobe RTMP 1.0, §5.3): bytes in, messages out, and back."""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_BYTES_LIMIT = 8 * 1024 * 1024
CHUNK_BYTES_LIMIT = 16 * 1024 * 1024
_CHUNK_STREAMS_LIMIT = 64
_EXTENDED = 0xFFFFFF
_HEADER_BYTES = (11, 7, 3, 0)

SET_CHUNK_SIZE = 1
ABORT = 2
ACKNOWLEDGEMENT = 3
USER_CONTROL = 4
WINDOW_SIZE = 5
PEER_BANDWIDTH = 6
AUDIO = 8
VIDEO = 9
DATA_AMF0 = 18
COMMAND_AMF3 = 17
COMMAND_AMF0 = 20


class RtmpError(ValueError):
    """The peer does not speak RTMP as it should; the message says how."""


@dataclass(slots=True)
class Message:
    """One message. ``timestamp_ms`` counts modulo 2^32."""

    kind: int
    timestamp_ms: int
    stream_id: int
    body: bytes


@dataclass(slots=True)
class _ChunkStream:
    """What a chunk's short header leaves out, and the message that is coming in."""

    timestamp_ms: int = 0
    delta_ms: int = 0
    length: int = 0
    kind: int = 0
    stream_id: int = 0
    extended: bool = False
    # Known only behind the first whole header.
    known: bool = False
    pieces: list[bytes] | None = None
    wanted: int = 0


class ChunkReader:
    """Takes one direction's bytes behind the handshake.

    Set Chunk Size and Abort are obeyed here, and given out like the others. Memory is bounded: one
    message by MESSAGE_BYTES_LIMIT, all that are open together too.
    """

    def __init__(self) -> None:
        self.octets = 0
        self._rest = bytearray()
        self._chunk_bytes = 128
        self._streams: dict[int, _ChunkStream] = {}
        self._open_bytes = 0

    def receive(self, data: bytes) -> list[Message]:
        """Take the next bytes; give the messages that became whole. Raises RtmpError."""
        self.octets += len(data)
        self._rest += data
        messages: list[Message] = []
        position = 0
        while (following := self._chunk(position, messages)) >= 0:
            position = following
        if position:
            del self._rest[:position]
        return messages

    def _chunk(self, position: int, messages: list[Message]) -> int:
        """Read the chunk that begins at ``position``; gives its end, -1 while it is not whole."""
        rest, end = self._rest, len(self._rest)
        if position >= end:
            return -1
        form, number = rest[position] >> 6, rest[position] & 0x3F
        position += 1
        if number < 2:
            if position + number + 1 > end:
                return -1
            extra = int.from_bytes(rest[position : position + number + 1], "little")
            position += number + 1
            number = extra + 64
        header_end = position + _HEADER_BYTES[form]
        if header_end > end:
            return -1
        stream = self._streams.get(number) or _ChunkStream()
        if form and not stream.known:
            raise RtmpError("a chunk refers to a header that never came")
        header = bytes(rest[position:header_end])
        field = int.from_bytes(header[:3], "big") if form < 3 else 0
        extended = field == _EXTENDED if form < 3 else stream.extended
        position = header_end
        if extended:
            if position + 4 > end:
                return -1
            field = int.from_bytes(rest[position : position + 4], "big")
            position += 4
        starts = stream.pieces is None
        length = int.from_bytes(header[3:6], "big") if form < 2 else stream.length
        wanted = length if starts or form < 3 else stream.wanted
        body_end = position + min(wanted, self._chunk_bytes)
        if body_end > end:
            if length > MESSAGE_BYTES_LIMIT:
                raise RtmpError(f"a message of {length} bytes")
            return -1
        self._note_header(stream, form, header, field, extended, starts)
        if number not in self._streams:
            if len(self._streams) >= _CHUNK_STREAMS_LIMIT:
                raise RtmpError("too many chunk streams")
            self._streams[number] = stream
        self._add(stream, bytes(rest[position:body_end]), messages)
        return body_end

    def _note_header(
        self,
        stream: _ChunkStream,
        form: int,
        header: bytes,
        field: int,
        extended: bool,
        starts: bool,
    ) -> None:
        if form < 3 and not starts:
            # A new header in the middle of a message: what was open is lost.
            self._forget(stream)
            starts = True
        stream.extended = extended
        if form < 2:
            stream.length = int.from_bytes(header[3:6], "big")
            stream.kind = header[6]
            if stream.length > MESSAGE_BYTES_LIMIT:
                raise RtmpError(f"a message of {stream.length} bytes")
        if form == 0:
            stream.stream_id = int.from_bytes(header[7:11], "little")
            stream.timestamp_ms = field
            # §5.3.1.2.4: what follows with no header at all is later by as much again.
            stream.delta_ms = field
            stream.known = True
        elif form < 3:
            stream.delta_ms = field
        if starts:
            if form:
                stream.timestamp_ms = stream.timestamp_ms + stream.delta_ms & 0xFFFFFFFF
            stream.pieces = []
            stream.wanted = stream.length

    def _add(self, stream: _ChunkStream, piece: bytes, messages: list[Message]) -> None:
        assert stream.pieces is not None
        stream.pieces.append(piece)
        stream.wanted -= len(piece)
        self._open_bytes += len(piece)
        if self._open_bytes > 2 * MESSAGE_BYTES_LIMIT:
            raise RtmpError("too many messages are open at once")
        if stream.wanted:
            return
        body = b"".join(stream.pieces)
        self._forget(stream)
        message = Message(stream.kind, stream.timestamp_ms, stream.stream_id, body)
        if stream.kind == SET_CHUNK_SIZE and len(body) >= 4:
            size = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
            if not 1 <= size <= CHUNK_BYTES_LIMIT:
                raise RtmpError(f"a chunk size of {size}")
            self._chunk_bytes = size
        elif stream.kind == ABORT and len(body) >= 4:
            aborted = self._streams.get(int.from_bytes(body[:4], "big"))
            if aborted is not None:
                self._forget(aborted)
        messages.append(message)

    def _forget(self, stream: _ChunkStream) -> None:
        if stream.pieces is not None:
            self._open_bytes -= sum(map(len, stream.pieces))
            stream.pieces = None


class ChunkWriter:
    """Makes one direction's bytes. ``chunk_bytes`` was told to the peer by Set Chunk Size."""

    def __init__(self) -> None:
        self.chunk_bytes = 128

    def message(
        self,
        kind: int,
        body: bytes,
        *,
        timestamp_ms: int = 0,
        stream_id: int = 0,
        chunk_stream: int,
    ) -> bytes:
        """A message in chunks, each time with a whole header."""
        time = timestamp_ms & 0xFFFFFFFF
        extended = time.to_bytes(4, "big") if time >= _EXTENDED else b""
        head = bytes((chunk_stream,)) + min(time, _EXTENDED).to_bytes(3, "big")
        head += len(body).to_bytes(3, "big") + bytes((kind,)) + stream_id.to_bytes(4, "little")
        pieces = [head, extended, body[: self.chunk_bytes]]
        for start in range(self.chunk_bytes, len(body), self.chunk_bytes):
            pieces += (bytes((0xC0 | chunk_stream,)), extended)
            pieces.append(body[start : start + self.chunk_bytes])
        return b"".join(pieces)
