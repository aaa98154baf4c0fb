"""Analysis that fails, or cannot follow, is a condition for as long as it lasts."""

from __future__ import annotations

from typing import Any

from gateway.alarms.analysis_conditions import FAILED, LAGGING, SUBJECT, AnalysisConditions
from gateway.identifiers import US_PER_S

AFTER_US = 300 * US_PER_S


def figures(**changes: Any) -> dict[str, Any]:
    return {
        "message": "", "cameras_live": 4, "dropped_units": 0, "failed_pictures": 0,
        "skipped_batches": 0, **changes,
    }  # fmt: skip


def kinds(conditions: AnalysisConditions) -> set[str]:
    return {kind for kind, _ in conditions.all()}


def test_nothing_is_wrong_with_one_that_works() -> None:
    made = AnalysisConditions(AFTER_US)
    made.take(figures(dropped_units=7), 1)
    made.take(figures(dropped_units=7), 2)
    assert made.all() == {}


def test_what_it_says_is_wrong_stands_since_it_was_first_said() -> None:
    made = AnalysisConditions(AFTER_US)
    made.take(figures(message="no such model"), 10)
    made.take(figures(message="no such model, still"), 20)
    one = made.all()[FAILED, SUBJECT]
    assert (one.since_us, one.after_us) == (10, AFTER_US)
    assert one.detail == {"fault": "no such model, still"}
    made.take(figures(), 30)
    assert made.all() == {}


def test_a_process_that_does_not_answer_has_failed() -> None:
    made = AnalysisConditions(AFTER_US)
    made.take(None, 5)
    assert kinds(made) == {FAILED}


def test_dropping_is_lagging_for_as_long_as_it_goes_on() -> None:
    made = AnalysisConditions(AFTER_US)
    for step in range(10):
        made.take(figures(dropped_units=step * 3), step * 30 * US_PER_S)
    assert kinds(made) == {LAGGING}
    assert made.all()[LAGGING, SUBJECT].since_us == 30 * US_PER_S
    made.take(figures(dropped_units=27), 340 * US_PER_S)
    assert made.all() == {}


def test_a_detector_that_fails_at_pictures_has_failed() -> None:
    made = AnalysisConditions(AFTER_US)
    made.take(figures(), 1)
    made.take(figures(failed_pictures=3), 2)
    assert kinds(made) == {FAILED}


def test_where_no_camera_gives_pictures_nothing_is_amiss() -> None:
    made = AnalysisConditions(AFTER_US)
    made.take(figures(message="no such model", cameras_live=0), 1)
    assert made.all() == {}
