"""What follows from an incident's limits, suspensions and extensions: when each clock is due, and
when its light turns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.incidents.categories import read_limit
from gateway.incidents.clocks import Clock, Light, Limit, Suspension
from gateway.incidents.working_days import WorkingDays

OVER = ("closed", "merged")


def worked_out(row: dict[str, Any], days: WorkingDays) -> dict[str, Any]:
    """Columns of ``incidents`` that follow from the others."""
    arrive, resolve = _clock(row, "arrive"), _clock(row, "resolve")
    arrive_due_us = arrive.due_us(days) if arrive else None
    resolve_due_us = resolve.due_us(days) if resolve else None
    running: list[tuple[int | None, int | None]] = []
    if row["state"] not in OVER:
        if arrive and row["arrived_us"] is None and row["answered_us"] is None:
            running.append((_yellow_us(arrive, days), arrive_due_us))
        if resolve and row["answered_us"] is None:
            running.append((_yellow_us(resolve, days), resolve_due_us))
        if row["reply_due_us"] is not None:
            running.append((None, row["reply_due_us"]))
    # While the clocks stand still nothing turns yellow; what is red stays so.
    paused = is_suspended(row)
    yellows = [yellow for yellow, _ in running if yellow is not None and not paused]
    reds = [red for _, red in running if red is not None]
    return {
        "arrive_due_us": arrive_due_us,
        "resolve_due_us": resolve_due_us,
        "yellow_us": min(yellows, default=None),
        "red_us": min(reds, default=None),
    }


def light_of(row: dict[str, Any], at_us: int) -> Light:
    """How an incident stands; one that is over: red if it was late."""
    if row["state"] in OVER:
        return "red" if row["arrived_late"] or row["resolved_late"] else "green"
    if row["red_us"] is not None and row["red_us"] <= at_us:
        return "red"
    if is_suspended(row):
        return "paused"
    if row["yellow_us"] is not None and row["yellow_us"] <= at_us:
        return "yellow"
    return "green"


def is_suspended(row: dict[str, Any]) -> bool:
    """Whether its clocks stand still."""
    return any(end_us is None for _, end_us in row["suspensions"])


def _clock(row: dict[str, Any], name: str) -> Clock | None:
    limit = read_limit(row[name])
    if limit is None:
        return None
    pauses = tuple(Suspension(*pair) for pair in row["suspensions"])
    # An extension is of the time for all of it, not for coming.
    extended_us = row["extended_us"] if name == "resolve" else 0
    return Clock(row["opened_us"], limit, pauses, extended_us)


def _yellow_us(clock: Clock, days: WorkingDays) -> int | None:
    before = max(0, clock.limit.us - clock.limit.yellow_us)
    return replace(clock, limit=Limit(before, clock.limit.working)).due_us(days)
