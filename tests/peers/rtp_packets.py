"""RTP packets made by hand, and pictures made into packets by the project's own packetiser."""

from __future__ import annotations

import struct

from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.stream import AccessUnit, Codec, Track
from tests.peers.parameter_sets import H264_SETS, H265_SETS


def packet(
    payload: bytes,
    sequence: int,
    timestamp: int,
    *,
    marker: bool = False,
    payload_type: int = 96,
    ssrc: int = 7,
    padding: int = 0,
    extension: bytes | None = None,
    contributors: int = 0,
) -> bytes:
    """One RTP packet (RFC 3550 §5.1)."""
    first = 0x80 | contributors | (0x20 if padding else 0) | (0x10 if extension is not None else 0)
    head = struct.pack(
        ">BBHII",
        first,
        payload_type | (0x80 if marker else 0),
        sequence & 0xFFFF,
        timestamp & 0xFFFF_FFFF,
        ssrc,
    )
    head += bytes(4 * contributors)
    if extension is not None:
        head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return head + payload + tail


def interleaved(data: bytes, channel: int = 0) -> bytes:
    """The packet behind RTSP's interleaved header (RFC 2326 §10.12)."""
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big") + data


def video_track(codec: Codec = Codec.H264) -> Track:
    """The format of the shared clips."""
    sets = H264_SETS if codec is Codec.H264 else H265_SETS
    return Track("video", codec, 90000, sets, 768, 576)


def slice_unit(codec: Codec, keyframe: bool, number: int, size: int = 3000) -> bytes:
    """A NAL unit that begins a picture; ``number`` makes its content its own."""
    if codec is Codec.H264:
        head = b"\x65\x88" if keyframe else b"\x41\x9a"
    else:
        head = b"\x26\x01\xaf" if keyframe else b"\x02\x01\xd0"
    return head + bytes((number % 250 + 1,)) * size


def pictures(
    codec: Codec, count: int, *, gop: int = 5, size: int = 3000, step: int = 3600
) -> list[AccessUnit]:
    """Pictures of one slice each, a keyframe every ``gop``."""
    made = []
    for number in range(count):
        unit = slice_unit(codec, number % gop == 0, number, size)
        payload = len(unit).to_bytes(4, "big") + unit
        made.append(
            AccessUnit(0, payload, number * step, number * step, number % gop == 0, number * 40_000)
        )
    return made


def packets_of(
    units: list[AccessUnit], codec: Codec = Codec.H264, *, sequence: int = 65530
) -> list[list[bytes]]:
    """Each unit's RTP packets, parameter sets in front of keyframes."""
    packetiser = TrackPacketiser(video_track(codec), 0, 7, sequence, 0xFFFF_0000)
    return [[bytes(one) for one in packetiser.packetise(unit).datagrams()] for unit in units]
