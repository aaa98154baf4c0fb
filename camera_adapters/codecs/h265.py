"""H.265 parameter sets (ITU-T H.265 §7.3.2, Annex E): what a Track must know of them."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.bits import BitReader, without_emulation_prevention
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.stream import Codec, Track

__all__ = [
    "NAL_PPS",
    "NAL_SPS",
    "NAL_VPS",
    "SequenceParameters",
    "is_keyframe_type",
    "parse_sps",
    "split_annex_b",
    "track_from_parameter_sets",
]

NAL_VPS = 32
NAL_SPS = 33
NAL_PPS = 34

_SAMPLES_LIMIT = 16384


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """What a sequence parameter set says (§7.3.2.2, profile_tier_level §7.3.3).

    ``constraint_flags`` are the 48 bits after the compatibility flags, as one number. ``level_idc``
    is thirty times the level. ``reorder_depth`` is sps_max_num_reorder_pics of the highest layer.
    ``frames_per_second`` is 0.0 where no timing is given.
    """

    width: int
    height: int
    profile_space: int
    tier: int
    profile_idc: int
    compatibility_flags: int
    constraint_flags: int
    level_idc: int
    reorder_depth: int
    frames_per_second: float
    chroma_format_idc: int
    bit_depth_luma: int
    bit_depth_chroma: int
    temporal_layers: int
    temporal_id_nested: bool


def is_keyframe_type(nal_type: int) -> bool:
    """Whether a slice of this type starts an intra random access picture (§7.4.2.2: 16 to 23)."""
    return 16 <= nal_type <= 23


def parse_sps(sps: bytes) -> SequenceParameters:
    """Read an SPS NAL unit (with its two-byte header, without start code).

    Raises CodecError when it is none, ends early, or gives an absurd size.
    """
    if len(sps) < 15 or (sps[0] >> 1) & 0x3F != NAL_SPS:
        raise CodecError("not an H.265 sequence parameter set")
    reader = BitReader(without_emulation_prevention(sps[2:]))
    reader.skip(4)
    sub_layers = reader.bits(3)
    nested = reader.flag()
    profile_space, tier, profile_idc = reader.bits(2), reader.bits(1), reader.bits(5)
    compatibility_flags = reader.bits(32)
    constraint_flags = reader.bits(48)
    level_idc = reader.bits(8)
    _skip_sub_layers(reader, sub_layers)
    reader.unsigned()  # sps_seq_parameter_set_id
    chroma_format_idc = reader.unsigned()
    if chroma_format_idc > 3:
        raise CodecError("chroma_format_idc is above 3")
    separate_planes = chroma_format_idc == 3 and reader.flag()
    width, height = reader.unsigned(), reader.unsigned()
    if reader.flag():
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        chroma = 0 if separate_planes else chroma_format_idc
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    if not (0 < width <= _SAMPLES_LIMIT and 0 < height <= _SAMPLES_LIMIT):
        raise CodecError(f"a picture of {width}x{height} is absurd")
    bit_depth_luma, bit_depth_chroma = 8 + reader.unsigned(), 8 + reader.unsigned()
    if bit_depth_luma > 16 or bit_depth_chroma > 16:
        raise CodecError("a bit depth is above 16")
    order_bits = reader.unsigned() + 4
    if order_bits > 16:
        raise CodecError("log2_max_pic_order_cnt_lsb is above 16")
    reorder_depth = 0
    for _ in range(1 if not reader.flag() else sub_layers + 1):
        reader.unsigned()
        reorder_depth = reader.unsigned()
        reader.unsigned()
    if reorder_depth > 16:
        raise CodecError("sps_max_num_reorder_pics is above 16")
    try:
        frames_per_second = _read_frame_rate(reader, sub_layers, order_bits)
    except CodecError:
        frames_per_second = 0.0
    return SequenceParameters(
        width,
        height,
        profile_space,
        tier,
        profile_idc,
        compatibility_flags,
        constraint_flags,
        level_idc,
        reorder_depth,
        frames_per_second,
        chroma_format_idc,
        bit_depth_luma,
        bit_depth_chroma,
        sub_layers + 1,
        nested,
    )


def track_from_parameter_sets(vps: bytes, sps: bytes, pps: bytes) -> Track:
    """The Track of a stream with these parameter sets. Raises CodecError."""
    sequence = parse_sps(sps)
    if len(vps) < 2 or (vps[0] >> 1) & 0x3F != NAL_VPS:
        raise CodecError("not an H.265 video parameter set")
    if len(pps) < 2 or (pps[0] >> 1) & 0x3F != NAL_PPS:
        raise CodecError("not an H.265 picture parameter set")
    return Track(
        kind="video",
        codec=Codec.H265,
        clock_rate=90000,
        parameter_sets=(vps, sps, pps),
        width=sequence.width,
        height=sequence.height,
        reorder_depth=sequence.reorder_depth,
        frames_per_second=sequence.frames_per_second,
    )


def _skip_sub_layers(reader: BitReader, sub_layers: int) -> None:
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers)]
    if sub_layers:
        reader.skip(2 * (8 - sub_layers))
    for profile, level in present:
        reader.skip((88 if profile else 0) + (8 if level else 0))


def _read_frame_rate(reader: BitReader, sub_layers: int, order_bits: int) -> float:
    """The rest of the SPS up to the VUI's timing (§7.3.2.2, §E.2.1); 0.0 where it has none."""
    for _ in range(6):
        reader.unsigned()
    if reader.flag() and reader.flag():
        _skip_scaling_lists(reader)
    reader.skip(2)
    if reader.flag():  # pcm_enabled_flag
        reader.skip(8)
        reader.unsigned()
        reader.unsigned()
        reader.skip(1)
    _skip_reference_picture_sets(reader)
    if reader.flag():  # long_term_ref_pics_present_flag
        for _ in range(_at_most(reader.unsigned(), 32, "num_long_term_ref_pics_sps")):
            reader.skip(order_bits + 1)
    reader.skip(2)
    if not reader.flag():  # vui_parameters_present_flag
        return 0.0
    if reader.flag() and reader.bits(8) == 255:
        reader.skip(32)
    if reader.flag():
        reader.skip(1)
    if reader.flag():
        reader.skip(4)
        if reader.flag():
            reader.skip(24)
    if reader.flag():
        reader.unsigned()
        reader.unsigned()
    reader.skip(3)
    if reader.flag():  # default_display_window_flag
        for _ in range(4):
            reader.unsigned()
    if not reader.flag():  # vui_timing_info_present_flag
        return 0.0
    units_in_tick, time_scale = reader.bits(32), reader.bits(32)
    rate = time_scale / units_in_tick if units_in_tick else 0.0
    return rate if rate <= 1000 else 0.0


def _skip_scaling_lists(reader: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not reader.flag():
                reader.unsigned()
                continue
            if size > 1:
                reader.signed()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                reader.signed()


def _skip_reference_picture_sets(reader: BitReader) -> None:
    """st_ref_pic_set() for each set (§7.3.7); only the number of pictures is carried over."""
    pictures = 0
    for index in range(_at_most(reader.unsigned(), 64, "num_short_term_ref_pic_sets")):
        if index and reader.flag():
            reader.skip(1)
            reader.unsigned()
            kept = 0
            for _ in range(pictures + 1):
                if reader.flag() or reader.flag():
                    kept += 1
            pictures = kept
            continue
        negative, positive = reader.unsigned(), reader.unsigned()
        pictures = _at_most(negative + positive, 32, "the pictures of a reference picture set")
        for _ in range(pictures):
            reader.unsigned()
            reader.skip(1)


def _at_most(value: int, limit: int, name: str) -> int:
    if value > limit:
        raise CodecError(f"{name} is above {limit}")
    return value
