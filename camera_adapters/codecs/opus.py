"""Opus packets (RFC 6716 §3): how long one lasts, and one of silence."""

from __future__ import annotations

SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence: CELT, full band, one channel."""
SILENCE_US = 20_000

_SILK_US = (10_000, 20_000, 40_000, 60_000)
_HYBRID_US = (10_000, 20_000)
_CELT_US = (2_500, 5_000, 10_000, 20_000)
_LONGEST_US = 120_000


def duration_us(packet: bytes) -> int:
    """How long the packet's sound lasts, by its table of contents (§3.1, §3.2); 0 of none."""
    if not packet:
        return 0
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame_us = _SILK_US[configuration & 3]
    elif configuration < 16:
        frame_us = _HYBRID_US[configuration & 1]
    else:
        frame_us = _CELT_US[configuration & 3]
    if code == 0:
        return frame_us
    if code < 3:
        return 2 * frame_us
    frames = packet[1] & 0x3F if len(packet) > 1 else 0
    return min(frames * frame_us, _LONGEST_US)
