"""One track's access units as RTP packets, made once and shared by every RTSP reader.

The packets of a picture come as one byte string in which each stands behind RTSP's interleaved
header (RFC 2326 §10.12), so that a TCP reader needs one write; a UDP reader takes the slices.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters.rtp import (
    packetise_aac,
    packetise_g711,
    packetise_h264,
    packetise_h265,
    packetise_opus,
)
from camera_adapters.rtp.payload_parts import PayloadParts
from camera_adapters.stream import AccessUnit, Codec, Track

PAYLOAD_LIMIT = 1400 - 12
"""Payload bytes in a packet, so that with the RTP header (RFC 3550 §5.1) it is 1400."""

_PREFIX = struct.Struct("!BBHBBHII")
_NTP_UNIX_OFFSET_S = 2_208_988_800
_DYNAMIC_PAYLOAD_TYPE = 96
_STATIC_PAYLOAD_TYPES = {Codec.PCMU: 0, Codec.PCMA: 8}

_FORMATS: dict[Codec, Callable[[bytes, tuple[bytes, ...], int], list[PayloadParts]]] = {
    Codec.H264: packetise_h264.payloads,
    Codec.H265: packetise_h265.payloads,
    Codec.AAC: packetise_aac.payloads,
    Codec.OPUS: packetise_opus.payloads,
    Codec.PCMA: packetise_g711.payloads,
    Codec.PCMU: packetise_g711.payloads,
}


def payload_type(track: Track, index: int) -> int:
    """The RTP payload type of the track at ``index``: static for G.711, else 96 + index."""
    if track.clock_rate == 8000 and track.channels in (0, 1):
        static = _STATIC_PAYLOAD_TYPES.get(track.codec)
        if static is not None:
            return static
    return _DYNAMIC_PAYLOAD_TYPE + index


@dataclass(frozen=True, slots=True)
class UnitPackets:
    """The RTP packets of one access unit, in order.

    ``offsets`` are the places of each packet's ``$`` in ``interleaved``; the channel in it is
    ``2 × track_index``. ``first_sequence_number`` and ``timestamp`` are the first packet's.
    """

    track_index: int
    interleaved: bytes
    offsets: list[int]
    keyframe: bool
    first_sequence_number: int
    timestamp: int

    def on_channel(self, channel: int) -> bytes:
        """``interleaved`` with another channel number."""
        if channel == self.track_index * 2:
            return self.interleaved
        patched = bytearray(self.interleaved)
        for offset in self.offsets:
            patched[offset + 1] = channel
        return bytes(patched)

    def datagrams(self) -> list[memoryview]:
        """Each RTP packet by itself."""
        view = memoryview(self.interleaved)
        ends = [*self.offsets[1:], len(view)]
        return [view[start + 4 : end] for start, end in zip(self.offsets, ends, strict=True)]


@dataclass(slots=True)
class TrackPacketiser:
    """Numbers and stamps the packets of one track; time stamps go on across runs."""

    track: Track
    track_index: int
    ssrc: int = field(default_factory=lambda: secrets.randbits(32))
    next_sequence_number: int = field(default_factory=lambda: secrets.randbits(15))
    timestamp_base: int = field(default_factory=lambda: secrets.randbits(31))
    packets_sent: int = 0
    payload_bytes_sent: int = 0
    _run_offset_90k: int = 0
    _last_timestamp: int = 0
    _last_wall_us: int = 0

    def start_run(self, track: Track, run_offset_90k: int) -> None:
        """Take the run's format. ``run_offset_90k``: where its time 0 lies on the output's line."""
        self.track = track
        self._run_offset_90k = run_offset_90k

    def packetise(self, unit: AccessUnit) -> UnitPackets:
        """The unit's packets. Raises ValueError or CodecError when it cannot be carried."""
        track = self.track
        parameter_sets = track.parameter_sets if unit.keyframe and track.kind == "video" else ()
        parts = _FORMATS[track.codec](unit.payload, parameter_sets, PAYLOAD_LIMIT)
        timestamp = self.timestamp_at(unit.pts_90k)
        kind = payload_type(track, self.track_index)
        marker_on_last = kind | 0x80 if track.kind == "video" or track.codec is Codec.AAC else kind
        channel = self.track_index * 2
        sequence_number = first = self.next_sequence_number
        pieces: list[bytes | memoryview] = []
        offsets: list[int] = []
        offset = 0
        last = len(parts) - 1
        advance = 0
        for index, (header, body) in enumerate(parts):
            size = len(header) + len(body)
            offsets.append(offset)
            pieces += (
                _PREFIX.pack(
                    0x24,
                    channel,
                    size + 12,
                    0x80,
                    marker_on_last if index == last else kind,
                    sequence_number,
                    (timestamp + advance) & 0xFFFFFFFF,
                    self.ssrc,
                ),
                header,
                body,
            )
            if track.codec in _STATIC_PAYLOAD_TYPES:
                advance += len(body) // max(1, track.channels)
            sequence_number = (sequence_number + 1) & 0xFFFF
            offset += size + 16
        self.next_sequence_number = sequence_number
        self.packets_sent += len(parts)
        self.payload_bytes_sent += offset - 16 * len(parts)
        self._last_timestamp = timestamp
        self._last_wall_us = unit.wall_us
        return UnitPackets(
            self.track_index, b"".join(pieces), offsets, unit.keyframe, first, timestamp
        )

    def line_90k(self, pts_90k: int) -> int:
        """Where a time of the current run lies on the output's line, which spans runs."""
        return self._run_offset_90k + pts_90k

    def timestamp_at(self, pts_90k: int) -> int:
        """The RTP time stamp of a time in the current run."""
        line = self.line_90k(pts_90k)
        ticks = line if self.track.clock_rate == 90000 else line * self.track.clock_rate // 90000
        return (self.timestamp_base + ticks) & 0xFFFFFFFF

    def sender_report(self, canonical_name: bytes, now_us: int) -> bytes | None:
        """SR and SDES (RFC 3550 §6.4.1, §6.5) as of ``now_us``, UTC; None before the first unit.

        The RTP time stamp is what a unit captured right now would carry.
        """
        if not self.packets_sent:
            return None
        seconds, rest_us = divmod(now_us, 1_000_000)
        ahead = (now_us - self._last_wall_us) * self.track.clock_rate // 1_000_000
        report = struct.pack(
            "!BBHIIIIII",
            0x80,
            200,
            6,
            self.ssrc,
            (seconds + _NTP_UNIX_OFFSET_S) & 0xFFFFFFFF,
            (rest_us << 32) // 1_000_000,
            (self._last_timestamp + ahead) & 0xFFFFFFFF,
            self.packets_sent & 0xFFFFFFFF,
            self.payload_bytes_sent & 0xFFFFFFFF,
        )
        item = struct.pack("!IBB", self.ssrc, 1, len(canonical_name)) + canonical_name
        item += bytes(4 - len(item) % 4)
        return report + struct.pack("!BBH", 0x81, 202, len(item) // 4) + item

    def goodbye(self) -> bytes:
        """BYE (RFC 3550 §6.6)."""
        return struct.pack("!BBHI", 0x81, 203, 1, self.ssrc)
