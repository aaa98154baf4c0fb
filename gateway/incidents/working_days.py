"""Which days are worked, and how much working time lies between two instants.

A working day counts from midnight to midnight of the county's zone: whoever has three working days
from Friday at ten has until Wednesday at ten. Time on other days does not count, so that what comes
in at a weekend begins to count on the next working day's midnight.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.identifiers import US_PER_S

_HOLIDAYS = Path(__file__).parent / "holidays" / "china.toml"
_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


class HolidaysError(ValueError):
    """A file of holidays that cannot be used; says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """``off`` and ``worked`` are exceptions from Monday to Friday; ``years`` those for which the
    exceptions are known.
    """

    zone: ZoneInfo
    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    years: frozenset[int] = frozenset()

    def is_worked(self, day: date) -> bool:
        """Whether this day counts."""
        return day in self.worked or (day.weekday() < _SATURDAY and day not in self.off)

    def elapsed_us(self, start_us: int, end_us: int) -> int:
        """The working time between two instants; 0 where the end comes first."""
        total = 0
        for begins_us, ends_us in self._stretches(start_us):
            if begins_us >= end_us:
                return total
            total += min(ends_us, end_us) - begins_us
        raise AssertionError("days go on for ever")

    def after_us(self, start_us: int, working_us: int) -> int:
        """The first instant at which so much working time has passed."""
        left_us = working_us
        for begins_us, ends_us in self._stretches(start_us):
            if left_us <= ends_us - begins_us:
                return begins_us + left_us if left_us else start_us
            left_us -= ends_us - begins_us
        raise AssertionError("days go on for ever")

    def _stretches(self, start_us: int) -> Iterator[tuple[int, int]]:
        """The parts of working days from an instant on, for ever."""
        day = datetime.fromtimestamp(start_us // US_PER_S, self.zone).date()
        while True:
            if self.is_worked(day):
                yield max(start_us, self._midnight_us(day)), self._midnight_us(day + _ONE_DAY)
            day += _ONE_DAY

    def _midnight_us(self, day: date) -> int:
        # Where clocks are changed at midnight the day begins with the first that exists.
        at = datetime.combine(day, time(), self.zone)
        return int(at.timestamp()) * US_PER_S


@cache
def chinese_working_days(zone: str = "Asia/Shanghai") -> WorkingDays:
    """By the schedules that come along."""
    return read_holidays(tomllib.loads(_HOLIDAYS.read_text()), ZoneInfo(zone))


def read_holidays(years: Mapping[str, Any], zone: ZoneInfo) -> WorkingDays:
    """``{year: {off: [[first, last], …], worked: [day, …]}}``, days as ``2026-02-15``. Raises
    HolidaysError.
    """
    off: set[date] = set()
    worked: set[date] = set()
    for year, said in years.items():
        for pair in said.get("off", []):
            if not isinstance(pair, list) or len(pair) != 2:
                raise HolidaysError(f"{year}: a holiday is its first and its last day, not {pair}")
            day, last = (_day(one, year) for one in pair)
            if last < day:
                raise HolidaysError(f"{year}: {pair[1]} is before {pair[0]}")
            while day <= last:
                off.add(day)
                day += _ONE_DAY
        for one in said.get("worked", []):
            worked.add(_day(one, year))
    if both := off & worked:
        raise HolidaysError(f"{min(both)} is said to be a holiday, and to be worked")
    return WorkingDays(zone, frozenset(off), frozenset(worked), frozenset(map(int, years)))


def _day(text: object, year: str) -> date:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise HolidaysError(f"{year}: {text!r} is no day: write it as 2026-02-15") from None
    if str(day.year) != year:
        raise HolidaysError(f"{day} is told under {year}")
    return day
