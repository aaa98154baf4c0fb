"""SIP messages as bytes (RFC 3261 §7, §20), and their framing on a stream (§18.3).

Sans-IO. Every size is bounded, so that a peer can cost no more memory than the limits below. Bodies
are bytes: GB/T 28181 writes GB18030 into them, and an SDP is read by those who asked for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HEADER_BYTES_LIMIT = 16 * 1024
HEADER_COUNT_LIMIT = 100
LINE_BYTES_LIMIT = 4096
BODY_BYTES_LIMIT = 256 * 1024
# What a UDP datagram can carry at all.
DATAGRAM_BYTES_LIMIT = 65_535

_STATUS_LINE = re.compile(rb"SIP/2\.0 +([1-6]\d\d)(?: +(.*))?", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"([A-Za-z]{2,20}) +(\S+) +SIP/2\.0 *", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\r?\n")
_KEEPALIVE = re.compile(rb"[\r\n\x00]*")

# RFC 3261 §7.3.3, RFC 3265 §7.2, RFC 3515 §2.1.
_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
}

REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    202: "Accepted",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    603: "Decline",
}


class MessageError(ValueError):
    """The bytes are no SIP message, or pass a limit. ``status`` is what a request deserves."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Headers:
    """Header fields: names without regard to case or compact form, repeated fields in order.

    The order of fields of different names is that of their first appearance.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self.add(name, value)

    def get(self, name: str, default: str = "") -> str:
        """The first field of this name."""
        found = self._fields.get(_key(name))
        return found[0] if found else default

    def get_all(self, name: str) -> list[str]:
        """Every field of this name, in order; several values in one field are not parted."""
        return list(self._fields.get(_key(name), ()))

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        self._fields.setdefault(_key(name), []).append(value)

    def insert(self, name: str, value: str) -> None:
        """Put a field before the others of its name."""
        self._fields.setdefault(_key(name), []).insert(0, value)

    def set(self, name: str, value: str) -> None:
        """Put one field in the place of all of this name."""
        self._fields[_key(name)] = [value]

    def replace_first(self, name: str, value: str) -> None:
        """Exchange the first field of this name; KeyError when there is none."""
        self._fields[_key(name)][0] = value

    def remove(self, name: str) -> None:
        """Drop every field of this name."""
        self._fields.pop(_key(name), None)

    def copy(self) -> Headers:
        """A copy that can be changed apart from this one."""
        made = Headers()
        made._fields = {name: values.copy() for name, values in self._fields.items()}
        return made

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._fields

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, values in self._fields.items():
            for value in values:
                yield name, value

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


@dataclass(slots=True)
class SipRequest:
    """A request (RFC 3261 §7.1). ``uri`` is as it came; see :mod:`camera_adapters.sip.fields`."""

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The request on the wire, with Content-Length. ValueError for a line break in a field."""
        return _serialise(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(slots=True)
class SipResponse:
    """A response (RFC 3261 §7.2)."""

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """The response on the wire, with Content-Length. ValueError for a line break in a field."""
        reason = self.reason or REASONS.get(self.status, "Unknown")
        return _serialise(f"SIP/2.0 {self.status} {reason}", self.headers, self.body)


Message = SipRequest | SipResponse


def parse_datagram(data: bytes) -> Message | None:
    """The message in one datagram; None for the blank lines that keep a NAT open (RFC 5626 §4.4.1).

    Without a Content-Length the body goes to the datagram's end; bytes behind it are ignored (RFC
    3261 §18.3). Raises MessageError.
    """
    start = _after_blank_lines(data)
    if start == len(data):
        return None
    found = _BLANK_LINE.search(data, start, start + HEADER_BYTES_LIMIT)
    if found is None:
        if len(data) - start > HEADER_BYTES_LIMIT:
            raise MessageError(f"a header of more than {HEADER_BYTES_LIMIT} bytes", 513)
        raise MessageError("the header has no end")
    message = _parse_head(data[start : found.start()])
    length = _content_length(message.headers)
    body = data[found.end() :]
    if length is not None:
        if length > len(body):
            raise MessageError(f"a body of {len(body)} bytes where {length} are announced")
        body = body[:length]
    message.body = body
    return message


class StreamParser:
    """Cuts a TCP connection's bytes into messages by Content-Length (RFC 3261 §18.3).

    :meth:`receive` raises MessageError when the peer passes a limit, sends what is no SIP, or no
    Content-Length with a body; the parser is then of no more use.
    """

    __slots__ = ("_buffer", "_head", "_missing")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Message | None = None
        self._missing = 0

    def receive(self, data: bytes) -> list[Message]:
        """Take the next bytes of the connection; returns the messages they completed, in order."""
        buffer = self._buffer
        buffer += data
        found: list[Message] = []
        position = 0
        while True:
            if self._head is None:
                position = _after_blank_lines(buffer, position)
                end = _BLANK_LINE.search(buffer, position, position + HEADER_BYTES_LIMIT)
                if end is None:
                    if len(buffer) - position > HEADER_BYTES_LIMIT:
                        raise MessageError(f"a header of more than {HEADER_BYTES_LIMIT} bytes")
                    break
                self._head = _parse_head(bytes(buffer[position : end.start()]))
                self._missing = _content_length(self._head.headers) or 0
                position = end.end()
            if len(buffer) - position < self._missing:
                break
            message, self._head = self._head, None
            message.body = bytes(buffer[position : position + self._missing])
            position += self._missing
            found.append(message)
        del buffer[:position]
        return found


def _after_blank_lines(data: bytes | bytearray, position: int = 0) -> int:
    match = _KEEPALIVE.match(data, position)
    return match.end() if match else position


def _parse_head(head: bytes) -> Message:
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    headers = _parse_headers(lines)
    first = lines[0]
    if len(first) > LINE_BYTES_LIMIT:
        raise MessageError(f"a line of more than {LINE_BYTES_LIMIT} bytes", 414)
    if request := _REQUEST_LINE.fullmatch(first):
        return SipRequest(_text(request[1]).upper(), _text(request[2]), headers)
    if status := _STATUS_LINE.fullmatch(first):
        code, reason = status.groups(b"")
        return SipResponse(int(code), _text(reason), headers)
    raise MessageError(f"not a SIP message: {first[:60]!r}")


def _parse_headers(lines: list[bytes]) -> Headers:
    if len(lines) > HEADER_COUNT_LIMIT + 1:
        raise MessageError(f"more than {HEADER_COUNT_LIMIT} header lines")
    headers = Headers()
    fields = headers._fields
    last: list[str] | None = None
    for raw in lines[1:]:
        if len(raw) > LINE_BYTES_LIMIT:
            raise MessageError(f"a line of more than {LINE_BYTES_LIMIT} bytes")
        # A lone carriage return ends no line, and must not get into a message made of this value.
        line = raw.replace(b"\r", b" ") if b"\r" in raw else raw
        if line[:1] in (b" ", b"\t"):
            if last is not None:
                last[-1] = f"{last[-1]} {_text(line.strip())}"
            continue
        name, colon, value = line.partition(b":")
        if not colon:
            continue
        last = fields.setdefault(_key(_text(name.strip())), [])
        last.append(_text(value.strip()))
    return headers


def _content_length(headers: Headers) -> int | None:
    text = headers.get("content-length").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise MessageError(f"Content-Length is not a number: {text[:40]!r}")
    if len(text) > 9 or int(text) > BODY_BYTES_LIMIT:
        raise MessageError(f"a body of {text[:20]} bytes; the limit is {BODY_BYTES_LIMIT}", 413)
    return int(text)


def _key(name: str) -> str:
    lowered = name.lower()
    return _COMPACT.get(lowered, lowered) if len(lowered) == 1 else lowered


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


# Names are kept in lower case; devices of some makes compare them as the RFC writes them.
_SPELLINGS = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "mime-version": "MIME-Version",
    "www-authenticate": "WWW-Authenticate",
    "x-gb-ver": "X-GB-Ver",
}


def _spelling(name: str) -> str:
    spelt = _SPELLINGS.get(name)
    if spelt is None:
        spelt = "-".join(part.capitalize() for part in name.split("-"))
        if len(_SPELLINGS) < 200:
            _SPELLINGS[name] = spelt
    return spelt


def _serialise(first_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [first_line]
    for name, values in headers._fields.items():
        if name != "content-length":
            spelt = _spelling(name)
            lines += [f"{spelt}: {value}" for value in values]
    lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a line break inside a SIP header")
    return (text + "\r\n\r\n").encode() + body
