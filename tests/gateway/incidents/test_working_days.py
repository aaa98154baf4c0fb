"""Working days of a Chinese county: weekends, holidays, and the weekend days worked instead."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.incidents.working_days import (
    HolidaysError,
    WorkingDays,
    chinese_working_days,
    read_holidays,
)

CHINA = chinese_working_days()
# It changes its clocks at midnight: some days begin at one, and have 23 or 25 hours.
AWKWARD = WorkingDays(ZoneInfo("America/Asuncion"))
DAY_US = 86_400_000_000


def us(text: str, days: WorkingDays = CHINA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=days.zone).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2026-11-23", True),
        ("2026-11-22", False),
        # Spring Festival, and the Saturdays worked for it.
        ("2026-02-16", False),
        ("2026-02-23", False),
        ("2026-02-24", True),
        ("2026-02-14", True),
        ("2026-02-28", True),
        ("2026-10-01", False),
        ("2026-10-10", True),
        ("2025-10-08", False),
    ],
)
def test_days(day: str, worked: bool) -> None:
    assert CHINA.is_worked(date.fromisoformat(day)) is worked


@pytest.mark.parametrize(
    ("opened", "working_days", "due"),
    [
        ("2026-11-23 10:00", 3, "2026-11-26 10:00"),
        ("2026-11-20 10:00", 3, "2026-11-25 10:00"),
        # At a weekend: from the next working day's midnight on.
        ("2026-11-21 15:00", 1, "2026-11-24 00:00"),
        # Across the National Day, whose last worked weekend day is the tenth.
        ("2026-09-30 17:00", 3, "2026-10-10 17:00"),
        ("2026-02-13 09:00", 2, "2026-02-24 09:00"),
        ("2026-12-31 12:00", 1, "2027-01-01 12:00"),
    ],
)
def test_limits(opened: str, working_days: int, due: str) -> None:
    assert CHINA.after_us(us(opened), working_days * DAY_US) == us(due)


def test_a_year_that_is_not_told_has_weekends_alone() -> None:
    assert CHINA.years == {2025, 2026}
    assert CHINA.is_worked(date(2027, 10, 1))


INSTANTS = st.datetimes(datetime(2024, 6, 1), datetime(2027, 6, 1)).map(
    lambda at: int(at.replace(tzinfo=UTC).timestamp() * 1_000_000)
)
SPANS = st.integers(0, 40 * DAY_US)


@given(st.sampled_from([CHINA, AWKWARD]), INSTANTS, SPANS)
def test_so_much_time_has_passed_when_it_has(days: WorkingDays, start_us: int, span: int) -> None:
    due_us = days.after_us(start_us, span)
    assert days.elapsed_us(start_us, due_us) == span
    # And not an instant before.
    assert span == 0 or days.elapsed_us(start_us, due_us - 1) == span - 1


@given(st.sampled_from([CHINA, AWKWARD]), INSTANTS, SPANS, SPANS)
def test_time_adds_up(days: WorkingDays, start_us: int, one: int, other: int) -> None:
    middle_us, end_us = start_us + one, start_us + one + other
    whole = days.elapsed_us(start_us, end_us)
    parts = days.elapsed_us(start_us, middle_us) + days.elapsed_us(middle_us, end_us)
    assert whole == parts
    assert 0 <= whole <= end_us - start_us
    assert days.elapsed_us(end_us, start_us) == 0 or one + other == 0


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ({"off": [["2026-05-01"]]}, "first and its last"),
        ({"off": [["2026-05-05", "2026-05-01"]]}, "is before"),
        ({"off": [["2026-05-01", "2026-05-32"]]}, "is no day"),
        ({"off": [["2025-05-01", "2025-05-02"]]}, "under 2026"),
        ({"worked": ["sometime"]}, "is no day"),
        ({"off": [["2026-05-01", "2026-05-03"]], "worked": ["2026-05-02"]}, "to be worked"),
    ],
)
def test_a_wrong_schedule_says_what_is_wrong(told: dict[str, list[object]], fault: str) -> None:
    with pytest.raises(HolidaysError, match=fault):
        read_holidays({"2026": told}, ZoneInfo("Asia/Shanghai"))


def test_every_worked_day_is_a_weekends_and_every_year_is_whole() -> None:
    for day in CHINA.worked:
        assert day.weekday() >= 5
    for year in CHINA.years:
        days = [date(year, 1, 1) + timedelta(one) for one in range(365)]
        # The law's 365 days less 104 or so of weekends and 13 of holidays.
        assert 246 <= sum(map(CHINA.is_worked, days)) <= 250
