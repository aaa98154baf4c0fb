"""Sides, crossings and insides, for any line and any way."""

from __future__ import annotations

import itertools

from hypothesis import assume, given
from hypothesis import strategies as st

from search.zones import geometry

POINTS = st.tuples(
    st.integers(0, 1000).map(lambda n: n / 1000), st.integers(0, 1000).map(lambda n: n / 1000)
)
WAYS = st.lists(POINTS, min_size=2, max_size=8)
SQUARE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))


def test_forward_is_from_the_left_hand_to_the_right_as_one_sees_it() -> None:
    """A line drawn from the bottom up; somebody walks to the right."""
    up = ((0.5, 1.0), (0.5, 0.0))
    assert geometry.crossings((0.2, 0.5), (0.8, 0.5), up) == 1
    assert geometry.crossings((0.8, 0.5), (0.2, 0.5), up) == -1
    assert geometry.crossings((0.2, 0.5), (0.4, 0.5), up) == 0
    assert geometry.crossings((0.2, 0.5), (0.8, 0.5), up[::-1]) == -1


def test_who_walks_around_the_end_of_a_line_does_not_cross_it() -> None:
    short = ((0.5, 0.6), (0.5, 0.4))
    way = [(0.2, 0.5), (0.5, 0.1), (0.8, 0.5)]
    assert sum(geometry.crossings(a, b, short) for a, b in itertools.pairwise(way)) == 0


@given(POINTS, POINTS, WAYS)
def test_the_way_back_crosses_what_the_way_there_crossed(
    start: tuple[float, float], end: tuple[float, float], line: list[tuple[float, float]]
) -> None:
    assume(all(abs(geometry.side(start, end, corner)) > 1e-9 for corner in line))
    assert geometry.crossings(start, end, line) == -geometry.crossings(end, start, line)


@given(POINTS, POINTS, POINTS)
def test_a_line_across_everything_is_crossed_when_the_side_changes(
    start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float]
) -> None:
    """Whatever the way: the net count depends on its ends only."""
    line = ((0.4, 5.0), (0.6, -4.0))
    net = geometry.crossings(start, middle, line) + geometry.crossings(middle, end, line)
    sides = [geometry.side(*line, point) >= 0 for point in (start, end)]
    assert net == sides[1] - sides[0]


@given(POINTS, POINTS)
def test_in_and_out_of_a_region_agree_with_its_border(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Who was in and is out crossed the closed border, an odd number of times."""
    border = (*SQUARE, SQUARE[0])
    corners_off = all(abs(geometry.side(start, end, corner)) > 1e-9 for corner in SQUARE)
    assume(corners_off and start != end)
    assume(all(geometry.distance(point, border) > 1e-9 for point in (start, end)))
    changed = geometry.inside(start, SQUARE) != geometry.inside(end, SQUARE)
    assert abs(geometry.crossings(start, end, border)) % 2 == changed


@given(st.lists(POINTS, min_size=3, max_size=8), POINTS)
def test_nobody_is_inside_who_is_outside_the_box_around(
    corners: list[tuple[float, float]], point: tuple[float, float]
) -> None:
    xs, ys = zip(*corners, strict=True)
    if geometry.inside(point, corners):
        assert min(xs) <= point[0] <= max(xs) and min(ys) <= point[1] <= max(ys)


@given(st.floats(-720, 720), st.floats(-720, 720))
def test_angles_between_headings(a: float, b: float) -> None:
    apart = geometry.degrees_apart(a, b)
    assert 0 <= apart <= 180
    assert abs(apart - geometry.degrees_apart(b, a)) < 1e-6
    assert abs(geometry.degrees_apart(a, a + 180) - 180) < 1e-6
