"""How much of a day is recorded, of what should be."""

from __future__ import annotations

from gateway.footage.camera_timeline import CameraTimeline
from gateway.health.completeness import completeness, day_of, day_text
from gateway.health.report import recorded_text
from recorder.timeline import TimelineGap

HOUR = 3_600_000_000
DAY = 24 * HOUR


def found(spans: list[tuple[int, int]], *gaps: tuple[int, int, str]) -> CameraTimeline:
    told = [TimelineGap(start, end, cause, "") for start, end, cause in gaps]
    return CameraTimeline(spans, told, spans[0][0] if spans else None, [])


def test_what_is_missing_counts_unless_it_was_meant_to_be() -> None:
    spans = [(0, 8 * HOUR), (10 * HOUR, DAY)]
    gap = (8 * HOUR, 10 * HOUR)
    assert completeness(found(spans, (*gap, "camera_offline")), 0, DAY, 0) == (22 * HOUR, DAY)
    assert completeness(found(spans, (*gap, "not_scheduled")), 0, DAY, 0) == (22 * HOUR, 22 * HOUR)


def test_a_camera_that_never_recorded_should_have_since_it_was_made() -> None:
    assert completeness(found([]), 0, DAY, 6 * HOUR) == (0, 18 * HOUR)
    assert completeness(found([]), 0, DAY, None) == (0, 0)


def test_days_begin_by_the_clock_on_the_wall() -> None:
    # 2026-11-24 00:30 in Beijing.
    at_us = 1_795_451_400 * 1_000_000
    assert day_text(day_of(at_us, 480)) == "2026-11-24"
    assert day_text(day_of(at_us, 0)) == "2026-11-23"


def test_all_of_it_is_said_only_when_nothing_is_missing() -> None:
    assert recorded_text([{"recorded_us": DAY - 1, "expected_us": DAY}]) == "99.9%"
    assert recorded_text([{"recorded_us": DAY, "expected_us": DAY}]) == "100.0%"
    assert recorded_text([]) == ""
