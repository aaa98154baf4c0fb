"""Interval arithmetic against the plainest model there is: sets of instants."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from recorder.intervals import Interval, longest, merge, subtract

interval = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(
    lambda pair: (min(pair), max(pair))
)


def instants(parts: list[Interval]) -> set[int]:
    return {instant for start, end in parts for instant in range(start, end)}


@given(interval, st.lists(interval))
def test_subtract_leaves_exactly_the_uncovered(whole: Interval, parts: list[Interval]) -> None:
    pieces = subtract(whole, parts)
    assert instants(pieces) == instants([whole]) - instants(parts)
    assert all(start < end for start, end in pieces)


@given(st.lists(interval))
def test_merge_is_the_union_with_holes_between(parts: list[Interval]) -> None:
    merged = merge(parts)
    assert instants(merged) == instants(parts)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(merged))


@given(st.lists(interval), st.integers(0, 10))
def test_merge_bridges_holes_up_to_the_tolerance(parts: list[Interval], tolerance: int) -> None:
    merged = merge(parts, tolerance)
    assert instants(merged) >= instants(parts)
    for before, after in itertools.pairwise(merged):
        assert after[0] - before[1] > tolerance


def test_longest_prefers_the_first_of_equals() -> None:
    assert longest([(0, 5), (10, 15), (20, 22)]) == (0, 5)
    assert longest([]) is None
