"""H.264 parameter sets (ITU-T H.264 §7.3.2, Annex E): what a Track must know of them."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.bits import BitReader, without_emulation_prevention
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.stream import Codec, Track

__all__ = [
    "NAL_IDR",
    "NAL_PPS",
    "NAL_SEI",
    "NAL_SPS",
    "SequenceParameters",
    "parse_sps",
    "split_annex_b",
    "track_from_parameter_sets",
]

NAL_IDR = 5
NAL_SEI = 6
NAL_SPS = 7
NAL_PPS = 8

_PROFILES_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_SAMPLES_LIMIT = 16384


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What a sequence parameter set says.

    ``reorder_depth`` is max_num_reorder_frames where the SPS declares it, else 0: most cameras
    declare nothing and send no B-frames (a receiver that sees time run backwards must raise it).
    ``frames_per_second`` is 0.0 where no timing is given. ``constraint_flags`` is the byte between
    profile and level. ``interlaced``: pictures may be single fields (frame_mbs_only_flag is 0).
    """

    width: int
    height: int
    profile_idc: int
    constraint_flags: int
    level_idc: int
    reorder_depth: int
    frames_per_second: float
    chroma_format_idc: int = 1
    bit_depth_luma: int = 8
    bit_depth_chroma: int = 8
    interlaced: bool = False


def parse_sps(sps: bytes) -> SequenceParameters:
    """Read an SPS NAL unit (with its one-byte header, without start code).

    Raises CodecError when it is none, ends early, or gives an absurd size.
    """
    if len(sps) < 5 or sps[0] & 0x1F != NAL_SPS:
        raise CodecError("not an H.264 sequence parameter set")
    reader = BitReader(without_emulation_prevention(sps[1:]))
    profile_idc = reader.bits(8)
    constraint_flags = reader.bits(8)
    level_idc = reader.bits(8)
    reader.unsigned()  # seq_parameter_set_id
    chroma_format_idc, bit_depth_luma, bit_depth_chroma = 1, 8, 8
    separate_planes = False
    if profile_idc in _PROFILES_WITH_CHROMA:
        chroma_format_idc = reader.unsigned()
        if chroma_format_idc > 3:
            raise CodecError("chroma_format_idc is above 3")
        if chroma_format_idc == 3:
            separate_planes = reader.flag()
        bit_depth_luma = 8 + reader.unsigned()
        bit_depth_chroma = 8 + reader.unsigned()
        if bit_depth_luma > 14 or bit_depth_chroma > 14:
            raise CodecError("a bit depth is above 14")
        reader.skip(1)
        if reader.flag():
            _skip_scaling_matrix(reader, 8 if chroma_format_idc != 3 else 12)
    reader.unsigned()  # log2_max_frame_num_minus4
    order_type = reader.unsigned()
    if order_type == 0:
        reader.unsigned()
    elif order_type == 1:
        reader.skip(1)
        reader.signed()
        reader.signed()
        for _ in range(_at_most(reader.unsigned(), 255, "num_ref_frames_in_pic_order_cnt_cycle")):
            reader.signed()
    reader.unsigned()  # max_num_ref_frames
    reader.skip(1)
    width_in_blocks = reader.unsigned() + 1
    height_in_units = reader.unsigned() + 1
    frames_only = reader.flag()
    if not frames_only:
        reader.skip(1)
    reader.skip(1)
    rows_per_unit = 1 if frames_only else 2
    width = width_in_blocks * 16
    height = height_in_units * 16 * rows_per_unit
    if reader.flag():
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        chroma = 0 if separate_planes else chroma_format_idc
        step_x = 2 if chroma in (1, 2) else 1
        step_y = (2 if chroma == 1 else 1) * rows_per_unit
        width -= (left + right) * step_x
        height -= (top + bottom) * step_y
    if not (0 < width <= _SAMPLES_LIMIT and 0 < height <= _SAMPLES_LIMIT):
        raise CodecError(f"a picture of {width}x{height} is absurd")
    reorder_depth, frames_per_second = _read_vui(reader)
    if profile_idc == 66 or order_type == 2:
        reorder_depth = 0
    return SequenceParameters(
        width,
        height,
        profile_idc,
        constraint_flags,
        level_idc,
        reorder_depth,
        frames_per_second,
        chroma_format_idc,
        bit_depth_luma,
        bit_depth_chroma,
        not frames_only,
    )


def track_from_parameter_sets(sps: bytes, pps: bytes) -> Track:
    """The Track of a stream with these parameter sets. Raises CodecError."""
    sequence = parse_sps(sps)
    if not pps or pps[0] & 0x1F != NAL_PPS:
        raise CodecError("not an H.264 picture parameter set")
    return Track(
        kind="video",
        codec=Codec.H264,
        clock_rate=90000,
        parameter_sets=(sps, pps),
        width=sequence.width,
        height=sequence.height,
        reorder_depth=sequence.reorder_depth,
        frames_per_second=sequence.frames_per_second,
    )


def _at_most(value: int, limit: int, name: str) -> int:
    if value > limit:
        raise CodecError(f"{name} is above {limit}")
    return value


def _skip_scaling_matrix(reader: BitReader, lists: int) -> None:
    for index in range(lists):
        if not reader.flag():
            continue
        last, following = 8, 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + reader.signed()) % 256
            last = following or last


def _read_vui(reader: BitReader) -> tuple[int, float]:
    """Reordering depth and frame rate. A VUI cut short, as some cameras send it, says nothing."""
    frames_per_second = 0.0
    try:
        if not reader.flag():
            return 0, 0.0
        if reader.flag() and reader.bits(8) == 255:
            reader.skip(32)  # Extended_SAR
        if reader.flag():
            reader.skip(1)
        if reader.flag():
            reader.skip(4)
            if reader.flag():
                reader.skip(24)
        if reader.flag():
            reader.unsigned()
            reader.unsigned()
        if reader.flag():
            units_in_tick, time_scale = reader.bits(32), reader.bits(32)
            reader.skip(1)
            if units_in_tick:
                rate = time_scale / (2 * units_in_tick)
                frames_per_second = rate if rate <= 1000 else 0.0
        nal_hrd = reader.flag()
        if nal_hrd:
            _skip_hrd(reader)
        vcl_hrd = reader.flag()
        if vcl_hrd:
            _skip_hrd(reader)
        if nal_hrd or vcl_hrd:
            reader.skip(1)
        reader.skip(1)
        if not reader.flag():
            return 0, frames_per_second
        reader.skip(1)
        for _ in range(4):
            reader.unsigned()
        reorder_depth = reader.unsigned()
    except CodecError:
        return 0, frames_per_second
    return (reorder_depth if reorder_depth <= 16 else 0), frames_per_second


def _skip_hrd(reader: BitReader) -> None:
    count = _at_most(reader.unsigned() + 1, 32, "cpb_cnt")
    reader.skip(8)
    for _ in range(count):
        reader.unsigned()
        reader.unsigned()
        reader.skip(1)
    reader.skip(20)
