"""When a patrol runs, and where it goes next."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.platforms.patrols import Patrol, PatrolRun, Step, wanted
from gateway.weekly import window_begin_us, window_of

CHINA = 480
HOUR_US = 3_600_000_000


def at(text: str, utc_offset_minutes: int = CHINA) -> int:
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=zone)
    return round(moment.timestamp() * 1_000_000)


def patrol(name: str = "p", **columns: object) -> Patrol:
    row = {
        "id": name,
        "camera_id": "cam",
        "name": name,
        "steps": [{"preset": one, "dwell_s": 10, "speed": 0.5} for one in ("1", "2", "3")],
        "schedule": [],
        "utc_offset_minutes": CHINA,
        "started_us": None,
        "stopped_us": None,
        "created_us": 0,
        **columns,
    }
    return Patrol.from_row(row)


NIGHTS = [{"days": [5, 6], "start": "22:00", "end": "06:00"}]  # Friday and Saturday nights


@pytest.mark.parametrize(
    ("moment", "begin"),
    [
        ("2026-11-20T21:59", None),  # a Friday
        ("2026-11-20T22:00", "2026-11-20T22:00"),
        ("2026-11-21T05:59", "2026-11-20T22:00"),
        ("2026-11-21T06:00", None),
        ("2026-11-21T23:00", "2026-11-21T22:00"),
        ("2026-11-22T03:00", "2026-11-21T22:00"),
        ("2026-11-22T23:00", None),  # Sunday
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, begin: str | None) -> None:
    schedule = [window_of(one) for one in NIGHTS]
    expected = None if begin is None else at(begin)
    assert window_begin_us(schedule, CHINA, at(moment)) == expected


def test_the_same_start_and_end_is_a_whole_day() -> None:
    schedule = [window_of({"days": [1], "start": "00:00", "end": "00:00"})]
    assert window_begin_us(schedule, CHINA, at("2026-11-23T23:59")) == at("2026-11-23T00:00")
    assert window_begin_us(schedule, CHINA, at("2026-11-24T00:00")) is None


@given(st.integers(0, 2**51), st.integers(-14 * 60, 14 * 60), st.sets(st.integers(1, 7)))
def test_weekdays_are_those_of_the_calendar(now_us: int, offset: int, days: set[int]) -> None:
    schedule = [window_of({"days": sorted(days), "start": "00:00", "end": "00:00"})]
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=now_us, minutes=offset)
    inside = window_begin_us(schedule, offset, now_us) is not None
    assert inside == (local.isoweekday() in days)


def test_one_started_by_hand_goes_before_the_schedule() -> None:
    now_us = at("2026-11-20T23:00")
    scheduled = patrol("scheduled", schedule=NIGHTS)
    by_hand = patrol("by_hand", started_us=1)
    assert wanted([scheduled, by_hand], now_us) is by_hand
    assert wanted([scheduled], now_us) is scheduled
    assert wanted([scheduled], at("2026-11-20T12:00")) is None
    assert wanted([by_hand], at("2026-11-20T12:00")) is by_hand


def test_one_stopped_by_hand_rests_until_its_next_night() -> None:
    stopped = patrol("p", schedule=NIGHTS, stopped_us=at("2026-11-20T22:30"))
    assert wanted([stopped], at("2026-11-21T05:00")) is None
    assert wanted([stopped], at("2026-11-21T22:00")) is stopped


def test_it_goes_round() -> None:
    run = PatrolRun(patrol())
    seen = []
    now_us = 0
    for _ in range(5):
        assert run.is_due(now_us)
        seen.append(run.next_step().preset)
        run.arrived(now_us)
        assert not run.is_due(now_us + 9_999_999)
        now_us += 10_000_000
    assert seen == ["1", "2", "3", "1", "2"]


def test_it_goes_back_to_where_somebody_took_the_camera_away() -> None:
    run = PatrolRun(patrol())
    run.arrived(0)
    run.arrived(10_000_000)
    assert run.step.preset == "2"
    run.waiting = True
    assert run.is_due(11_000_000)
    assert run.next_step().preset == "2"
    run.arrived(40_000_000)
    assert run.step.preset == "2"
    assert not run.waiting
    assert run.next_step().preset == "3"


def test_a_preset_that_is_gone_stops_nothing() -> None:
    run = PatrolRun(patrol())
    run.refused(0, 10_000_000)
    assert not run.is_due(9_999_999)
    assert run.next_step().preset == "2"


def test_changed_steps_begin_anew_and_a_changed_name_does_not() -> None:
    run = PatrolRun(patrol())
    run.arrived(0)
    run.arrived(10_000_000)
    run.changed(patrol(name="p", stopped_us=1))
    assert run.step.preset == "2"
    run.changed(patrol(steps=[{"preset": "9", "dwell_s": 5, "speed": 1.0}] * 2))
    assert run.step == Step("9", 5, 1.0)
    assert run.is_due(0)
