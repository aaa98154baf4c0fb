"""Patrols: a camera goes from preset to preset by itself. Sans IO: which patrol runs when, and
where the camera is to look next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.identifiers import US_PER_S
from gateway.weekly import Window, window_begin_us, window_of


@dataclass(frozen=True, slots=True)
class Step:
    """A preset, how long it is looked at, and how fast it is gone to (0–1)."""

    preset: str
    dwell_s: int
    speed: float


@dataclass(frozen=True, slots=True)
class Patrol:
    """A row of ``patrols``."""

    id: str
    camera_id: str
    name: str
    steps: tuple[Step, ...]
    schedule: tuple[Window, ...]
    utc_offset_minutes: int
    started_us: int | None
    stopped_us: int | None
    created_us: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Patrol:
        """Of a row's columns. Raises KeyError, TypeError and ValueError for what is not one."""
        return cls(
            id=row["id"],
            camera_id=row["camera_id"],
            name=row["name"],
            steps=tuple(Step(**one) for one in row["steps"]),
            schedule=tuple(window_of(one) for one in row["schedule"]),
            utc_offset_minutes=row["utc_offset_minutes"],
            started_us=row["started_us"],
            stopped_us=row["stopped_us"],
            created_us=row["created_us"],
        )

    def began_us(self, now_us: int) -> int | None:
        """Since when it is to run; None: it is not to run now."""
        if self.started_us is not None:
            return self.started_us
        begin_us = window_begin_us(self.schedule, self.utc_offset_minutes, now_us)
        if begin_us is None or (self.stopped_us is not None and self.stopped_us >= begin_us):
            return None
        return begin_us


def wanted(patrols: Sequence[Patrol], now_us: int) -> Patrol | None:
    """Which of a camera's patrols is to run: one started by hand, else the schedule's newest."""
    running = [(one, one.began_us(now_us)) for one in patrols if one.steps]
    due = [(one, began_us) for one, began_us in running if began_us is not None]
    if not due:
        return None
    return max(due, key=lambda pair: (pair[0].started_us is not None, pair[1], pair[0].id))[0]


class PatrolRun:
    """Where one patrol of one camera is."""

    __slots__ = ("_due_us", "index", "patrol", "waiting")

    def __init__(self, patrol: Patrol) -> None:
        self.patrol = patrol
        self.index = 0
        # Somebody steers: it goes on when they let go.
        self.waiting = False
        self._due_us = 0

    @property
    def step(self) -> Step:
        """Where the camera is, or is to go."""
        return self.patrol.steps[self.index % len(self.patrol.steps)]

    def changed(self, patrol: Patrol) -> None:
        """Its row is another one now: it goes on from the same place."""
        if patrol.steps != self.patrol.steps:
            self.index, self._due_us = 0, 0
        self.patrol = patrol

    def is_due(self, now_us: int) -> bool:
        """Whether the camera is to be sent on (or back, after somebody steered it)."""
        return self.waiting or now_us >= self._due_us

    def next_step(self) -> Step:
        """Where it is to be sent: the next place, or that from which somebody took it away."""
        if self.waiting or self._due_us == 0:
            return self.step
        return self.patrol.steps[(self.index + 1) % len(self.patrol.steps)]

    def arrived(self, now_us: int) -> None:
        """The camera was sent to :meth:`next_step`."""
        if not self.waiting and self._due_us != 0:
            self.index = (self.index + 1) % len(self.patrol.steps)
        self.waiting = False
        self._due_us = now_us + self.step.dwell_s * US_PER_S

    def refused(self, now_us: int, again_us: int) -> None:
        """The device did not go: the next one is tried later, so that a lost preset stops none."""
        self.arrived(now_us)
        self._due_us = now_us + again_us
