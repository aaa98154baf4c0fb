"""What a terminal's screen takes of H.264, and what of that the feeds of a meeting have."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.webrtc.conference.slot import Feed
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.distribution import VIDEO
from camera_adapters.webrtc.fan_out import FanOut
from camera_adapters.webrtc.packet_batch import PacketBatch
from gateway.meetings.telephone.h264_limits import LEVEL_1B, Profile, nearest_level, profile_of

_SPS, _STAP_A, _FU_A = 7, 24, 28
_LEVEL_AT = 3


@dataclass(frozen=True, slots=True)
class ShownFormat:
    """One payload type that the terminal takes. ``rank`` as :attr:`Profile.rank`; ``mode`` is
    packetization-mode. ``level`` is what it said, as ``level_idc``, ``macroblocks`` may be more.
    """

    payload_type: int
    rank: int
    macroblocks: int
    kbps: int
    mode: int
    level: int

    def label(self, size: int) -> int:
        """The level to be written into pictures of so many macroblocks: no higher one is needed,
        whatever their sender has written; 0: what it has written stands.
        """
        profile = Profile(0, 0, self.level)
        plain = self.level > LEVEL_1B and self.level == nearest_level(self.level)
        return self.level if plain and 0 < size <= profile.macroblocks else 0


def picture_of(feed: Feed) -> tuple[Profile | None, int, int]:
    """Profile, width and height; None and 0 where they are not known yet."""
    if isinstance(feed, Source):
        sets = feed.sequence_parameters
        return (None if sets is None else profile_of(sets[1:4])), feed.width, feed.height
    if isinstance(feed, FanOut):
        _, track = feed.tracks.get(VIDEO, (0, None))
        if track is not None:
            sets = next((one for one in track.parameter_sets if one and one[0] & 31 == 7), b"")
            profile = profile_of(sets[1:4]) if len(sets) > 3 else None
            return profile, track.width, track.height
    return None, 0, 0


def in_single_packets(batch: PacketBatch) -> bool:
    """Whether no piece of the picture is larger than a packet."""
    return all(
        run.payload(index)[0] & 31 != _FU_A for run in batch.runs for index in range(run.count)
    )


def single_pieces(payload: memoryview) -> list[memoryview]:
    """The pieces of one packet, each by itself (RFC 6184 §5.6)."""
    if payload[0] & 31 != _STAP_A:
        return [payload]
    return [payload[start:end] for start, end in _pieces(payload)]


def at_level(payload: memoryview, level: int) -> bytes | memoryview:
    """A packet whose sequence parameter sets are of this level at most."""
    kind = payload[0] & 31
    sets = [(0, len(payload))] if kind == _SPS else _pieces(payload) if kind == _STAP_A else []
    made: bytearray | None = None
    for start, end in sets:
        at = start + _LEVEL_AT
        if end > at and payload[start] & 31 == _SPS and payload[at] > level:
            made = bytearray(payload) if made is None else made
            made[at] = level
    return payload if made is None else bytes(made)


def _pieces(payload: memoryview) -> list[tuple[int, int]]:
    """Where the units of a STAP-A begin and end (RFC 6184 §5.7.1)."""
    found, position = [], 1
    while position + 2 < len(payload):
        start = position + 2
        position = start + (payload[position] << 8 | payload[position + 1])
        found.append((start, min(position, len(payload))))
    return found
