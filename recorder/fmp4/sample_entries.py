"""Sample entries: how each codec's Track is written into ``stsd`` (ISO/IEC 14496-12 §8.5.2)."""

from __future__ import annotations

import struct

from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.stream import Codec, Track


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box with a 32-bit size (ISO/IEC 14496-12 §4.2)."""
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def sample_entry(track: Track) -> bytes:
    """The sample entry box of ``track``. Raises CodecError when its parameter sets are broken."""
    match track.codec:
        case Codec.H264:
            return _visual(b"avc1", track, _avcc(track))
        case Codec.H265:
            return _visual(b"hvc1", track, _hvcc(track))
        case Codec.AAC:
            return _audio(b"mp4a", track, _esds(track.parameter_sets[0]))
        case Codec.OPUS:
            return _audio(b"Opus", track, _dops(track))
        case Codec.PCMA:
            return _audio(b"alaw", track)
        case Codec.PCMU:
            return _audio(b"ulaw", track)
        case Codec.JPEG:
            raise CodecError("no Stream has JPEG")
        case Codec.VP8:
            raise CodecError("VP8 is not kept in MP4 here")


def _visual(kind: bytes, track: Track, configuration: bytes) -> bytes:
    head = struct.pack(
        ">6xH16xHHII4xH32xHh", 1, track.width, track.height, 0x480000, 0x480000, 1, 0x18, -1
    )
    return box(kind, head, configuration)


def _audio(kind: bytes, track: Track, configuration: bytes = b"") -> bytes:
    # The 16.16 rate cannot hold more than 65535 Hz; the codec's own configuration has the truth.
    rate = track.clock_rate if track.clock_rate < 1 << 16 else 0
    head = struct.pack(">6xH8xHH4xI", 1, track.channels or 1, 16, rate << 16)
    return box(kind, head, configuration)


def _avcc(track: Track) -> bytes:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1)."""
    sequence_sets = [unit for unit in track.parameter_sets if unit[0] & 0x1F == h264.NAL_SPS]
    picture_sets = [unit for unit in track.parameter_sets if unit[0] & 0x1F == h264.NAL_PPS]
    sps = h264.parse_sps(sequence_sets[0])
    parts = [
        bytes(
            (1, sps.profile_idc, sps.constraint_flags, sps.level_idc, 0xFF)  # 4-byte NAL lengths
        ),
        bytes((0xE0 | len(sequence_sets),)),
        *(struct.pack(">H", len(unit)) + unit for unit in sequence_sets),
        bytes((len(picture_sets),)),
        *(struct.pack(">H", len(unit)) + unit for unit in picture_sets),
    ]
    if sps.profile_idc not in (66, 77, 88):
        parts.append(
            bytes(
                (
                    0xFC | sps.chroma_format_idc,
                    0xF8 | (sps.bit_depth_luma - 8),
                    0xF8 | (sps.bit_depth_chroma - 8),
                    0,
                )
            )
        )
    return box(b"avcC", *parts)


def _hvcc(track: Track) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1)."""
    by_type: dict[int, list[bytes]] = {}
    for unit in track.parameter_sets:
        by_type.setdefault((unit[0] >> 1) & 0x3F, []).append(unit)
    sps = h265.parse_sps(by_type[h265.NAL_SPS][0])
    arrays = []
    for nal_type in sorted(by_type):
        units = by_type[nal_type]
        arrays.append(struct.pack(">BH", 0x80 | nal_type, len(units)))  # complete: none in band
        arrays += [struct.pack(">H", len(unit)) + unit for unit in units]
    return box(
        b"hvcC",
        struct.pack(
            ">BBI6sBHBBBBHBB",
            1,
            sps.profile_space << 6 | sps.tier << 5 | sps.profile_idc,
            sps.compatibility_flags,
            sps.constraint_flags.to_bytes(6, "big"),
            sps.level_idc,
            0xF000,  # min_spatial_segmentation_idc: unknown
            0xFC,  # parallelismType: unknown
            0xFC | sps.chroma_format_idc,
            0xF8 | (sps.bit_depth_luma - 8),
            0xF8 | (sps.bit_depth_chroma - 8),
            0,
            sps.temporal_layers << 3 | sps.temporal_id_nested << 2 | 3,
            len(by_type),
        ),
        *arrays,
    )


def _descriptor(tag: int, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return bytes((tag, 0x80, 0x80, 0x80, len(body))) + body


def _esds(audio_specific_config: bytes) -> bytes:
    """ES descriptor (ISO/IEC 14496-1 §7.2.6.5, 14496-14 §3.1.2)."""
    decoder = _descriptor(
        4,
        bytes((0x40, 0x15)) + bytes(11),  # MPEG-4 audio, audio stream; rates not stated
        _descriptor(5, audio_specific_config),
    )
    elementary_stream = _descriptor(3, struct.pack(">HB", 0, 0), decoder, _descriptor(6, b"\x02"))
    return full_box(b"esds", 0, 0, elementary_stream)


def _dops(track: Track) -> bytes:
    """Opus Specific Box (Opus in ISOBMFF §4.3.2). RTP carries no pre-skip: 0."""
    return box(b"dOps", struct.pack(">BBHIhB", 0, track.channels or 2, 0, 48000, 0, 0))
