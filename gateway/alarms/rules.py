"""Alarm rules: which alarms a rule is about, and who is told of them when. Sans IO."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.alarms.priorities import PRIORITIES, Priority
from gateway.identifiers import US_PER_S
from gateway.weekly import Window, window_begin_us, window_of, windows_end_us

_MINUTE_US = 60 * US_PER_S


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm as far as rules ask. ``area_path`` "" is the county; ``priority``: of its kind."""

    kind: str
    area_path: str
    camera_id: str | None
    priority: Priority


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told, so long after the first is, when nobody has acknowledged it by then."""

    after_us: int
    user_ids: tuple[str, ...]
    roles: tuple[str, ...]
    channel_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """One step of a rule for one alarm. ``held``: told together with others at ``due_us``."""

    step: int
    due_us: int
    held: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of ``alarm_rules``. ``area_path`` "" is the county."""

    id: str
    name: str
    area_path: str
    kinds: frozenset[str]
    camera_ids: frozenset[str]
    least_priority: Priority
    hours: tuple[Window, ...]
    quiet: tuple[Window, ...]
    utc_offset_minutes: int
    breaks_through: bool
    priority: Priority | None
    silent: bool
    steps: tuple[Step, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any], area_path: str) -> Rule:
        """Of a row's columns."""
        return cls(
            id=row["id"],
            name=row["name"],
            area_path=area_path,
            kinds=frozenset(row["kinds"]),
            camera_ids=frozenset(row["camera_ids"]),
            least_priority=row["least_priority"],
            hours=tuple(window_of(one) for one in row["hours"]),
            quiet=tuple(window_of(one) for one in row["quiet"]),
            utc_offset_minutes=row["utc_offset_minutes"],
            breaks_through=row["breaks_through"],
            priority=row["priority"],
            silent=row["silent"],
            steps=tuple(
                Step(
                    one["after_minutes"] * _MINUTE_US,
                    tuple(one["user_ids"]),
                    tuple(one["roles"]),
                    tuple(one["channel_ids"]),
                )
                for one in row["steps"]
            ),
        )

    def is_about(self, alarm: Raised, at_us: int) -> bool:
        """Whether it applies to this alarm, that begins now."""
        return (
            alarm.area_path.startswith(self.area_path)
            and (not self.kinds or alarm.kind in self.kinds)
            and (not self.camera_ids or alarm.camera_id in self.camera_ids)
            and PRIORITIES.index(alarm.priority) <= PRIORITIES.index(self.least_priority)
            and (
                not self.hours
                or window_begin_us(self.hours, self.utc_offset_minutes, at_us) is not None
            )
        )

    def quiet_until_us(self, priority: Priority, at_us: int) -> int | None:
        """When alarms of this priority may be told, where it is quiet now."""
        if self.breaks_through and priority == "emergency":
            return None
        return windows_end_us(self.quiet, self.utc_offset_minutes, at_us)

    def tellings(self, priority: Priority, at_us: int) -> list[Telling]:
        """Who is told when, of an alarm that begins now: none within quiet hours. The first is held
        through them, and further ones count from when the first is told.
        """
        if not self.steps:
            return []
        first_us = self.quiet_until_us(priority, at_us)
        told_us = at_us if first_us is None else first_us
        tellings = [Telling(0, told_us, first_us is not None)]
        for number, step in enumerate(self.steps[1:], 1):
            due_us = told_us + step.after_us
            tellings.append(
                Telling(number, self.quiet_until_us(priority, due_us) or due_us, held=False)
            )
        return tellings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules make of one alarm. ``priority`` None: that of its kind."""

    priority: Priority | None
    silent: bool
    tellings: tuple[tuple[Rule, Telling], ...]


def judged(rules: Sequence[Rule], alarm: Raised, at_us: int) -> Verdict:
    """By all rules that are about it. The first of them that sets a priority sets it; it is silent
    where one says so, or all who are told are told later.
    """
    about = [one for one in rules if one.is_about(alarm, at_us)]
    priority = next((one.priority for one in about if one.priority is not None), None)
    counted = priority or alarm.priority
    tellings = tuple((one, telling) for one in about for telling in one.tellings(counted, at_us))
    return Verdict(priority, _is_silent(about, tellings), tellings)


def _is_silent(about: Iterable[Rule], tellings: Sequence[tuple[Rule, Telling]]) -> bool:
    firsts = [telling for _, telling in tellings if telling.step == 0]
    return any(one.silent for one in about) or (
        bool(firsts) and all(telling.held for telling in firsts)
    )
