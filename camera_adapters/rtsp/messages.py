"""RTSP 1.0 messages as bytes (RFC 2326 §4–§7, §10.12), for the client's side and the server's.

Sans-IO: :func:`parse_message` reads one message out of a buffer, :class:`MessageParser` cuts a
connection's bytes into requests, responses and interleaved frames. Every size is bounded, so that a
peer can cost no more memory than the limits below.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HEADER_BYTES_LIMIT = 16 * 1024
BODY_BYTES_LIMIT = 256 * 1024
# Garbage between two messages is skipped, but a peer that sends nothing else is given up.
GARBAGE_BYTES_LIMIT = 64 * 1024

INTERLEAVED_MAGIC = 0x24

_MESSAGE_START = re.compile(rb"RTSP/1\.\d \d{3}|[A-Z_]{3,20} \S{1,4096} RTSP/1\.\d")
_STATUS_LINE = re.compile(rb"RTSP/\d\.\d +(\d{3})(?: +(.*))?")
_REQUEST_LINE = re.compile(rb"([A-Z_]{3,20}) +(\S+) +RTSP/\d\.\d")


class MessageError(ValueError):
    """The peer's bytes cannot be RTSP; the connection is of no more use."""


class Headers:
    """Header fields: names without regard to case, repeated fields kept, order kept."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)

    def get(self, name: str, default: str = "") -> str:
        """The first field of this name."""
        wanted = name.lower()
        return next((value for key, value in self._fields if key.lower() == wanted), default)

    def get_all(self, name: str) -> list[str]:
        """Every field of this name, in order."""
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        self._fields.append((name, value))

    def __contains__(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass(slots=True)
class Request:
    """A request (RFC 2326 §6). ``url`` is as it came: absolute, or ``*``."""

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The request on the wire; Content-Length is added when there is a body."""
        return _serialise(f"{self.method} {self.url} RTSP/1.0", self.headers, self.body)


@dataclass(slots=True)
class Response:
    """A response (RFC 2326 §7)."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The response on the wire; Content-Length is added when there is a body."""
        return _serialise(f"RTSP/1.0 {self.status} {self.reason}", self.headers, self.body)


@dataclass(slots=True)
class InterleavedFrame:
    """One packet inside the connection (RFC 2326 §10.12)."""

    channel: int
    payload: bytes


Message = Request | Response


def parse_message(data: bytes, position: int = 0) -> tuple[Message, int] | None:
    """The message that starts at ``position``, and where it ends; None while it is incomplete.

    Bare line feeds and folded header lines are understood. Raises MessageError for what is no
    message and for what passes a limit.
    """
    found = _header_end(data, position)
    if found is None:
        if len(data) - position > HEADER_BYTES_LIMIT:
            raise MessageError(f"a header of more than {HEADER_BYTES_LIMIT} bytes")
        return None
    header_end, body_start = found
    if body_start - position > HEADER_BYTES_LIMIT:
        raise MessageError(f"a header of more than {HEADER_BYTES_LIMIT} bytes")
    lines = data[position:header_end].replace(b"\r\n", b"\n").split(b"\n")
    headers = _parse_headers(lines[1:])
    body_end = body_start + _content_length(headers)
    if status := _STATUS_LINE.match(lines[0]):
        code, reason = status.groups(b"")
        message: Message = Response(int(code), _text(reason), headers)
    elif request := _REQUEST_LINE.match(lines[0]):
        message = Request(_text(request[1]), _text(request[2]), headers)
    else:
        raise MessageError(f"not an RTSP message: {lines[0][:60]!r}")
    if body_end > len(data):
        return None
    message.body = data[body_start:body_end]
    return message, body_end


def is_message_start(data: bytes, position: int = 0) -> bool | None:
    """Whether a message starts here; None when there are too few bytes to tell."""
    if _MESSAGE_START.match(data, position):
        return True
    head = data[position : position + 24]
    if b"RTSP/1.".startswith(head[:7]):
        return None if len(head) < 12 else False
    if re.match(rb"[A-Z_]{1,20}$|[A-Z_]{3,20} [^\r\n]*$", data[position : position + 4200]):
        return None
    return False


def find_resumption(data: bytes, position: int, channels: Iterable[int]) -> int:
    """After garbage: where the next message, or frame of one of ``channels``, may start.

    A frame counts only with RTP's or RTCP's version bits behind its length. Returns ``len(data)``,
    less the few bytes that may be the beginning of one, when there is none.
    """
    known = bytes(channels)
    frame = (
        re.compile(rb"\$[" + re.escape(known) + rb"]..[\x80-\xbf]", re.DOTALL) if known else None
    )
    places = [
        match.start()
        for match in (
            _MESSAGE_START.search(data, position),
            frame.search(data, position) if frame else None,
        )
        if match
    ]
    if places:
        return min(places)
    return max(position, len(data) - 12)


class MessageParser:
    """Cuts one connection's bytes into requests, responses and interleaved frames.

    :meth:`receive` raises MessageError when the peer passes a limit; the parser is then of no more
    use. ``garbage_bytes`` counts what was skipped between messages.
    """

    __slots__ = ("_buffer", "garbage_bytes")

    def __init__(self) -> None:
        self._buffer = b""
        self.garbage_bytes = 0

    def receive(self, data: bytes) -> list[Message | InterleavedFrame]:
        """Take the next bytes of the connection; returns what they completed, in order."""
        buffer = self._buffer + data if self._buffer else data
        position, end = 0, len(buffer)
        found: list[Message | InterleavedFrame] = []
        while position < end:
            first = buffer[position]
            if first == INTERLEAVED_MAGIC:
                if end - position < 4:
                    break
                following = (
                    position + 4 + int.from_bytes(buffer[position + 2 : position + 4], "big")
                )
                if following > end:
                    break
                frame = InterleavedFrame(buffer[position + 1], buffer[position + 4 : following])
                found.append(frame)
                position = following
                continue
            if first in b"\r\n":  # Blank lines before a message are allowed (RFC 2326 §4.1).
                position += 1
                continue
            starts = is_message_start(buffer, position)
            if starts is None:
                if end - position > HEADER_BYTES_LIMIT:
                    raise MessageError(f"a header of more than {HEADER_BYTES_LIMIT} bytes")
                break
            if not starts:
                resumed = find_resumption(buffer, position + 1, range(256))
                self._count_garbage(resumed - position)
                position = resumed
                if end - position <= 12:
                    break
                continue
            parsed = parse_message(buffer, position)
            if parsed is None:
                break
            message, position = parsed
            found.append(message)
        self._buffer = buffer[position:]
        return found

    def _count_garbage(self, count: int) -> None:
        self.garbage_bytes += count
        if self.garbage_bytes > GARBAGE_BYTES_LIMIT:
            raise MessageError("the peer sends garbage instead of RTSP")


def _header_end(data: bytes, position: int) -> tuple[int, int] | None:
    limit = position + HEADER_BYTES_LIMIT + 4
    candidates = []
    for blank in (b"\r\n\r\n", b"\n\n", b"\n\r\n"):
        at = data.find(blank, position, limit)
        if at >= 0:
            candidates.append((at, at + len(blank)))
    return min(candidates) if candidates else None


def _parse_headers(lines: list[bytes]) -> Headers:
    fields: list[tuple[str, str]] = []
    for raw in lines:
        # A lone carriage return ends no line, and must not get into a request made of this value.
        line = raw.replace(b"\r", b" ")
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {_text(line.strip())}")
            continue
        key, colon, rest = line.partition(b":")
        if colon:
            fields.append((_text(key.strip()), _text(rest.strip())))
    return Headers(fields)


def _content_length(headers: Headers) -> int:
    text = headers.get("Content-Length", "0").strip() or "0"
    if not text.isascii() or not text.isdigit():
        raise MessageError(f"Content-Length is not a number: {text[:40]!r}")
    if len(text) > 9 or int(text) > BODY_BYTES_LIMIT:
        raise MessageError(f"a body of {text[:20]} bytes; the limit is {BODY_BYTES_LIMIT}")
    return int(text)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _serialise(first_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [first_line, *(f"{name}: {value}" for name, value in headers)]
    if body and "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break inside an RTSP header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
