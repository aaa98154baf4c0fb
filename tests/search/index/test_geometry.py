"""Drawn lines and regions held against many packed paths at once: as one by one, point by point."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from search.index.geometry import crossing, entering
from search.index.packed_paths import unpack_ways, ways_of
from search.index.packing import Packed, PackingError, pack, unpack
from search.index.questions import Line, Point, Region
from search.passages import PathPoint

# A coarse grid, so that lines are touched, and points lie upon them.
coarse = st.integers(0, 6).map(lambda one: one / 6)
shares = coarse | st.floats(0, 1)
points = st.tuples(shares, shares)


@st.composite
def paths(draw: st.DrawFn) -> list[PathPoint]:
    feet = draw(st.lists(points, max_size=8))
    return [PathPoint(200 * n, max(0, x - 0.05), 0.0, x + 0.05, y) for n, (x, y) in enumerate(feet)]


def packed(path: Sequence[PathPoint]) -> bytes:
    return pack(Packed((0.3, 0.3, 0.5, 0.9), 0.8, (None,) * 7, list(path)))


def read(blobs: Sequence[bytes]) -> list[list[PathPoint]]:
    return [unpack(blob).path for blob in blobs]


@given(st.lists(paths(), max_size=5))
def test_places_are_those_of_paths_read_one_by_one(some: list[list[PathPoint]]) -> None:
    blobs = [packed(one) for one in some]
    together, apart = unpack_ways(blobs), ways_of(read(blobs))
    assert together.count == apart.count == len(some)
    assert together.path.tolist() == apart.path.tolist()
    assert together.places.tolist() == apart.places.tolist()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), paths())
def test_damaged_bytes_are_refused_or_read_and_break_nothing(
    damaged: list[bytes], path: list[PathPoint]
) -> None:
    try:
        ways = unpack_ways([packed(path), *damaged])
    except PackingError:
        return
    assert ways.count == 1 + len(damaged)


@given(st.lists(paths(), max_size=5), points, points, st.sampled_from([None, "forward"]))
def test_crossings_are_those_that_a_walk_from_point_to_point_finds(
    some: list[list[PathPoint]], start: Point, end: Point, how: None
) -> None:
    blobs = [packed(one) for one in some]
    found = crossing(unpack_ways(blobs), Line(start, end, how)).tolist()
    assert found == [_crosses(one, start, end, how) for one in read(blobs)]


@given(st.lists(paths(), max_size=5), st.lists(points, min_size=3, max_size=8))
@settings(max_examples=200)
def test_a_region_is_entered_where_a_walk_from_point_to_point_enters_it(
    some: list[list[PathPoint]], corners: list[Point]
) -> None:
    blobs = [packed(one) for one in some]
    found = entering(unpack_ways(blobs), Region(tuple(corners))).tolist()
    assert found == [_enters(one, corners) for one in read(blobs)]


def test_five_hundred_long_paths_take_moments() -> None:
    """As many as are read at a time, against as many corners as can be drawn."""
    path = [
        PathPoint(n * 200, 0.1 + n / 100, 0.3, 0.15 + n / 100, 0.6 + n % 2 / 50) for n in range(48)
    ]
    blobs = [packed(path)] * 500
    around = [
        (0.5 + r * math.cos(n / 16 * math.pi), 0.5 + r * math.sin(n / 16 * math.pi))
        for n, r in zip(range(32), [0.05, 0.45] * 16, strict=True)
    ]
    region = Region(tuple(around))
    took = []
    for _ in range(3):
        begun = time.thread_time()
        entering(unpack_ways(blobs), region)
        took.append(time.thread_time() - begun)
    # One by one it was more than half a second.
    assert min(took) < 0.15


def _crosses(path: Sequence[PathPoint], start: Point, end: Point, how: str | None) -> bool:
    side, before = 0, None
    for here in map(_stands, path):
        now = _side(here, start, end)
        if before is not None and side and now and now != side and _meet(before, here, start, end):
            told = "forward" if now < 0 else "backward"
            if how in (None, told):
                return True
        if now:
            side, before = now, here
    return False


def _enters(path: Sequence[PathPoint], corners: Sequence[Point]) -> bool:
    places = [_stands(one) for one in path]
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    return any(_within(place, edges) for place in places) or any(
        _meet(before, here, *edge) for before, here in pairwise(places) for edge in edges
    )


def _stands(point: PathPoint) -> Point:
    return (point.left + point.right) / 2, point.bottom


def _side(point: Point, start: Point, end: Point) -> int:
    turn = (end[1] - start[1]) * (point[0] - start[0]) - (end[0] - start[0]) * (point[1] - start[1])
    return (turn > 0) - (turn < 0)


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    first, second, third, fourth = _side(c, a, b), _side(d, a, b), _side(a, c, d), _side(b, c, d)
    return (first != second and third != fourth) or any(
        one == 0 and _between(*three)
        for one, three in (
            (first, (c, a, b)),
            (second, (d, a, b)),
            (third, (a, c, d)),
            (fourth, (b, c, d)),
        )
    )


def _between(point: Point, start: Point, end: Point) -> bool:
    return all(min(s, e) <= p <= max(s, e) for p, s, e in zip(point, start, end, strict=True))


def _within(point: Point, edges: Sequence[tuple[Point, Point]]) -> bool:
    x, y = point
    return bool(
        sum(
            (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
            for (x1, y1), (x2, y2) in edges
        )
        % 2
    )
