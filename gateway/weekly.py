"""Times of the week, as people set them for patrols, alarm rules and quiet hours. Sans IO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.identifiers import US_PER_S

_DAY_US = 86_400 * US_PER_S
_WEEK_US = 7 * _DAY_US
_MINUTE_US = 60 * US_PER_S
# The first of January 1970 was a Thursday; Monday is 1.
_WEEKDAY_OF_THE_EPOCH = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Times of the week in local minutes of the day; an end not after the start is next morning's.
    ``days``: 1 is Monday.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int


def window_of(document: Mapping[str, Any]) -> Window:
    """Of ``{days, start: "HH:MM", end: "HH:MM"}``."""
    return Window(frozenset(document["days"]), _minute(document["start"]), _minute(document["end"]))


def window_begin_us(schedule: Iterable[Window], utc_offset_minutes: int, now_us: int) -> int | None:
    """When the window began in which this instant lies, the latest of several; None outside."""
    within = _within(schedule, utc_offset_minutes, now_us)
    return max((begin_us for begin_us, _ in within), default=None)


def windows_end_us(schedule: Sequence[Window], utc_offset_minutes: int, now_us: int) -> int | None:
    """When the windows in which this instant lies are over: where one begins before another ends,
    the last of them, a week ahead at most. None outside.
    """
    end_us, limit_us = now_us, now_us + _WEEK_US
    while end_us < limit_us:
        within = _within(schedule, utc_offset_minutes, end_us)
        if not within:
            break
        end_us = max(end for _, end in within)
    return min(end_us, limit_us) if end_us > now_us else None


def _within(
    schedule: Iterable[Window], utc_offset_minutes: int, now_us: int
) -> list[tuple[int, int]]:
    """Begin and end of each window in which the instant lies."""
    local_us = now_us + utc_offset_minutes * _MINUTE_US
    today = local_us // _DAY_US
    found = []
    for window in schedule:
        start_us = window.start_minute * _MINUTE_US
        end_us = window.end_minute * _MINUTE_US
        if end_us <= start_us:
            end_us += _DAY_US
        for day in (today - 1, today):
            if (day + _WEEKDAY_OF_THE_EPOCH - 1) % 7 + 1 not in window.days:
                continue
            midnight_us = day * _DAY_US
            if midnight_us + start_us <= local_us < midnight_us + end_us:
                zero_us = midnight_us - utc_offset_minutes * _MINUTE_US
                found.append((zero_us + start_us, zero_us + end_us))
    return found


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
