"""Which stretches of gaps are fetched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.fetching.plan import (
    LONGEST_US,
    SETTLED_US,
    SHORTEST_US,
    TRIES_LIMIT,
    next_try_us,
    stretches,
)
from recorder.intervals import merge, subtract

SECOND = 1_000_000
NEVER = 10**15


def interval() -> st.SearchStrategy[tuple[int, int]]:
    starts = st.integers(0, 20_000 * SECOND)
    return st.tuples(starts, st.integers(1, 9000 * SECOND)).map(lambda one: (one[0], sum(one)))


def test_a_gap_is_one_stretch() -> None:
    assert stretches([(10 * SECOND, 70 * SECOND)], [], 0, NEVER) == [(10 * SECOND, 70 * SECOND)]


def test_a_night_comes_in_half_hours() -> None:
    found = stretches([(0, 2 * LONGEST_US + 60 * SECOND)], [], 0, NEVER)
    assert found == [
        (0, LONGEST_US),
        (LONGEST_US, 2 * LONGEST_US),
        (2 * LONGEST_US, 2 * LONGEST_US + 60 * SECOND),
    ]


def test_what_a_row_speaks_of_is_not_fetched_again() -> None:
    known = [(20 * SECOND, 30 * SECOND)]
    assert stretches([(10 * SECOND, 70 * SECOND)], known, 0, NEVER) == [
        (10 * SECOND, 20 * SECOND),
        (30 * SECOND, 70 * SECOND),
    ]


def test_what_the_device_may_still_be_writing_waits() -> None:
    now_us = 100 * SECOND
    assert stretches([(0, now_us)], [], 0, now_us) == [(0, now_us - SETTLED_US)]


def test_a_blink_is_not_worth_a_session() -> None:
    assert stretches([(0, SHORTEST_US - 1)], [], 0, NEVER) == []


@given(st.lists(interval(), max_size=8), st.lists(interval(), max_size=8))
def test_stretches_lie_in_gaps_meet_no_row_and_leave_only_crumbs(
    raw: list[tuple[int, int]], known: list[tuple[int, int]]
) -> None:
    gaps = merge(raw)
    found = stretches(gaps, known, 0, NEVER)
    assert found == sorted(found)
    assert all(SHORTEST_US <= end - start < LONGEST_US + SHORTEST_US for start, end in found)
    for one in found:
        assert subtract(one, gaps) == []
        assert subtract(one, known) == [one]
    for gap in gaps:
        left = subtract(gap, [*known, *found])
        assert all(end - start < SHORTEST_US for start, end in left)


def test_tries_grow_rare_and_end() -> None:
    waits = [next_try_us(tries, 0) for tries in range(TRIES_LIMIT + 1)]
    assert waits[-1] is None
    told = [wait for wait in waits if wait is not None]
    assert told == sorted(told) and told[0] == 60 * SECOND
