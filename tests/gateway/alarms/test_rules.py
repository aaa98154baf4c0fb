"""Alarm rules: which alarms they are about, and that quiet hours hold whatever is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.priorities import PRIORITIES
from gateway.alarms.rules import Raised, Rule, Step, judged
from gateway.identifiers import US_PER_S
from gateway.weekly import Window, window_begin_us, windows_end_us

CHINA = 480
MINUTE_US = 60 * US_PER_S
WEEK_US = 7 * 86_400 * US_PER_S
ALL_DAYS = frozenset(range(1, 8))
NIGHT = Window(ALL_DAYS, 22 * 60, 7 * 60)
TAMPER = Raised("tamper", "/town/village/", "cam_1", "high")

instants = st.integers(min_value=1_700_000_000 * US_PER_S, max_value=1_900_000_000 * US_PER_S)
windows = st.builds(
    Window,
    st.frozensets(st.integers(1, 7), min_size=1),
    st.integers(0, 24 * 60 - 1),
    st.integers(0, 24 * 60 - 1),
)


def at(text: str) -> int:
    """An instant by China's clock."""
    local = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(local.timestamp()) * US_PER_S - CHINA * MINUTE_US


def told(after_minutes: int, user_id: str) -> Step:
    return Step(after_minutes * MINUTE_US, (user_id,), (), ())


RULE = Rule(
    id="arl_1", name="夜班", area_path="/town/", kinds=frozenset(), camera_ids=frozenset(),
    least_priority="medium", hours=(), quiet=(NIGHT,), utc_offset_minutes=CHINA,
    breaks_through=True, priority=None, silent=False,
    steps=(told(0, "usr_clerk"), told(10, "usr_chief")),
)  # fmt: skip
NOON = at("2026-11-24T12:00")


@pytest.mark.parametrize(
    ("rule", "alarm", "applies"),
    [
        (RULE, TAMPER, True),
        (RULE, replace(TAMPER, area_path="/other/"), False),
        (RULE, replace(TAMPER, area_path=""), False),
        (replace(RULE, area_path=""), replace(TAMPER, area_path=""), True),
        (replace(RULE, kinds=frozenset({"tamper"})), TAMPER, True),
        (replace(RULE, kinds=frozenset({"intrusion"})), TAMPER, False),
        (replace(RULE, camera_ids=frozenset({"cam_1"})), TAMPER, True),
        (replace(RULE, camera_ids=frozenset({"cam_2"})), TAMPER, False),
        (RULE, replace(TAMPER, priority="medium"), True),
        (RULE, replace(TAMPER, priority="low"), False),
        (replace(RULE, hours=(NIGHT,)), TAMPER, False),
        (replace(RULE, hours=(Window(frozenset({2}), 11 * 60, 13 * 60),)), TAMPER, True),
        (replace(RULE, hours=(Window(frozenset({3}), 11 * 60, 13 * 60),)), TAMPER, False),
    ],
)
def test_a_rule_is_about_what_meets_all_its_conditions(
    rule: Rule, alarm: Raised, applies: bool
) -> None:
    assert rule.is_about(alarm, NOON) == applies


def test_by_day_one_is_told_at_once_and_the_next_ten_minutes_later() -> None:
    first, second = RULE.tellings("high", NOON)
    assert (first.due_us, first.held) == (NOON, False)
    assert (second.due_us, second.held) == (NOON + 10 * MINUTE_US, False)


def test_at_night_it_is_held_until_the_morning_over_midnight() -> None:
    for moment in ("2026-11-24T22:00", "2026-11-24T23:59", "2026-11-25T00:00", "2026-11-25T06:59"):
        first, second = RULE.tellings("high", at(moment))
        assert (first.due_us, first.held) == (at("2026-11-25T07:00"), True)
        assert second.due_us == at("2026-11-25T07:10")
    assert not RULE.tellings("high", at("2026-11-25T07:00"))[0].held


def test_what_begins_before_the_night_does_not_wake_the_next_person() -> None:
    first, second = RULE.tellings("high", at("2026-11-24T21:55"))
    assert not first.held
    assert second.due_us == at("2026-11-25T07:00")


def test_emergencies_break_through_where_the_rule_says_so() -> None:
    midnight_us = at("2026-11-25T00:00")
    first, second = RULE.tellings("emergency", midnight_us)
    assert (first.due_us, second.due_us) == (midnight_us, midnight_us + 10 * MINUTE_US)
    assert replace(RULE, breaks_through=False).tellings("emergency", midnight_us)[0].held


def test_the_first_rule_that_sets_a_priority_sets_it_and_held_alarms_are_silent() -> None:
    raising = replace(RULE, id="arl_2", priority="emergency", steps=())
    lowering = replace(RULE, id="arl_3", priority="low", steps=())
    assert judged([lowering, raising], TAMPER, NOON).priority == "low"
    midnight_us = at("2026-11-25T00:00")
    assert judged([RULE], TAMPER, midnight_us).silent
    # As an emergency it breaks through, and is heard.
    assert not judged([RULE, raising], TAMPER, midnight_us).silent
    assert judged([replace(RULE, silent=True)], TAMPER, NOON).silent
    assert judged([], TAMPER, NOON).tellings == ()


@given(
    quiet=st.lists(windows, max_size=4),
    offset=st.integers(-14 * 60, 14 * 60),
    now_us=instants,
    priority=st.sampled_from(PRIORITIES),
    breaks=st.booleans(),
)
def test_nobody_is_told_within_quiet_hours_and_nobody_later_than_their_end(
    quiet: list[Window], offset: int, now_us: int, priority: str, breaks: bool
) -> None:
    rule = replace(RULE, quiet=tuple(quiet), utc_offset_minutes=offset, breaks_through=breaks)
    passes = breaks and priority == "emergency"
    for telling in rule.tellings(priority, now_us):  # type: ignore[arg-type]
        assert now_us <= telling.due_us <= now_us + 2 * WEEK_US + 10 * MINUTE_US
        quiet_then = window_begin_us(quiet, offset, telling.due_us) is not None
        # A week of quiet ends nevertheless: nothing is held for ever.
        whole_week = windows_end_us(quiet, offset, telling.due_us) == telling.due_us + WEEK_US
        assert passes or not quiet_then or whole_week
        assert not (telling.held and window_begin_us(quiet, offset, now_us) is None)
