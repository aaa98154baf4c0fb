"""VP8 in RTP (RFC 7741): frames out of payloads, and into payloads.

Payload descriptors go out as one byte each: picture ids and temporal layers are left out, so that
frames of different senders may follow each other in one stream without their numbers being wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from camera_adapters.rtp.payload_parts import PayloadParts

_FIRST, _FOLLOWING = b"\x10", b"\x00"
_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class Vp8Frame:
    """One coded frame. ``width`` and ``height`` are 0 but for keyframes (RFC 6386 §9.1)."""

    data: bytes
    keyframe: bool
    width: int
    height: int


def frame(payloads: Sequence[bytes]) -> Vp8Frame | None:
    """The frame of one timestamp's payloads, all of them and in order; None when it is torn."""
    pieces = []
    for index, payload in enumerate(payloads):
        size = _descriptor_size(payload)
        # S and PID 0 mark the first partition's beginning; it must come first, and once.
        begins = size > 0 and payload[0] & 0x17 == 0x10
        if size == 0 or size >= len(payload) or begins != (index == 0):
            return None
        pieces.append(payload[size:])
    data = b"".join(pieces)
    if len(data) < 3:
        return None
    if data[0] & 1:
        return Vp8Frame(data, False, 0, 0)
    if len(data) < 10 or data[3:6] != _START_CODE:
        return None
    width = int.from_bytes(data[6:8], "little") & 0x3FFF
    height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return Vp8Frame(data, True, width, height)


def payloads(data: bytes, limit: int) -> list[PayloadParts]:
    """A frame in payloads of at most ``limit`` bytes."""
    view, step = memoryview(data), limit - 1
    return [
        (_FIRST if start == 0 else _FOLLOWING, view[start : start + step])
        for start in range(0, len(data), step)
    ]


def starts_picture(payload: bytes) -> bool:
    """Whether a frame begins with this payload."""
    return bool(payload) and payload[0] & 0x17 == 0x10


def _descriptor_size(payload: bytes) -> int:
    """How long the payload descriptor is (§4.2); 0 when it runs past the end."""
    if not payload:
        return 0
    if not payload[0] & 0x80:
        return 1
    if len(payload) < 2:
        return 0
    extensions, size = payload[1], 2
    if extensions & 0x80:
        if len(payload) <= size:
            return 0
        size += 2 if payload[size] & 0x80 else 1
    if extensions & 0x40:
        size += 1
    if extensions & 0x30:
        size += 1
    return size if size <= len(payload) else 0
