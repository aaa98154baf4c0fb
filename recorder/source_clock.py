"""Which time footage is filed under when the source's clock drifts or steps.

A run's media time is exact; its wall clock is ``start_us`` plus media time. Small drift is followed
by starting a new run at a segment's cut; a step of more than a second is not followed: monotonic
time goes on, the offset is told, and only an operator's acceptance follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_US = 1_000_000
# Pictures may come this late and be no step of a clock: a GOP that the camera had ready, or that
# was recorded already when the writer was attached anew.
REPLAY_US = 15_000_000
DRIFT_US = 200_000


@dataclass(slots=True)
class SourceClock:
    """The clock of one source. ``offset_us`` is how far it runs ahead of what footage is filed
    under: 0 unless it stepped.

    ``last_end_us`` is where the footage ends; ``last_end_monotonic_us`` when that was, by a clock
    that never steps (None: before this process).
    """

    last_end_us: int | None = None
    last_end_monotonic_us: int | None = None
    offset_us: int = 0
    drift_us: float = 0.0
    _steps: int = 0

    def begin_run(self, wall_us: int, monotonic_us: int) -> int:
        """When a run's first picture, taken at ``wall_us`` by the source, is filed."""
        self.drift_us = 0.0
        self._steps = 0
        if self.last_end_us is None:
            self.offset_us = 0
            return wall_us
        if self.last_end_monotonic_us is None:
            if wall_us < self.last_end_us - REPLAY_US:
                self.offset_us = wall_us - self.last_end_us
                return self.last_end_us
            self.offset_us = 0
            return wall_us
        expected_us = self.last_end_us + monotonic_us - self.last_end_monotonic_us
        late_us = expected_us - wall_us
        if -STEP_US <= late_us <= STEP_US:
            self.offset_us = 0  # a clock that is right again needs no acceptance
        elif late_us > 0 and self.last_end_us <= wall_us and late_us <= REPLAY_US:
            self.offset_us = 0  # a camera that begins with the GOP that it had ready
        elif abs(wall_us - self.offset_us - expected_us) > STEP_US:
            self.offset_us = wall_us - expected_us
        return wall_us - self.offset_us

    def observe(self, wall_us: int, filed_us: int) -> bool:
        """Note a keyframe's wall clock and the time that its run files it under.

        True when the run should end at the next cut, because drift has added up.
        """
        difference = wall_us - self.offset_us - filed_us
        if abs(difference - self.drift_us) > STEP_US:
            self._steps += 1
            if self._steps >= 2:  # a single odd time stamp is no step
                self._steps = 0
                if abs(wall_us - filed_us) <= STEP_US:
                    self.offset_us = 0
                else:
                    self.offset_us += round(difference - self.drift_us)
            return False
        self._steps = 0
        self.drift_us += (difference - self.drift_us) / 8
        return abs(self.drift_us) > DRIFT_US

    def follow_drift(self, filed_us: int) -> int:
        """Where a picture that its run files under ``filed_us`` belongs, once drift is followed."""
        corrected_us = filed_us + round(self.drift_us)
        self.drift_us = 0.0
        return corrected_us

    def note_end(self, end_us: int, monotonic_us: int | None) -> None:
        """Footage is filed until ``end_us``, as of now (None: it is not being filmed now)."""
        self.last_end_us = end_us
        self.last_end_monotonic_us = monotonic_us

    def accept(self) -> None:
        """Trust the source's clock as it is: the next run is filed under it, wherever that is."""
        self.last_end_us = None
        self.last_end_monotonic_us = None
        self.offset_us = 0
        self.drift_us = 0.0
