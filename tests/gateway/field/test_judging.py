"""What speaks against the place and the times that a telephone says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.field.judging import Box, Fix, distance_m, judge_place, judge_times
from gateway.identifiers import US_PER_S

COUNTY = Box(112.1, 30.7, 113.0, 31.6)
NOON_US = 1_795_400_000 * US_PER_S
HERE = Fix(112.41, 31.04, 12.0, NOON_US)


@pytest.mark.parametrize(
    ("fix", "flags"),
    [
        (HERE, []),
        (Fix(0.0, 0.0, 12.0, NOON_US), ["outside"]),
        (Fix(-112.41, 31.04, 12.0, NOON_US), ["outside"]),
        (Fix(112.41, 31.04, 0.0, NOON_US), ["no_accuracy"]),
        (Fix(112.41, 31.04, None, NOON_US), ["no_accuracy"]),
        (Fix(112.41, 31.04, 3000.0, NOON_US), ["imprecise"]),
        (Fix(112.41, 31.04, 12.0, NOON_US - 3600 * US_PER_S), ["old_fix"]),
    ],
)
def test_a_forged_place_is_flagged(fix: Fix, flags: list[str]) -> None:
    assert judge_place(fix, NOON_US, COUNTY, None) == flags


def test_nobody_is_twenty_kilometres_away_a_minute_later() -> None:
    before = Fix(112.2, 31.04, 12.0, NOON_US - 60 * US_PER_S)
    assert judge_place(HERE, NOON_US, COUNTY, before) == ["jump"]
    slowly = Fix(112.2, 31.04, 12.0, NOON_US - 1200 * US_PER_S)
    assert judge_place(HERE, NOON_US, COUNTY, slowly) == []
    # By the tower at first, by satellite a second later: no jump.
    by_tower = Fix(112.2, 31.04, 25_000.0, NOON_US - US_PER_S)
    assert judge_place(HERE, NOON_US, COUNTY, by_tower) == []


def test_a_code_that_was_carried_home_is_flagged() -> None:
    assert judge_place(HERE, NOON_US, COUNTY, None, [(112.8, 31.4)]) == ["far_from_grid"]
    assert judge_place(HERE, NOON_US, COUNTY, None, [(112.8, 31.4), (112.42, 31.04)]) == []


def test_a_telephone_that_is_a_day_behind_is_put_right() -> None:
    day_us = 86_400 * US_PER_S
    times = judge_times(NOON_US - day_us - 60 * US_PER_S, NOON_US - day_us, NOON_US)
    assert (times.made_us, times.flags) == (NOON_US - 60 * US_PER_S, ("clock",))


def test_what_waited_in_a_dead_spot_keeps_its_time_and_says_so() -> None:
    hours_us = 9 * 3600 * US_PER_S
    times = judge_times(NOON_US - hours_us, NOON_US, NOON_US + US_PER_S)
    assert times.made_us == NOON_US - hours_us + US_PER_S
    assert times.flags == ("late",)


_Us = st.integers(0, 2**62 - 1)


@given(_Us, _Us, st.integers(0, 2**52))
def test_nothing_was_made_in_the_future(made: int, sent: int, received: int) -> None:
    times = judge_times(made, sent, received)
    assert times.made_us <= received
    assert received - times.made_us <= 60 * 86_400 * US_PER_S


_Place = st.tuples(st.floats(-180, 180), st.floats(-90, 90))


@given(_Place, _Place)
def test_distances_are_distances(one: tuple[float, float], other: tuple[float, float]) -> None:
    metres = distance_m(one, other)
    assert 0 <= metres <= 6_371_008.8 * math.pi + 1
    assert metres == pytest.approx(distance_m(other, one), abs=0.1)
