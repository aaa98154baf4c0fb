"""Spans of a week by local time, nights over midnight among them: when zones are watched, and when
cameras are looked at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from recorder.intervals import Interval, merge

MINUTES_A_DAY = 24 * 60
_MINUTE_US = 60_000_000
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start_minute`` of each of ``days`` (Monday 0 to Sunday 6) to ``end_minute``, minutes
    after local midnight; the end is not part of it. An end at or before the start lies on the next
    day: 22:00–06:00 is one span that belongs to the day on which it begins, 00:00–00:00 a whole
    day.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int

    def holds(self, day: int, minute: int) -> bool:
        """Is that minute of that weekday part of it?"""
        if self.start_minute < self.end_minute:
            return day in self.days and self.start_minute <= minute < self.end_minute
        return (day in self.days and minute >= self.start_minute) or (
            (day - 1) % 7 in self.days and minute < self.end_minute
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """The spans that count; no span at all: always. ``zone``: whose clock."""

    spans: tuple[Span, ...] = ()
    zone: ZoneInfo | dt.timezone = dt.UTC

    def holds(self, at_us: int) -> bool:
        """Does that moment (UTC microseconds) count?"""
        if not self.spans:
            return True
        local = _local(at_us, self.zone)
        minute = local.hour * 60 + local.minute
        return any(span.holds(local.weekday(), minute) for span in self.spans)

    def outside(self, start_us: int, end_us: int) -> list[Interval]:
        """What of [``start_us``, ``end_us``) does not count, in order, to the minute."""
        if not self.spans or start_us >= end_us:
            return []
        changes = [one for one in self._changes(start_us, end_us) if start_us < one < end_us]
        edges = [start_us, *sorted(set(changes)), end_us]
        return merge(piece for piece in pairwise(edges) if not self.holds(piece[0]))

    def _changes(self, start_us: int, end_us: int) -> Iterator[int]:
        """The moments at which it may begin or end to count."""
        minutes = {minute for span in self.spans for minute in (span.start_minute, span.end_minute)}
        day = _local(start_us, self.zone).date() - _DAY
        last = _local(end_us, self.zone).date() + _DAY
        while day <= last:
            midnight = dt.datetime.combine(day, dt.time(), self.zone)
            following = dt.datetime.combine(day + _DAY, dt.time(), self.zone)
            if midnight.utcoffset() == following.utcoffset():
                for minute in (0, *minutes):
                    yield _at_us(midnight + dt.timedelta(minutes=minute))
            else:
                # Clocks are put forward or back on this day: an hour may come twice, or never.
                yield from range(_at_us(midnight), _at_us(following), _MINUTE_US)
            day += _DAY


def _local(at_us: int, zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us / 1e6, zone)


def _at_us(moment: dt.datetime) -> int:
    return round(moment.timestamp()) * 1_000_000


ALWAYS = Schedule()
