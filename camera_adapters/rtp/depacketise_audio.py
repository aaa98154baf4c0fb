"""Sound out of RTP: AAC (RFC 3640), G.711 (RFC 3551 §4.5.14), Opus (RFC 7587).

Each depacketiser gives audio frames with their offset from the packet's timestamp, in RTP ticks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

_FRAME_BYTES_LIMIT = 64 * 1024


@dataclass(slots=True)
class AudioFrame:
    """One frame: ``offset`` counts RTP ticks from the packet's timestamp."""

    payload: bytes
    offset: int


class AudioDepacketiser(Protocol):
    """What the depacketisers of this module offer. ``malformed`` counts packets not understood."""

    malformed: int

    def frames(self, payload: bytes, *, marker: bool, after_gap: bool) -> list[AudioFrame]:
        """The frames that this packet completes."""


class PlainDepacketiser:
    """G.711 and Opus: a packet's payload is the frame."""

    def __init__(self) -> None:
        self.malformed = 0

    def frames(self, payload: bytes, *, marker: bool, after_gap: bool) -> list[AudioFrame]:
        """See :class:`AudioDepacketiser`."""
        if not payload:
            self.malformed += 1
            return []
        return [AudioFrame(payload, 0)]


class AacDepacketiser:
    """MPEG4-GENERIC (RFC 3640 §3.2): several access units in a packet, or one over several packets.

    ``ticks_per_frame`` is an access unit's duration in RTP ticks. Lengths are those of the fmtp
    line, in bits; modes with further header fields (CTS, DTS, RAP) are not understood.
    """

    def __init__(
        self,
        *,
        size_length: int = 13,
        index_length: int = 3,
        index_delta_length: int = 3,
        ticks_per_frame: int = 1024,
    ) -> None:
        if not (
            0 <= size_length <= 32 and 0 <= index_length <= 32 and 0 <= index_delta_length <= 32
        ):
            raise ValueError("an AU header field is longer than 32 bits")
        self.malformed = 0
        self._size_length = size_length
        self._index_length = index_length
        self._delta_length = index_delta_length
        self._ticks = ticks_per_frame
        self._fragments: list[bytes] = []
        self._missing = 0

    def frames(self, payload: bytes, *, marker: bool, after_gap: bool) -> list[AudioFrame]:
        """See :class:`AudioDepacketiser`."""
        if after_gap:
            self._fragments, self._missing = [], 0
        if not self._size_length:
            return self._unsized(payload, marker)
        sizes, position = self._sizes(payload)
        if not sizes:
            self.malformed += 1
            return []
        if len(sizes) == 1 and sizes[0] > len(payload) - position:
            return self._fragment(payload[position:], sizes[0])
        self._fragments, self._missing = [], 0
        frames = []
        for index, size in enumerate(sizes):
            if position + size > len(payload):
                self.malformed += 1
                break
            if size:
                frames.append(AudioFrame(payload[position : position + size], index * self._ticks))
            position += size
        return frames

    def _sizes(self, payload: bytes) -> tuple[list[int], int]:
        """The AU sizes of the header section (§3.2.1), and where the data begins."""
        if len(payload) < 2:
            return [], 0
        bits = payload[0] << 8 | payload[1]
        position = 2 + (bits + 7) // 8
        if position > len(payload):
            return [], 0
        value = int.from_bytes(payload[2:position], "big") >> (-bits % 8)
        sizes = []
        left = bits
        index_bits = self._index_length
        while left >= self._size_length + index_bits:
            left -= self._size_length
            sizes.append(value >> left & ((1 << self._size_length) - 1))
            left -= index_bits
            index_bits = self._delta_length
        return sizes, position

    def _fragment(self, piece: bytes, size: int) -> list[AudioFrame]:
        """An access unit over several packets, each of which tells the whole size (§3.2.3)."""
        if size > _FRAME_BYTES_LIMIT:
            self.malformed += 1
            return []
        if self._missing <= 0 or self._missing + sum(map(len, self._fragments)) != size:
            self._fragments, self._missing = [], size
        self._fragments.append(piece)
        self._missing -= len(piece)
        if self._missing > 0:
            return []
        whole, self._fragments = b"".join(self._fragments), []
        return [AudioFrame(whole[:size], 0)]

    def _unsized(self, payload: bytes, marker: bool) -> list[AudioFrame]:
        """sizeLength=0: one access unit a packet, or its fragments up to the marker bit."""
        self._fragments.append(payload)
        if sum(map(len, self._fragments)) > _FRAME_BYTES_LIMIT:
            self._fragments = []
            self.malformed += 1
            return []
        if not marker:
            return []
        whole, self._fragments = b"".join(self._fragments), []
        return [AudioFrame(whole, 0)] if whole else []
