"""Deadlines of a case: plain and working time, suspended and extended, green to red."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.incidents.clocks import US_PER_HOUR, Clock, Light, Limit, Suspension
from gateway.incidents.working_days import chinese_working_days

DAYS = chinese_working_days()


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=DAYS.zone).timestamp()) * 1_000_000


# As Liling has it: a day to be there, three working days for water, power and gas.
ARRIVE = Limit.hours(24, yellow_hours=4)
RESOLVE = Limit.working_days(3, yellow_hours=24)


@pytest.mark.parametrize(
    ("limit", "at", "light"),
    [
        (ARRIVE, "2026-11-20 10:00", "green"),
        (ARRIVE, "2026-11-21 05:59", "green"),
        (ARRIVE, "2026-11-21 06:00", "yellow"),
        (ARRIVE, "2026-11-21 10:00", "red"),
        (RESOLVE, "2026-11-24 09:59", "green"),
        (RESOLVE, "2026-11-24 10:00", "yellow"),
        (RESOLVE, "2026-11-25 09:59", "yellow"),
        (RESOLVE, "2026-11-25 10:00", "red"),
    ],
)
def test_lights(limit: Limit, at: str, light: Light) -> None:
    assert Clock(us("2026-11-20 10:00"), limit).light(DAYS, us(at)) == light


def test_what_was_left_before_a_suspension_is_left_afterwards() -> None:
    opened_us = us("2026-11-20 10:00")
    open_end = Clock(opened_us, ARRIVE, (Suspension(us("2026-11-20 12:00")),))
    assert open_end.due_us(DAYS) is None
    assert open_end.light(DAYS, us("2026-11-29 12:00")) == "paused"
    ended = Clock(opened_us, ARRIVE, (Suspension(us("2026-11-20 12:00"), us("2026-11-22 12:00")),))
    assert ended.due_us(DAYS) == us("2026-11-23 10:00")
    working = Clock(
        opened_us, RESOLVE, (Suspension(us("2026-11-23 10:00"), us("2026-11-24 10:00")),)
    )
    assert working.due_us(DAYS) == us("2026-11-26 10:00")


def test_what_is_late_stays_red_whoever_suspends_it() -> None:
    late = Clock(us("2026-11-20 10:00"), ARRIVE, (Suspension(us("2026-11-22 10:00")),))
    assert late.due_us(DAYS) == us("2026-11-21 10:00")
    assert late.light(DAYS, us("2026-11-23 10:00")) == "red"


def test_an_extension_adds() -> None:
    clock = Clock(us("2026-11-20 10:00"), ARRIVE, extended_us=12 * US_PER_HOUR)
    assert clock.due_us(DAYS) == us("2026-11-21 22:00")


OPENED_US = int(datetime(2026, 1, 20, tzinfo=UTC).timestamp()) * 1_000_000
OFFSETS = st.integers(-5 * 24 * US_PER_HOUR, 40 * 24 * US_PER_HOUR)
SUSPENSIONS = st.lists(
    st.tuples(OFFSETS, st.one_of(st.none(), OFFSETS)).map(
        lambda pair: Suspension(
            OPENED_US + pair[0], None if pair[1] is None else OPENED_US + pair[1]
        )
    ),
    max_size=4,
)
LIMITS = st.builds(Limit, st.integers(1, 10 * 24 * US_PER_HOUR), st.booleans())


@given(LIMITS, SUSPENSIONS)
def test_it_turns_red_when_it_is_due_and_not_before(
    limit: Limit, suspensions: list[Suspension]
) -> None:
    clock = Clock(OPENED_US, limit, tuple(suspensions))
    due_us = clock.due_us(DAYS)
    if due_us is None:
        assert clock.light(DAYS, OPENED_US + 4000 * 24 * US_PER_HOUR) == "paused"
        return
    assert clock.light(DAYS, due_us) == "red"
    assert clock.light(DAYS, due_us - 1) != "red"
    assert clock.used_us(DAYS, due_us) == limit.us


@given(LIMITS, SUSPENSIONS, OFFSETS, OFFSETS)
def test_time_that_was_used_is_never_given_back(
    limit: Limit, suspensions: list[Suspension], one: int, other: int
) -> None:
    clock = Clock(OPENED_US, limit, tuple(suspensions))
    sooner, later = sorted((one, other))
    assert clock.used_us(DAYS, OPENED_US + sooner) <= clock.used_us(DAYS, OPENED_US + later)
