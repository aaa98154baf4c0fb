"""Access units to :class:`PacketBatch`: once for each Stream, however many watch."""

from __future__ import annotations

from collections.abc import Callable

from camera_adapters.rtp import (
    packetise_g711,
    packetise_h264,
    packetise_h265,
    packetise_opus,
)
from camera_adapters.stream import AccessUnit, Codec, Track
from camera_adapters.webrtc.packet_batch import (
    PAYLOAD_SIZE_LIMIT,
    PacketBatch,
    PayloadParts,
    runs_of_payloads,
)

_PayloadFormat = Callable[[bytes, tuple[bytes, ...], int], list[PayloadParts]]

_FORMATS: dict[Codec, _PayloadFormat] = {
    Codec.H264: packetise_h264.payloads,
    Codec.H265: packetise_h265.payloads,
    Codec.OPUS: packetise_opus.payloads,
    Codec.PCMA: packetise_g711.payloads,
    Codec.PCMU: packetise_g711.payloads,
}


def can_carry(track: Track) -> bool:
    """Whether WebRTC knows the track's format at all (RFC 7742, RFC 7874, RFC 7798).

    B-frames are another matter: see ``Track.reorder_depth``.
    """
    if track.codec in (Codec.PCMA, Codec.PCMU):
        return track.clock_rate == 8000 and track.channels in (0, 1)
    return track.codec in _FORMATS


def packetise(track: Track, track_index: int, unit: AccessUnit, time_90k: int) -> list[PacketBatch]:
    """The batches of one access unit: one, or for long G.711 units several.

    ``time_90k`` is its time of presentation on the sender's line; a batch's ``timestamp`` is in the
    track's clock. A keyframe begins with the track's parameter sets. Raises CodecError or
    ValueError when the unit is not what the track says.
    """
    parameter_sets = track.parameter_sets if unit.keyframe and track.kind == "video" else ()
    payloads = _FORMATS[track.codec](unit.payload, parameter_sets, PAYLOAD_SIZE_LIMIT)
    if track.kind == "video":
        runs = runs_of_payloads(payloads, marker=True)
        return [PacketBatch(track_index, time_90k, unit.keyframe, runs)]
    timestamp = time_90k * track.clock_rate // 90000
    batches = []
    for payload in payloads:
        runs = runs_of_payloads((payload,), marker=False)
        batches.append(PacketBatch(track_index, timestamp, False, runs))
        timestamp += len(payload[1])  # one byte a sample; a second payload exists for G.711 alone
    return batches
