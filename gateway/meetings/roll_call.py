"""What a roll call finds of a site, from the facts: pure, so that it can be reasoned about.

A machine sees who is connected, and that is all that it may say. *Present* is a person's word: an
answer given at the site, or the chair's tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Tick = Literal["present", "absent"]
# Who goes with the last words did not leave early.
EARLY_AFTER_US = 60_000_000


class Presence(StrEnum):
    """What a site is, once it was called; before, it is waiting."""

    WAITING = "waiting"
    CALLED = "called"
    PRESENT = "present"
    LATE = "late"
    LEFT_EARLY = "left_early"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Span:
    """One time of being connected; ``left_us`` None while it lasts."""

    connected_us: int
    left_us: int | None


@dataclass(frozen=True, slots=True)
class Called:
    """What is known of one site at one roll call."""

    called_us: int | None
    answered_us: int | None
    tick: Tick | None


@dataclass(frozen=True, slots=True)
class Sitting:
    """When the meeting and its roll call were: ``None`` for what is not over."""

    started_us: int
    ended_us: int | None
    roll_call_ended_us: int | None
    late_after_us: int


def presence(called: Called, spans: Sequence[Span], sitting: Sitting) -> Presence:
    """The state of a site, by these rules in this order:

    1. ticked absent by the chair: absent;
    2. neither ticked present nor answered: waiting before it is called, called while the roll call
       goes on, absent once that is over;
    3. gone more than a minute before the meeting's end, and not back: left early;
    4. connected first later than ``late_after_us`` after the start: late;
    5. else present.
    """
    if called.tick == "absent":
        return Presence.ABSENT
    if called.tick is None and called.answered_us is None:
        if sitting.roll_call_ended_us is not None:
            return Presence.ABSENT
        return Presence.WAITING if called.called_us is None else Presence.CALLED
    if early_by_us(spans, sitting.ended_us):
        return Presence.LEFT_EARLY
    if late_by_us(spans, sitting):
        return Presence.LATE
    return Presence.PRESENT


def late_by_us(spans: Sequence[Span], sitting: Sitting) -> int:
    """How long after the start it came, if that is late; else 0. Who was never connected (and is
    present by the chair's tick) is not late.
    """
    if not spans:
        return 0
    after_us = min(span.connected_us for span in spans) - sitting.started_us
    return after_us if after_us > sitting.late_after_us else 0


def early_by_us(spans: Sequence[Span], ended_us: int | None) -> int:
    """How long before the meeting's end it left, if that is early; else 0. While the meeting lasts
    who has left may come back.
    """
    if ended_us is None or not spans or any(span.left_us is None for span in spans):
        return 0
    before_us = ended_us - max(span.left_us or 0 for span in spans)
    return before_us if before_us > EARLY_AFTER_US else 0


def connected_us(spans: Iterable[Span], until_us: int) -> int:
    """How long it was connected in all; times that overlap count once."""
    total = reached_us = 0
    for span in sorted(spans, key=lambda one: one.connected_us):
        begin_us = max(span.connected_us, reached_us)
        end_us = until_us if span.left_us is None else min(span.left_us, until_us)
        if end_us > begin_us:
            total += end_us - begin_us
            reached_us = end_us
    return total


def tally(states: Iterable[Presence]) -> dict[str, int]:
    """How many of each, every state named."""
    counted = dict.fromkeys((str(state) for state in Presence), 0)
    for state in states:
        counted[state] += 1
    return counted
