"""The packets of a program stream: start codes, pack header, map, PES header (ISO/IEC 13818-1).

Plain functions over bytes. None raises: a header that cannot be read is None, or named incomplete.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from camera_adapters.stream import Codec

START_CODE = b"\x00\x00\x01"
PACK_START = b"\x00\x00\x01\xba"
# §2.5.3.2, Table 2-22.
PROGRAM_END = 0xB9
PACK_HEADER = 0xBA
SYSTEM_HEADER = 0xBB
PROGRAM_STREAM_MAP = 0xBC
PRIVATE_STREAM_1 = 0xBD
PADDING_STREAM = 0xBE
PRIVATE_STREAM_2 = 0xBF
FIRST_AUDIO, LAST_AUDIO = 0xC0, 0xDF
FIRST_VIDEO, LAST_VIDEO = 0xE0, 0xEF
# Below this a start code belongs to the video inside: a NAL unit's first byte is below 0x80.
FIRST_SYSTEM_CODE = PROGRAM_END
# These carry no PES header behind the length (§2.4.3.7).
WITHOUT_PES_HEADER = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})

INCOMPLETE = -1
_TIME_BYTES = 5


class StreamType(enum.IntEnum):
    """stream_type in the map (§2.4.4.9, Table 2-34; GB/T 28181-2016 §C.2.4, GB/T 28181-2022)."""

    MPEG1_VIDEO = 0x01
    MPEG2_VIDEO = 0x02
    MPEG1_AUDIO = 0x03
    MPEG2_AUDIO = 0x04
    AAC = 0x0F
    MPEG4_VIDEO = 0x10
    AAC_LATM = 0x11
    H264 = 0x1B
    H265 = 0x24
    SVAC_VIDEO = 0x80
    G711A = 0x90
    G711U = 0x91
    G722_1 = 0x92
    G723_1 = 0x93
    G729 = 0x99
    SVAC_AUDIO = 0x9B


CODECS = {
    StreamType.H264: Codec.H264,
    StreamType.H265: Codec.H265,
    StreamType.AAC: Codec.AAC,
    StreamType.G711A: Codec.PCMA,
    StreamType.G711U: Codec.PCMU,
}
STREAM_TYPES = {codec: kind for kind, codec in CODECS.items()}
_NAMES = {
    StreamType.MPEG1_VIDEO: "MPEG-1 video",
    StreamType.MPEG2_VIDEO: "MPEG-2 video",
    StreamType.MPEG1_AUDIO: "MPEG audio",
    StreamType.MPEG2_AUDIO: "MPEG-2 audio",
    StreamType.MPEG4_VIDEO: "MPEG-4 video",
    StreamType.AAC_LATM: "AAC in LATM",
    StreamType.SVAC_VIDEO: "SVAC",
    StreamType.G722_1: "G.722.1",
    StreamType.G723_1: "G.723.1",
    StreamType.G729: "G.729",
    StreamType.SVAC_AUDIO: "SVAC audio",
}


def name_of(stream_type: int) -> str:
    """What people call it."""
    try:
        kind = StreamType(stream_type)
    except ValueError:
        return f"stream type 0x{stream_type:02x}"
    codec = CODECS.get(kind)
    return codec.value.upper() if codec is not None else _NAMES[kind]


@dataclass(frozen=True, slots=True)
class ProgramMap:
    """A program stream map (§2.5.4): stream id → stream type. ``version`` as it was sent."""

    version: int
    streams: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class PesPacket:
    """One whole PES packet. ``pts`` and ``dts`` are counts of 90 kHz in 33 bits, None if unsaid."""

    stream_id: int
    pts: int | None
    dts: int | None
    payload: bytes

    @property
    def is_video(self) -> bool:
        """Whether its stream id is one of the sixteen of video."""
        return FIRST_VIDEO <= self.stream_id <= LAST_VIDEO


def pack_header_bytes(data: bytes, position: int, end: int) -> int:
    """The length of the pack header at ``position`` (§2.5.3.3); INCOMPLETE; 0 when it is none."""
    if end - position < 5:
        return INCOMPLETE
    first = data[position + 4]
    if first & 0xC0 == 0x40:
        if end - position < 14:
            return INCOMPLETE
        return 14 + (data[position + 13] & 7)
    # ISO/IEC 11172-1 §2.4.3.2: the pack of MPEG-1.
    return 12 if first & 0xF0 == 0x20 else 0


def parse_program_map(data: bytes, start: int, end: int) -> ProgramMap | None:
    """The map whose bytes behind the length are ``data[start:end]``; None when it makes no sense.

    The CRC is not held against it: many devices send zeros.
    """
    if end - start < 6:
        return None
    version = data[start] & 0x1F
    position = start + 6 + (data[start + 2] << 8 | data[start + 3])
    if position > end:
        return None
    last = position + (data[position - 2] << 8 | data[position - 1])
    # The length says too much or too little on some devices; the packet's own end is what counts.
    last = min(last, end)
    streams: dict[int, int] = {}
    while position + 4 <= last:
        streams[data[position + 1]] = data[position]
        position += 4 + (data[position + 2] << 8 | data[position + 3])
    return ProgramMap(version, streams)


def pes_header(data: bytes, start: int, end: int) -> tuple[int, int | None, int | None] | None:
    """Read the PES header behind the length, at ``start`` (§2.4.3.6).

    Gives where the payload begins, PTS and DTS; (INCOMPLETE, None, None) when ``end`` comes first;
    None when it is no PES header.
    """
    if end - start < 3:
        return INCOMPLETE, None, None
    if data[start] & 0xC0 != 0x80:
        return _mpeg1_header(data, start, end)
    flags, length = data[start + 1] >> 6, data[start + 2]
    payload = start + 3 + length
    if payload > end:
        return INCOMPLETE, None, None
    pts = dts = None
    if flags & 2 and length >= _TIME_BYTES:
        pts = _time(data, start + 3)
        if flags == 3 and length >= 2 * _TIME_BYTES:
            dts = _time(data, start + 8)
    return payload, pts, dts


def _mpeg1_header(data: bytes, start: int, end: int) -> tuple[int, int | None, int | None] | None:
    """ISO/IEC 11172-1 §2.4.3.3: stuffing, buffer size, then the times without a length."""
    position = start
    while position < end and data[position] == 0xFF and position - start <= 16:
        position += 1
    if position < end and data[position] & 0xC0 == 0x40:
        position += 2
    if position >= end:
        return INCOMPLETE, None, None
    kind = data[position] >> 4
    if kind in (2, 3):
        following = position + _TIME_BYTES * (kind - 1)
        if following > end:
            return INCOMPLETE, None, None
        dts = _time(data, position + _TIME_BYTES) if kind == 3 else None
        return following, _time(data, position), dts
    return (position + 1, None, None) if data[position] == 0x0F else None


def _time(data: bytes, at: int) -> int:
    return (
        (data[at] >> 1 & 7) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )
