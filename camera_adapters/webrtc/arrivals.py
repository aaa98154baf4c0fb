"""When a peer's packets arrived, told to it ten times a second: so it knows what its path takes.

draft-holmer-rmcat-transport-wide-cc-extensions-01. Browsers estimate from it how much they may
send; without it they push until packets are lost.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct("!BBHIIHHI")
_TRANSPORT_FEEDBACK, _RTPFB = 15, 205
_TICK_US = 250
_REFERENCE_US = 64_000
_CHUNK = 7
"""Statuses in one vector chunk of two bits each (§3.1.4)."""
_NOT_RECEIVED, _SMALL, _LARGE = 0, 1, 2
_SPAN_LIMIT = 700
"""Numbers told of at once; what is beyond was lost long ago, or is forged."""


class Arrivals:
    """The packets of one transport, by their transport-wide numbers."""

    __slots__ = ("_at_us", "_base", "_count", "_highest")

    def __init__(self) -> None:
        # Numbers go on beyond 16 bits here.
        self._at_us: dict[int, int] = {}
        self._base = -1
        self._highest = -1
        self._count = 0

    def note(self, number: int, at_us: int) -> None:
        """An authentic packet with this 16-bit number has come."""
        if self._highest < 0:
            self._base = self._highest = number
        ahead = (number - self._highest & 0xFFFF) - (
            0x10000 if number - self._highest & 0x8000 else 0
        )
        extended = self._highest + ahead
        if extended < self._base:
            return  # told of as lost already
        self._highest = max(self._highest, extended)
        if self._highest - self._base >= _SPAN_LIMIT:
            self._base = self._highest - _SPAN_LIMIT + 1
            self._at_us = {one: us for one, us in self._at_us.items() if one >= self._base}
        self._at_us.setdefault(extended, at_us)

    def feedback(self, ssrc: int, media_ssrc: int) -> bytes | None:
        """The packet that tells of everything since the last one; None when nothing came."""
        at_us, base = self._at_us, self._base
        if not at_us:
            return None
        numbers = range(base, self._highest + 1)
        before_us = at_us[min(at_us)] // _REFERENCE_US * _REFERENCE_US
        reference = before_us // _REFERENCE_US & 0xFFFFFF
        statuses = []
        deltas = bytearray()
        for number in numbers:
            arrival_us = at_us.get(number)
            if arrival_us is None:
                statuses.append(_NOT_RECEIVED)
                continue
            ticks = (arrival_us - before_us) // _TICK_US
            # What a tick cannot say stays for the next one.
            before_us += ticks * _TICK_US
            if 0 <= ticks < 256:
                statuses.append(_SMALL)
                deltas.append(ticks)
            else:
                statuses.append(_LARGE)
                deltas += max(-0x8000, min(ticks, 0x7FFF)).to_bytes(2, "big", signed=True)
        chunks = bytearray()
        for first in range(0, len(statuses), _CHUNK):
            chunk = 0xC000
            for place, status in enumerate(statuses[first : first + _CHUNK]):
                chunk |= status << 12 - 2 * place
            chunks += chunk.to_bytes(2, "big")
        body = chunks + deltas
        body += bytes(-len(body) % 4)
        head = _HEAD.pack(
            0x80 | _TRANSPORT_FEEDBACK,
            _RTPFB,
            4 + len(body) // 4,
            ssrc,
            media_ssrc,
            base & 0xFFFF,
            len(statuses),
            reference << 8 | self._count & 0xFF,
        )
        self._count += 1
        self._base = self._highest + 1
        self._at_us = {}
        return head + bytes(body)
