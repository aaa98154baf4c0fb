"""When a zone is watched: by local time, nights over midnight and over Sunday among them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from search.zones.schedule import ALWAYS, Schedule, Span

SHANGHAI = ZoneInfo("Asia/Shanghai")
EVERY_DAY = frozenset(range(7))


def at(text: str, zone: dt.tzinfo = SHANGHAI) -> int:
    """UTC microseconds of a local time."""
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1e6)


def test_a_night_goes_over_midnight() -> None:
    nights = Schedule((Span(EVERY_DAY, 22 * 60, 6 * 60),), SHANGHAI)
    assert nights.holds(at("2026-11-22 22:00"))
    assert nights.holds(at("2026-11-23 05:59"))
    assert not nights.holds(at("2026-11-23 06:00"))
    assert not nights.holds(at("2026-11-22 21:59"))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    """2026-11-22 is a Sunday: its night ends on Monday, and Saturday's is not watched."""
    sunday = Schedule((Span(frozenset({6}), 22 * 60, 6 * 60),), SHANGHAI)
    assert sunday.holds(at("2026-11-22 23:00"))
    assert sunday.holds(at("2026-11-23 01:00"))
    assert not sunday.holds(at("2026-11-22 01:00"))
    assert not sunday.holds(at("2026-11-23 23:00"))


def test_the_same_minute_twice_is_a_whole_day() -> None:
    monday = Schedule((Span(frozenset({0}), 0, 0),), SHANGHAI)
    assert monday.holds(at("2026-11-23 00:00")) and monday.holds(at("2026-11-23 23:59"))
    assert not monday.holds(at("2026-11-22 23:59")) and not monday.holds(at("2026-11-24 00:00"))


def test_an_hour_that_comes_twice_is_watched_twice() -> None:
    """Clocks go back on 2026-10-25 in Berlin: 02:30 comes twice."""
    berlin = ZoneInfo("Europe/Berlin")
    early = Schedule((Span(EVERY_DAY, 150, 151),), berlin)
    first = at("2026-10-25 00:30", dt.UTC)
    assert early.holds(first) and early.holds(first + 3600 * 1_000_000)


def test_without_spans_it_is_always() -> None:
    assert ALWAYS.holds(0) and ALWAYS.holds(at("2026-11-22 03:00"))


@given(
    st.frozensets(st.integers(0, 6)),
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.integers(0, 7 * 1440 - 1),
)
def test_a_span_holds_for_as_many_minutes_as_it_is_long(
    days: frozenset[int], start: int, end: int, offset: int
) -> None:
    span = Span(days, start, end)
    minutes = [divmod((offset + n) % (7 * 1440), 1440) for n in range(7 * 1440)]
    held = sum(span.holds(day, minute) for day, minute in minutes)
    length = end - start if start < end else end - start + 1440
    assert held == length * len(days) or (end > start - 1440 and held <= length * len(days))
    assert (held == 0) == (not days)


MINUTE = 60_000_000
spans = st.lists(
    st.builds(
        Span,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.integers(0, 1439),
        st.integers(0, 1439),
    ),
    min_size=1,
    max_size=4,
)


@given(
    spans,
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    # Weeks in which clocks are put forward and back are among them.
    st.integers(at("2026-03-01 00:00") // MINUTE, at("2026-11-20 00:00") // MINUTE),
    st.integers(1, 4000),
)
def test_what_is_outside_is_every_minute_that_does_not_count_and_no_other(
    chosen: list[Span], zone: str, first: int, minutes: int
) -> None:
    hours = Schedule(tuple(chosen), ZoneInfo(zone))
    start_us, end_us = first * MINUTE, (first + minutes) * MINUTE
    outside = hours.outside(start_us, end_us)
    for at_us in range(start_us, end_us, 7 * MINUTE):
        assert any(start <= at_us < end for start, end in outside) != hours.holds(at_us)
    for start, end in outside:
        assert start_us <= start < end <= end_us
        assert start == start_us or hours.holds(start - 1)
        assert end == end_us or hours.holds(end)


def test_nothing_is_outside_of_always() -> None:
    assert ALWAYS.outside(0, 10**15) == []
