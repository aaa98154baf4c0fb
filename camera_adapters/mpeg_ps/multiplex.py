"""A program stream made from access units, as GB/T 28181-2016 Annex C wants it.

One pack per picture; a system header and a map before each keyframe, so that a receiver may join
there; a picture above 65,535 bytes in several PES packets, of which the first has the time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from camera_adapters.codecs import aac
from camera_adapters.codecs.nal import to_annex_b
from camera_adapters.mpeg_ps.packets import (
    FIRST_AUDIO,
    FIRST_VIDEO,
    PROGRAM_STREAM_MAP,
    START_CODE,
    STREAM_TYPES,
    SYSTEM_HEADER,
)
from camera_adapters.stream import AccessUnit, Codec, Track

_PES_PAYLOAD_LIMIT = 65_400
_MUX_RATE = 0x3FFFFF // 64
# A decoder needs the picture a little after the clock says so (§2.5.2.4 wants it buffered before).
_DELAY_90K = 9_000
_TIME_MASK = (1 << 33) - 1
_DELIMITERS = {
    Codec.H264: b"\x00\x00\x00\x01\x09\xf0",
    Codec.H265: b"\x00\x00\x00\x01\x46\x01\x50",
}


class PsMultiplexer:
    """Makes the bytes of one program stream out of one run's units.

    Video and sound that GB/T 28181 has a stream type for are taken; :attr:`left_out` names the
    rest, whose units give b"". ``base_90k`` is added to all times.
    """

    def __init__(self, tracks: Sequence[Track], *, base_90k: int = 0) -> None:
        self.left_out = tuple(t.codec for t in tracks if t.codec not in STREAM_TYPES)
        self._tracks = tuple(tracks)
        self._base_90k = base_90k
        self._ids = {
            index: FIRST_VIDEO if track.kind == "video" else FIRST_AUDIO
            for index, track in enumerate(tracks)
            if track.codec in STREAM_TYPES
        }
        self._head = self._system_header() + self._map()

    def multiplex(self, unit: AccessUnit, *, with_map: bool = False) -> bytes:
        """The pack of one access unit; with system header and map for a keyframe, or where asked.

        Raises CodecError when the unit's lengths are wrong.
        """
        stream_id = self._ids.get(unit.track_index)
        if stream_id is None:
            return b""
        track = self._tracks[unit.track_index]
        pts, dts = unit.pts_90k + self._base_90k, unit.dts_90k + self._base_90k
        is_video = track.kind == "video"
        pieces = [_pack_header(dts)]
        if with_map or (is_video and unit.keyframe):
            pieces.append(self._head)
        if is_video:
            data = _DELIMITERS[track.codec] + to_annex_b(track, unit.payload, unit.keyframe)
        elif track.codec is Codec.AAC:
            data = _adts_head(track, len(unit.payload)) + unit.payload
        else:
            data = unit.payload
        for start in range(0, len(data), _PES_PAYLOAD_LIMIT):
            part = data[start : start + _PES_PAYLOAD_LIMIT]
            pieces.append(_pes_head(stream_id, len(part), None if start else pts, dts))
            pieces.append(part)
        return b"".join(pieces)

    def _system_header(self) -> bytes:
        """§2.5.3.5, one bound for each stream."""
        ids = set(self._ids.values())
        sounds, videos = int(FIRST_AUDIO in ids), int(FIRST_VIDEO in ids)
        body = struct.pack(
            ">IBB",
            (0x800001 | _MUX_RATE << 1) << 8 | sounds << 2,
            0xE0 | videos,
            0xFF,
        )
        for one in sorted(ids):
            # 1,024 KiB of buffer for pictures, 4 KiB for sound.
            scale, size = (1, 1024) if one >= FIRST_VIDEO else (0, 32)
            body += struct.pack(">BH", one, 0xC000 | scale << 13 | size)
        return START_CODE + bytes((SYSTEM_HEADER,)) + struct.pack(">H", len(body)) + body

    def _map(self) -> bytes:
        """§2.5.4, with its CRC (§2.4.4.10)."""
        entries = b"".join(
            struct.pack(">BBH", STREAM_TYPES[self._tracks[index].codec], stream_id, 0)
            for index, stream_id in sorted(self._ids.items())
        )
        body = struct.pack(">BBHH", 0xE0, 0xFF, 0, len(entries)) + entries
        head = START_CODE + bytes((PROGRAM_STREAM_MAP,)) + struct.pack(">H", len(body) + 4)
        return head + body + _crc32(head + body).to_bytes(4, "big")


def _pack_header(dts_90k: int) -> bytes:
    """§2.5.3.3: the clock, the rate, no stuffing."""
    clock = max(dts_90k - _DELAY_90K, 0) & _TIME_MASK
    value = (
        1 << 46
        | (clock >> 30) << 43
        | 1 << 42
        | (clock >> 15 & 0x7FFF) << 27
        | 1 << 26
        | (clock & 0x7FFF) << 11
        | 1 << 10
        | 1
    )
    return (
        b"\x00\x00\x01\xba"
        + value.to_bytes(6, "big")
        + (_MUX_RATE << 2 | 3).to_bytes(3, "big")
        + b"\xf8"
    )


def _pes_head(stream_id: int, length: int, pts_90k: int | None, dts_90k: int) -> bytes:
    """§2.4.3.6. A picture's later packets have no time."""
    if pts_90k is None:
        flags, times = 0x00, b""
    elif pts_90k == dts_90k:
        flags, times = 0x80, _time(0x20, pts_90k)
    else:
        flags, times = 0xC0, _time(0x30, pts_90k) + _time(0x10, dts_90k)
    # data_alignment_indicator where a picture begins.
    first = 0x84 if times else 0x80
    head = struct.pack(">BHBBB", stream_id, 3 + len(times) + length, first, flags, len(times))
    return START_CODE + head + times


def _time(mark: int, time_90k: int) -> bytes:
    time_90k &= _TIME_MASK
    return struct.pack(
        ">BHH",
        mark | (time_90k >> 30) << 1 | 1,
        (time_90k >> 15 & 0x7FFF) << 1 | 1,
        (time_90k & 0x7FFF) << 1 | 1,
    )


def _adts_head(track: Track, length: int) -> bytes:
    """ISO/IEC 14496-3 §1.A.3.2, without CRC."""
    config = aac.parse_audio_specific_config(track.parameter_sets[0])
    frequency = aac.SAMPLING_FREQUENCIES.index(config.sampling_frequency)
    whole = length + 7
    value = (
        0xFFF1 << 40
        | (min(config.object_type, 4) - 1) << 38
        | frequency << 34
        | (config.channels if config.channels < 8 else 7) << 30
        | whole << 13
        | 0x7FF << 2
    )
    return value.to_bytes(7, "big")


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x8000_0000 else 0)) & 0xFFFF_FFFF
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def _crc32(data: bytes) -> int:
    """CRC_32 of Annex A: the remainder of the data is the CRC."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc = (crc << 8 ^ _CRC_TABLE[crc >> 24 ^ byte]) & 0xFFFF_FFFF
    return crc
