"""By when something must be done, and in which light it stands: green, yellow, red.

A clock runs in plain time or in working time. While a case is suspended it stands still, so that
what is left afterwards is what was left before; an extension adds to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.identifiers import US_PER_S
from gateway.incidents.working_days import WorkingDays

US_PER_HOUR = 3600 * US_PER_S
US_PER_DAY = 24 * US_PER_HOUR

Light = Literal["green", "yellow", "red", "paused"]


@dataclass(frozen=True, slots=True)
class Limit:
    """``us`` of time from the opening on; ``working``: of working time, of which a working day has
    24 hours. ``yellow_us``: so long before the end it turns yellow.
    """

    us: int
    working: bool = False
    yellow_us: int = 0

    @classmethod
    def hours(cls, hours: int, *, yellow_hours: int = 0) -> Limit:
        """In plain time."""
        return cls(hours * US_PER_HOUR, False, yellow_hours * US_PER_HOUR)

    @classmethod
    def working_days(cls, days: int, *, yellow_hours: int = 0) -> Limit:
        """In working time."""
        return cls(days * US_PER_DAY, True, yellow_hours * US_PER_HOUR)


@dataclass(frozen=True, slots=True)
class Suspension:
    """The clock stands still from one instant to another; None: until further notice."""

    start_us: int
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """One limit of one case."""

    opened_us: int
    limit: Limit
    suspensions: tuple[Suspension, ...] = ()
    extended_us: int = 0

    def due_us(self, days: WorkingDays) -> int | None:
        """The instant at which its time is used up; None while it is suspended before that."""
        left_us = self.limit.us + self.extended_us
        at_us = self.opened_us
        for start_us, end_us in _merged(self.suspensions, self.opened_us):
            ran_us = self._ran_us(days, at_us, start_us)
            if ran_us >= left_us:
                break
            if end_us is None:
                return None
            left_us -= ran_us
            at_us = end_us
        return days.after_us(at_us, left_us) if self.limit.working else at_us + left_us

    def used_us(self, days: WorkingDays, at_us: int) -> int:
        """How much of its time has run at an instant."""
        used_us = 0
        from_us = self.opened_us
        for start_us, end_us in _merged(self.suspensions, self.opened_us):
            if start_us >= at_us:
                break
            used_us += self._ran_us(days, from_us, start_us)
            if end_us is None or end_us >= at_us:
                return used_us
            from_us = end_us
        return used_us + self._ran_us(days, from_us, at_us)

    def light(self, days: WorkingDays, at_us: int) -> Light:
        """How it stands at an instant. What is late stays red, whoever suspends it then."""
        left_us = self.limit.us + self.extended_us - self.used_us(days, at_us)
        if left_us <= 0:
            return "red"
        if self._is_suspended(at_us):
            return "paused"
        return "yellow" if left_us <= self.limit.yellow_us else "green"

    def _is_suspended(self, at_us: int) -> bool:
        return any(
            one.start_us <= at_us and (one.end_us is None or at_us < one.end_us)
            for one in self.suspensions
        )

    def _ran_us(self, days: WorkingDays, start_us: int, end_us: int) -> int:
        if self.limit.working:
            return days.elapsed_us(start_us, end_us)
        return max(0, end_us - start_us)


def _merged(suspensions: Sequence[Suspension], opened_us: int) -> Iterable[tuple[int, int | None]]:
    """Their union from the opening on, in order: none meets another."""
    merged: list[tuple[int, int | None]] = []
    for one in sorted(suspensions, key=lambda suspension: suspension.start_us):
        start_us = max(one.start_us, opened_us)
        if one.end_us is not None and one.end_us <= start_us:
            continue
        if merged and (merged[-1][1] is None or start_us <= merged[-1][1]):
            before_us, until_us = merged[-1]
            if until_us is not None:
                later_us = None if one.end_us is None else max(until_us, one.end_us)
                merged[-1] = (before_us, later_us)
            continue
        merged.append((start_us, one.end_us))
    return merged
