"""A device's recording: stamps, ranges, gaps; whole stretches from GStreamer's replay server."""

from __future__ import annotations

import hashlib
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtsp.replay import (
    RecordingClock,
    Stamp,
    clock_range,
    ntp_near,
    parse_stamp,
    play_recording,
)
from camera_adapters.rtsp.replay_reference import ReplayReference
from camera_adapters.stream import Codec, Stream, Variant
from tests.camera_adapters.rtsp.test_gstreamer import Kept, make_clip, pictures_of
from tests.peers.processes import gstreamer_replay

BASE_US = 1_790_000_000_000_000
# By the clock of GStreamer's server the recording is of 1900.
OFFSET_US = -2_208_988_800_000_000 - BASE_US
SECOND = 1_000_000

gstreamer = [
    pytest.mark.gstreamer,
    pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python"),
    pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe"),
]


def with_marks(function):  # type: ignore[no-untyped-def]
    for mark in gstreamer:
        function = mark(function)
    return function


@with_marks
@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
async def test_a_stretch_comes_whole_with_the_time_of_its_recording(
    codec: Codec, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    clip = make_clip(
        request.getfixturevalue(f"pedestrians_{codec.value}"), tmp_path / "clip.mp4", 20
    )
    expected = pictures_of(clip, codec)
    stream, kept = Stream("cam", Variant.MAIN), Kept()
    stream.attach(kept)
    with gstreamer_replay(clip, codec.value) as url:
        outcome = await play_recording(
            ReplayReference(url, OFFSET_US),
            stream,
            start_us=BASE_US + 8 * SECOND,
            end_us=BASE_US + 14 * SECOND,
            username="viewer",
            password="secret",
        )
    assert outcome.code == "whole", outcome.line
    places = {digest: number for number, (digest, _) in enumerate(expected)}
    numbers = [places[hashlib.sha256(unit.payload).hexdigest()] for unit in kept.units]
    assert numbers == list(range(numbers[0], 140))
    assert numbers[0] <= 80
    assert kept.units[0].keyframe
    for number, unit in zip(numbers, kept.units, strict=True):
        assert abs(unit.wall_us - BASE_US - number * SECOND // 10) <= 20
    assert all(later.dts_90k > earlier.dts_90k for earlier, later in pairwise(kept.units))


@with_marks
async def test_the_end_of_the_recording_is_no_fault_and_an_early_one_is(
    pedestrians_h264: Path, tmp_path: Path
) -> None:
    clip = make_clip(pedestrians_h264, tmp_path / "clip.mp4", 10)
    with gstreamer_replay(clip, "h264") as url:
        for seconds, code in ((11, "whole"), (60, "broken")):
            outcome = await play_recording(
                ReplayReference(url, OFFSET_US),
                Stream("cam", Variant.MAIN),
                start_us=BASE_US,
                end_us=BASE_US + seconds * SECOND,
                username="viewer",
                password="secret",
            )
            assert outcome.code == code, outcome.line


@with_marks
async def test_a_wrong_password_is_refused(pedestrians_h264: Path, tmp_path: Path) -> None:
    clip = make_clip(pedestrians_h264, tmp_path / "clip.mp4", 2)
    with gstreamer_replay(clip, "h264") as url:
        outcome = await play_recording(
            ReplayReference(url),
            Stream("cam", Variant.MAIN),
            start_us=0,
            end_us=SECOND,
            username="viewer",
            password="wrong",
        )
    assert outcome.code == "refused"


def packet(timestamp: int, ntp: int, flags: int = 0x80, *, profile: int = 0xABAC) -> bytes:
    extension = profile.to_bytes(2, "big") + (3).to_bytes(2, "big") + ntp.to_bytes(8, "big")
    head = bytes((0x90, 96)) + bytes(2) + timestamp.to_bytes(4, "big") + bytes(4)
    return head + extension + bytes((flags, 1, 0, 0)) + b"payload"


def test_a_stamp_is_read_wherever_the_packet_lies() -> None:
    data = b"xx" + packet(7, 42, 0xA0) + b"yy"
    assert parse_stamp(data, 2, len(data) - 2) == (7, Stamp(42, True, False, True))
    assert parse_stamp(packet(7, 42, profile=0xBEDE), 0, 35) is None


@given(st.binary(max_size=64))
def test_no_packet_makes_the_reader_fail(data: bytes) -> None:
    parse_stamp(data, 0, len(data))


@given(st.integers(0, 2**64 - 1), st.integers(-(2**52), 2**52))
def test_an_instant_is_in_the_era_nearest_to_what_was_asked(ntp: int, near_us: int) -> None:
    assert abs(ntp_near(ntp, near_us) - near_us) <= (1 << 31) * SECOND


def test_ranges_are_written_as_rfc_2326_has_them() -> None:
    assert (
        clock_range(1_790_000_000_123_000, 1_790_000_060_000_000)
        == "clock=20260921T141320.123Z-20260921T141420.000Z"
    )


def test_pictures_without_a_stamp_are_placed_by_the_one_before() -> None:
    clock = RecordingClock(90_000, BASE_US, 0)
    ntp = (BASE_US // SECOND + 2_208_988_800) % (1 << 32) << 32
    clock.note(1000, Stamp(ntp, True, False, False))
    assert clock.line_us((1 << 32) + 1000, 0) == BASE_US
    assert clock.line_us((1 << 32) + 1000 + 45_000, 0) == BASE_US + SECOND // 2


def test_behind_a_gap_a_new_run_begins() -> None:
    gaps: list[int] = []
    clock = RecordingClock(90_000, BASE_US, 0, lambda: gaps.append(1))
    ntp = (BASE_US // SECOND + 2_208_988_800) % (1 << 32) << 32
    for number, second in enumerate((0, 1, 2, 60, 61)):
        clock.note(number * 9000, Stamp(ntp + (second << 32), True, False, False))
        assert clock.line_us((1 << 32) + number * 9000, 0) == BASE_US + second * SECOND
    assert gaps == [1]


@given(st.text(max_size=40), st.integers(-(2**60), 2**60))
def test_a_reference_is_a_text_and_back(path: str, offset_us: int) -> None:
    reference = ReplayReference(f"rtsp://10.0.0.1/{path}", offset_us)
    assert ReplayReference.from_text(reference.to_text()) == reference
