"""When the store's future is an alarm: seven days ahead, without flapping."""

from __future__ import annotations

from gateway.alarms.judge import Judge, Seen
from gateway.alarms.storage_conditions import (
    FOOTAGE,
    FULL_SOON,
    SHORT,
    STORAGE,
    StorageConditions,
)
from recorder.forecast import Forecast, SourceUse, reckon
from recorder.retention import DAY_US, RetentionPolicy

NOW = 20_000 * DAY_US
GB = 10**9
HOUR = DAY_US // 24


def full_in(days: float, kept_days: float = 10.0, at_us: int = NOW) -> Forecast:
    used = round(kept_days * GB)
    use = SourceUse("a/main", used, GB, at_us - round(kept_days * DAY_US))
    return reckon(
        [use], now_us=at_us, free_bytes=round(days * GB), default=RetentionPolicy(30), policies={}
    )


def test_seven_days_ahead_and_not_eight() -> None:
    conditions = StorageConditions(7 * DAY_US)
    conditions.take(full_in(7.5), NOW)
    assert conditions.all() == {}
    conditions.take(full_in(6.9), NOW)
    assert set(conditions.all()) == {(FULL_SOON, STORAGE), (SHORT, FOOTAGE)}
    assert conditions.all()[SHORT, FOOTAGE].detail["sources"] == 1


def test_it_goes_on_until_the_danger_is_a_day_further_away() -> None:
    conditions = StorageConditions(7 * DAY_US)
    for days, there in ((6.5, True), (7.5, True), (8.5, False), (7.5, False), (6.5, True)):
        conditions.take(full_in(days), NOW)
        assert ((FULL_SOON, STORAGE) in conditions.all()) == there, days


def test_small_changes_are_no_news() -> None:
    conditions = StorageConditions(7 * DAY_US)
    conditions.take(full_in(5), NOW)
    told = conditions.all()[FULL_SOON, STORAGE]
    conditions.take(full_in(5.2), NOW + HOUR)
    assert conditions.all()[FULL_SOON, STORAGE] == told
    conditions.take(full_in(4), NOW + HOUR)
    moved = conditions.all()[FULL_SOON, STORAGE]
    assert moved.since_us == NOW and moved.detail["when_us"] < told.detail["when_us"]


def test_a_few_hours_footage_alarm_nobody() -> None:
    conditions = StorageConditions(7 * DAY_US)
    conditions.take(full_in(0.5, kept_days=0.1), NOW)
    assert conditions.all() == {}


def test_an_alarm_outlives_a_store_that_does_not_answer() -> None:
    conditions = StorageConditions(7 * DAY_US)
    judge = Judge(lambda: "alarm")

    def look(at_us: int) -> None:
        judge.look(Seen(at_us, conditions.all(), (), frozenset(), conditions.unknown()))

    conditions.take(full_in(5), NOW)
    look(NOW)
    assert (FULL_SOON, STORAGE) in judge.open
    # A process that has just started knows nothing yet.
    conditions = StorageConditions(7 * DAY_US)
    look(NOW + HOUR)
    look(NOW + 2 * HOUR)
    assert (FULL_SOON, STORAGE) in judge.open
    conditions.take(full_in(20), NOW)
    look(NOW + 3 * HOUR)
    look(NOW + 4 * HOUR)
    assert (FULL_SOON, STORAGE) not in judge.open
