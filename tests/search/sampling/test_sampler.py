"""What of a camera's pictures reaches the detector."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.stream import AccessUnit, Codec, Track
from search.objects import Frame, Picture
from search.sampling.sampler import FrameSampler
from tests.search.coded import coded, pictures_of

WIDTH, HEIGHT = 320, 240


def scene(seed: int = 1) -> Picture:
    """A still scene with some structure."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 200, (HEIGHT // 20, WIDTH // 20, 3), np.uint8)
    return np.kron(coarse, np.ones((20, 20, 1), np.uint8))


def with_block(picture: Picture, left: int, top: int = 100) -> Picture:
    """The scene with a striped thing, 24 × 60 pixels, standing in it."""
    shown = picture.copy()
    block = shown[top : top + 60, max(left, 0) : max(left + 24, 0)]
    block[:] = (20, 30, 220)
    block[::8] = 240
    return shown


def sampled(track: Track, units: list[AccessUnit], sampler: FrameSampler) -> list[Frame]:
    sampler.start((track,))
    frames = [frame for unit in units for frame in sampler.push(unit)]
    return frames + sampler.flush()


def test_a_crowd_gives_five_pictures_a_second(pedestrians_h264: Path) -> None:
    track, units = coded(pictures_of(pedestrians_h264, 384, 288, 100))
    sampler = FrameSampler("cam")
    frames = sampled(track, units, sampler)
    assert 45 <= len(frames) <= 51
    times = [frame.at_us for frame in frames]
    assert times == sorted(times)
    assert {time - units[0].wall_us for time in times} <= {n * 100_000 for n in range(100)}
    assert frames[0].picture.shape == (288, 384, 3) and not frames[0].monochrome


def test_a_still_scene_gives_a_keyframe_now_and_then() -> None:
    still = scene()
    track, units = coded([still] * 400)
    sampler = FrameSampler("cam")
    frames = sampled(track, units, sampler)
    assert 4 <= len(frames) <= 6  # the first, and one each 10 s of 40
    keyframes = {unit.wall_us for unit in units if unit.keyframe}
    assert {frame.at_us for frame in frames} <= keyframes
    # Beyond the first seconds, in which sizes are learned, only keyframes are decoded.
    assert sampler.counters.decoded < 70


@pytest.mark.parametrize("gop", [10, 120])
def test_what_crosses_in_the_middle_of_a_group_of_pictures_is_seen(gop: int) -> None:
    still = scene()
    pictures = [still] * 145 + [with_block(still, x) for x in range(-20, 320, 10)] + [still] * 60
    track, units = coded(pictures, gop=gop)
    frames = sampled(track, units, FrameSampler("cam"))
    crossing = [f for f in frames if 14.5e6 <= f.at_us - units[0].wall_us <= 17.9e6]
    assert len(crossing) >= 14  # 3.4 s, at 5 a second, less the first moment


def crossing(still: Picture, start: int = 100, end: int = 60) -> list[Picture]:
    """Nothing, a crossing of 34 pictures, nothing."""
    passing = [with_block(still, x) for x in range(-20, 320, 10)]
    return [still] * start + passing + [still] * end


def test_pictures_out_of_order_come_in_the_order_of_time() -> None:
    track, units = coded(crossing(scene()), x264="scenecut=0:bframes=3:b-adapt=0")
    assert track.reorder_depth and [u.pts_90k for u in units] != sorted(u.pts_90k for u in units)
    frames = sampled(track, units, FrameSampler("cam"))
    times = [frame.at_us for frame in frames]
    assert times == sorted(times) and len(set(times)) == len(times)
    start_us = min(unit.wall_us for unit in units)
    assert len([at for at in times if 10e6 <= at - start_us <= 13.4e6]) >= 14


def test_only_keyframes_when_told_so() -> None:
    track, units = coded(crossing(scene(), 80, 40), gop=10)
    sampler = FrameSampler("cam", keyframes_only=True)
    frames = sampled(track, units, sampler)
    keyframes = {unit.wall_us for unit in units if unit.keyframe}
    assert {frame.at_us for frame in frames} <= keyframes
    assert [f for f in frames if 8e6 <= f.at_us - units[0].wall_us <= 11.4e6]
    assert sampler.counters.decoded <= len(keyframes)


def test_damaged_pictures_are_counted_and_the_next_keyframe_begins_anew() -> None:
    track, units = coded(crossing(scene(), 100, 20))
    rng = np.random.default_rng(5)
    for unit in units[40:80]:
        garbage = bytearray(unit.payload)
        for at in rng.integers(4, len(garbage), 30):
            garbage[at] = rng.integers(0, 256)
        unit.payload = bytes(garbage)
    units[85].payload = b"\x00\x00\xff\xff not as long as it says"
    sampler = FrameSampler("cam")
    frames = sampled(track, units, sampler)
    assert sampler.counters.damaged > 0
    assert len([f for f in frames if f.at_us > units[100].wall_us]) >= 14


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("x264", ["scenecut=0:bframes=0", "scenecut=0:bframes=3:b-pyramid=normal"])
@pytest.mark.parametrize(("fps", "gop"), [(10, 20), (1, 12), (25, 250)])
def test_of_what_can_be_decoded_nothing_is_unseen(
    gated: bool, x264: str, fps: int, gop: int
) -> None:
    still = scene()
    shown = [with_block(still, 6 * n - 24) if 60 <= n < 110 else still for n in range(200)]
    track, units = coded(shown, fps=fps, gop=gop, x264=x264)
    sampler = FrameSampler("cam", gated=gated)
    sampler.start((replace(track, reorder_depth=3 if "b-pyramid" in x264 else 0),))
    for unit in units:
        sampler.push(unit)
        assert sampler.take_unseen() == []
    assert sampler.counters.damaged == 0


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, 79), max_size=6))
def test_where_no_picture_could_be_had_is_told_and_little_else(broken: set[int]) -> None:
    """From the first damaged unit of a group of pictures up to the next good keyframe."""
    track, units = _moving_clip()
    rubbish = np.random.default_rng(2)
    sampler = FrameSampler("cam", gated=True)
    sampler.start((track,))
    unseen: list[tuple[int, int]] = []
    for n, unit in enumerate(units):
        payload = rubbish.bytes(len(unit.payload)) if n in broken else unit.payload
        sampler.push(replace(unit, payload=payload))
        unseen += sampler.take_unseen()
    lost = {n for n in range(80) if any(n - n % 20 <= one <= n for one in broken)}
    told = {
        n
        for n, unit in enumerate(units)
        if any(start_us <= unit.wall_us < end_us for start_us, end_us in unseen)
    }
    groups = {one // 20 for one in broken}
    assert lost <= told <= {n for n in range(80) if n // 20 in groups}


def test_a_worker_that_begins_within_a_group_sees_nothing_up_to_the_next() -> None:
    track, units = _moving_clip()
    sampler = FrameSampler("cam", gated=True)
    sampler.start((track,))
    for unit in units[5:30]:
        sampler.push(unit)
    unseen = sampler.take_unseen()
    assert unseen == [(units[5].wall_us, units[20].wall_us)]
    assert sampler.take_unseen() == []


@functools.cache
def _moving_clip() -> tuple[Track, list[AccessUnit]]:
    still = scene()
    return coded([with_block(still, 3 * n) for n in range(80)], gop=20)


def test_units_lost_on_the_way_are_waited_out() -> None:
    track, units = coded(pictures_moving())
    sampler = FrameSampler("cam", gated=True)
    sampler.start((track,))
    for unit in units[:25]:
        sampler.push(unit)
    sampler.skip()
    assert [frame for unit in units[30:40] for frame in sampler.push(unit)] == []
    assert [frame for unit in units[40:60] for frame in sampler.push(unit)]


def test_another_size_is_another_scene() -> None:
    sampler = FrameSampler("cam")
    small_track, small = coded([scene()] * 40)
    large = [np.kron(scene(), np.ones((2, 2, 1), np.uint8))] * 40
    large_track, units = coded(large, start_us=small[-1].wall_us + 100_000)
    frames = sampled(small_track, small, sampler) + sampled(large_track, units, sampler)
    assert {frame.picture.shape for frame in frames} == {(240, 320, 3), (480, 640, 3)}
    assert sampler.counters.damaged == 0


def test_a_clock_set_back_begins_anew() -> None:
    track, units = coded(crossing(scene(), 60, 40))
    sampler = FrameSampler("cam")
    first = sampled(track, units, sampler)
    for unit in units:
        unit.wall_us -= 3_600_000_000
    again = sampled(track, units, sampler)
    assert len(again) >= len(first) - 5


@pytest.mark.parametrize("cast", [(0, 0, 0), (25, -5, 10)])
def test_pictures_without_colour_say_so(cast: tuple[int, int, int]) -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    tinted = np.clip(grey.astype(np.int16) + cast, 0, 255).astype(np.uint8)
    track, units = coded([tinted] * 20)
    assert {frame.monochrome for frame in sampled(track, units, FrameSampler("cam"))} == {True}


def test_what_the_gate_in_another_process_should_know_is_said_once() -> None:
    track, units = coded(pictures_moving())
    sampler = FrameSampler("cam", gated=True)
    sampler.start((track,))
    wishes = []
    for unit in units:
        sampler.push(unit)
        wishes.append(sampler.wish())
    said = [wish for wish in wishes if wish is not None]
    assert said and said[-1].open_until_us > units[-5].wall_us
    assert sampler.wish() is None


def pictures_moving() -> list[Picture]:
    return [with_block(scene(), x * 5) for x in range(60)]


def test_a_track_that_is_no_video_of_ours_gives_nothing() -> None:
    track, units = coded([scene()] * 5)
    for other in (replace(track, codec=Codec.JPEG), replace(track, kind="audio")):
        assert sampled(other, units, FrameSampler("cam")) == []


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=60), st.booleans(), st.integers(0, 1 << 40), st.sampled_from("psfw")
        ),
        max_size=30,
    )
)
@settings(max_examples=40)
def test_nothing_that_a_camera_sends_breaks_it(
    things: list[tuple[bytes, bool, int, str]],
) -> None:
    track, units = coded([scene()] * 3)
    sampler = FrameSampler("cam")
    sampler.start((track,))
    for payload, keyframe, at, what in things:
        if what == "p":
            sampler.push(AccessUnit(0, payload, at, at, keyframe, at))
        elif what == "s":
            sampler.skip()
        elif what == "f":
            sampler.flush()
        else:
            sampler.push(units[at % 3])
    sampler.close()
