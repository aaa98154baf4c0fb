"""Decoding times: never decreasing, never behind the presentation."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.decoding_order import DecodingTimes

FRAME = 3600


def reordered(depth: int, groups: list[int]) -> list[int]:
    """Presentation times in decoding order: each anchor before its B-pictures."""
    times, shown = [0], 0
    for length in groups:
        length = min(length, depth)
        times.append((shown + length + 1) * FRAME)
        times += [(shown + number + 1) * FRAME for number in range(length)]
        shown += length + 1
    return times


@given(st.integers(1, 4), st.lists(st.integers(0, 4), max_size=40))
def test_with_the_declared_depth(depth: int, groups: list[int]) -> None:
    clock = DecodingTimes(depth)
    last = -1
    for pts in reordered(1, groups):
        dts = clock.decoding_time(pts)
        assert last < dts <= pts or pts == dts == 0 or dts <= pts
        assert dts > last
        last = dts
    assert clock.needed_depth <= 1


@given(st.lists(st.integers(0, 10_000_000), max_size=60), st.integers(0, 4))
def test_times_never_decrease_whatever_comes(times: list[int], depth: int) -> None:
    clock = DecodingTimes(depth)
    made = [clock.decoding_time(pts) for pts in times]
    assert all(later > earlier for earlier, later in itertools.pairwise(made))


def test_an_undeclared_depth_is_noticed() -> None:
    clock = DecodingTimes(0)
    for pts in reordered(2, [2, 2, 2]):
        clock.decoding_time(pts)
    assert clock.needed_depth == 1


def test_without_b_frames_nothing_changes() -> None:
    clock = DecodingTimes(0)
    assert [clock.decoding_time(n * FRAME) for n in range(5)] == [n * FRAME for n in range(5)]
