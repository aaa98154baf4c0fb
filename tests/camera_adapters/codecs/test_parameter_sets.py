"""What is read from parameter sets agrees with ffprobe, and with what an encoder was told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.codecs.bits import without_emulation_prevention
from camera_adapters.codecs.codec_string import codec_string
from camera_adapters.stream import Codec, Track
from tests.peers.parameter_sets import H264_PPS, H264_SETS, H264_SPS, H265_SETS, H265_SPS


def encoded(tmp_path: Path, codec: str, options: list[str], size: str = "322x182") -> list[bytes]:
    """NAL units of a few pictures that ffmpeg encodes."""
    path = tmp_path / f"made.{codec}"
    source = f"testsrc2=size={size}:rate=15"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-frames:v", "6"]
    subprocess.run([*command, *options, "-f", codec, str(path)], check=True)
    return h264.split_annex_b(path.read_bytes())


def test_sps_of_the_clip() -> None:
    sps = h264.parse_sps(H264_SPS)
    assert (sps.width, sps.height, sps.frames_per_second) == (768, 576, 10.0)
    assert (sps.profile_idc, sps.level_idc, sps.reorder_depth) == (100, 31, 0)


@pytest.mark.parametrize(
    ("options", "depth"),
    [(["-bf", "0"], 0), (["-bf", "2", "-x264-params", "b-pyramid=none"], 1), (["-bf", "3"], 2)],
)
def test_h264_reorder_depth_and_cropped_size(
    tmp_path: Path, options: list[str], depth: int
) -> None:
    units = encoded(tmp_path, "h264", ["-c:v", "libx264", "-pix_fmt", "yuv420p", *options])
    sps = h264.parse_sps(next(unit for unit in units if unit[0] & 31 == 7))
    assert (sps.width, sps.height, sps.frames_per_second) == (322, 182, 15.0)
    assert sps.reorder_depth == depth
    assert not sps.interlaced


def test_interlaced_h264(tmp_path: Path) -> None:
    options = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+ilme+ildct"]
    units = encoded(tmp_path, "h264", options, "320x192")
    sps = h264.parse_sps(next(unit for unit in units if unit[0] & 31 == 7))
    assert sps.interlaced
    assert (sps.width, sps.height) == (320, 192)


def test_h264_with_high_chroma(tmp_path: Path) -> None:
    units = encoded(tmp_path, "h264", ["-c:v", "libx264", "-pix_fmt", "yuv444p10le"])
    sps = h264.parse_sps(next(unit for unit in units if unit[0] & 31 == 7))
    assert (sps.width, sps.height) == (322, 182)
    assert (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma) == (3, 10, 10)


@pytest.mark.parametrize("frames", [0, 3])
def test_h265_against_ffprobe(tmp_path: Path, frames: int) -> None:
    x265 = f"log-level=error:bframes={frames}:b-adapt=0:scaling-list=default"
    options = ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", x265]
    units = encoded(tmp_path, "hevc", options)
    sps = h265.parse_sps(next(unit for unit in units if unit[0] >> 1 & 63 == 33))
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(tmp_path / "made.hevc")],
        capture_output=True,
        check=True,
    )
    stream = json.loads(probe.stdout)["streams"][0]
    assert (sps.width, sps.height) == (stream["width"], stream["height"])
    assert sps.level_idc == stream["level"]
    assert sps.reorder_depth == stream["has_b_frames"]
    assert sps.frames_per_second == 15.0


def test_codec_strings() -> None:
    assert codec_string(h264.track_from_parameter_sets(*H264_SETS)) == "avc1.64001f"
    assert codec_string(h265.track_from_parameter_sets(*H265_SETS)) == "hvc1.1.6.L90.90"
    assert codec_string(Track("audio", Codec.OPUS, 48000)) == "opus"


@pytest.mark.parametrize("cut", range(len(H264_SPS)))
def test_a_cut_sps_is_an_error_or_still_tells_the_size(cut: int) -> None:
    try:
        sps = h264.parse_sps(H264_SPS[:cut])
    except CodecError:
        return
    assert (sps.width, sps.height) == (768, 576)


def test_what_is_no_sps() -> None:
    for wrong in (b"", H264_PPS, b"\x67", H265_SPS):
        with pytest.raises(CodecError):
            h264.parse_sps(wrong)
    with pytest.raises(CodecError):
        h265.parse_sps(H264_SPS)
    with pytest.raises(CodecError):
        h264.track_from_parameter_sets(H264_SPS, H264_SPS)


def test_emulation_prevention() -> None:
    assert without_emulation_prevention(b"\x00\x00\x03\x00\x00\x03\x01") == b"\x00\x00\x00\x00\x01"
    assert without_emulation_prevention(b"\x00\x03\x00\x00\x04") == b"\x00\x03\x00\x00\x04"
