"""Between a worker and the shard of the meeting: datagrams over loopback. Sans-IO.

Each begins with the call's token, 16 random bytes that only the two know: whoever else sends there
is not heard; then one byte says what follows. A voice towards the shard is an RTP packet of Opus
with its loudness (RFC 6464) in extension 1; a voice towards the worker, whose byte is the number of
a seat, is a frame of Opus with its time at 48 kHz. A terminal's pictures and their reports are RTP
and RTCP packets as they are, both ways.
"""

from __future__ import annotations

import struct

TOKEN_BYTES = 16
OPUS_TYPE = 111
LEVEL_EXTENSION = 1
SEATS = 3
VOICE, PICTURE, REPORT = b"\x00", b"\x10", b"\x11"
KIND_AT = TOKEN_BYTES
BODY_AT = TOKEN_BYTES + 1
DATAGRAM_BYTES_LIMIT = 2048

_RTP = struct.Struct(">BBHIIHHBBBB")
_FRAME = struct.Struct(">BI")
_VOICE_DBOV = 50
"""Louder than this is held for a voice: a line's noise is some 60 dB below the loudest."""


def voice_packet(
    sequence: int, timestamp: int, ssrc: int, level_dbov: int, payload: bytes
) -> bytes:
    """RTP with the loudness of what is in it."""
    loudness = level_dbov & 0x7F | (0x80 if level_dbov <= _VOICE_DBOV else 0)
    head = _RTP.pack(
        0x90, OPUS_TYPE, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, 0xBEDE, 1,
        LEVEL_EXTENSION << 4, loudness, 0, 0,
    )  # fmt: skip
    return head + payload


def is_report(packet: bytes) -> bool:
    """Whether a packet that came to a port of both is RTCP (RFC 5761 §4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223


def heard_frame(seat: int, timestamp: int, payload: bytes) -> bytes:
    """A frame of Opus of who has this seat; without payload: another has it from now on."""
    return _FRAME.pack(seat, timestamp & 0xFFFFFFFF) + payload


def read_heard_frame(datagram: bytes) -> tuple[int, int, bytes] | None:
    """Seat, time, payload of what stands behind the token; None for what is no such frame."""
    if len(datagram) < TOKEN_BYTES + _FRAME.size:
        return None
    seat, timestamp = _FRAME.unpack_from(datagram, TOKEN_BYTES)
    if seat >= SEATS:
        return None
    return seat, timestamp, datagram[TOKEN_BYTES + _FRAME.size :]
