"""FLV's framing (Adobe Flash Video File Format 10.1, annex E): bytes in, tags out."""

from __future__ import annotations

from dataclasses import dataclass

TAG_BYTES_LIMIT = 8 * 1024 * 1024

AUDIO = 8
VIDEO = 9
SCRIPT = 18
_HEADER_BYTES = 9
_TAG_HEADER_BYTES = 11


class FlvError(ValueError):
    """The bytes are no FLV any more; the message says why."""


@dataclass(slots=True)
class Tag:
    """One tag. ``kind`` is AUDIO, VIDEO or SCRIPT; ``timestamp_ms`` wraps at 32 bits."""

    kind: int
    timestamp_ms: int
    body: bytes


class TagReader:
    """Takes the bytes of one FLV stream. Memory is bounded by TAG_BYTES_LIMIT."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = _HEADER_BYTES
        self._skip = 0
        self._begun = False

    def receive(self, data: bytes) -> list[Tag]:
        """Take the next bytes; give the tags that became whole. Raises FlvError."""
        rest = self._rest
        rest += data
        tags: list[Tag] = []
        if len(rest) < self._wanted:
            return tags
        position, end = 0, len(rest)
        if not self._begun:
            if not rest.startswith(b"FLV\x01"):
                raise FlvError("the stream does not begin as FLV does")
            self._skip = int.from_bytes(rest[5:9], "big") + 4
            if not _HEADER_BYTES + 4 <= self._skip <= 4096:
                raise FlvError("the FLV header has an impossible length")
            self._begun = True
        if self._skip:
            skipped = min(self._skip, end)
            self._skip -= skipped
            position = skipped
        while end - position >= _TAG_HEADER_BYTES:
            size = int.from_bytes(rest[position + 1 : position + 4], "big")
            if size > TAG_BYTES_LIMIT or rest[position] & 0xC0:
                raise FlvError("a tag has an impossible length: bytes were lost")
            body = position + _TAG_HEADER_BYTES
            if end - body < size + 4:
                self._wanted = _TAG_HEADER_BYTES + size + 4
                break
            # 24 bits, and 8 more significant ones behind them (E.4.1).
            timestamp = int.from_bytes(rest[position + 4 : position + 7], "big")
            timestamp |= rest[position + 7] << 24
            # Bit 5 says that the body is encrypted (Filter): nobody sends that.
            tags.append(Tag(rest[position] & 0x1F, timestamp, bytes(rest[body : body + size])))
            position = body + size + 4
            self._wanted = _TAG_HEADER_BYTES
        else:
            self._wanted = _TAG_HEADER_BYTES
        del rest[:position]
        return tags
