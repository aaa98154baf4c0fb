"""Whose clock counts: the gateway's steady clock, a camera's, and one time line for all tracks.

Three rules, in this order. Time never runs backwards. A clock that is a little off is approached
slowly (*slewed*). A clock that steps by more than a second is not followed: the difference is kept
and shown (``offset_us``), until someone accepts it or it goes away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

STEP_LIMIT_US = 1_000_000
# 500 millionths: a picture every 40 ms moves by 20 µs, far below what any player notices.
_SLEW_US_PER_S = 500
# In a run's first seconds sound is brought to the picture faster: lips matter more than smoothness.
_EARLY_SLEW_US_PER_S = 50_000
_EARLY_US = 15_000_000
_WINDOW_US = 4_000_000
_RATE_US = 1_000_000
# The GOP that a camera has ready at connect may be this old.
_REPLAY_US = 15_000_000
# A camera that has stopped reporting drifts: then arrival counts again.
_REPORT_LIFETIME_US = 60_000_000


class SteadyClock:
    """UTC that never steps: it follows the system's clock slowly, and steps above 1 s not at all.

    One per process; :meth:`now_us` is cheap. ``offset_us`` is how far the system's clock is away
    from it: above a second it is an alarm, and :meth:`accept_step` takes the system's time over.
    """

    def __init__(
        self,
        utc_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        monotonic_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self._utc_us = utc_us
        self._monotonic_us = monotonic_us
        self._base_us = utc_us() - monotonic_us()
        self._checked_us = monotonic_us()
        self.offset_us = 0

    def now_us(self) -> int:
        """UTC microseconds."""
        monotonic_us = self._monotonic_us()
        if monotonic_us - self._checked_us >= _RATE_US:
            self._follow(monotonic_us)
        return monotonic_us + self._base_us

    def accept_step(self) -> None:
        """Take over the system's time at once; whoever calls this starts new runs afterwards."""
        self._base_us = self._utc_us() - self._monotonic_us()
        self.offset_us = 0

    def _follow(self, monotonic_us: int) -> None:
        elapsed_us = monotonic_us - self._checked_us
        self._checked_us = monotonic_us
        self.offset_us = self._utc_us() - monotonic_us - self._base_us
        if abs(self.offset_us) <= STEP_LIMIT_US:
            most = elapsed_us * _SLEW_US_PER_S // 1_000_000
            self._base_us += max(-most, min(most, self.offset_us))


@dataclass(slots=True)
class CameraClock:
    """What is known of one camera's wall clock, shared by its tracks and kept across reconnects.

    ``offset_us``: the camera's time (RTCP sender reports, RFC 3550 §6.4.1) less ours; None before
    the first report. ``trusted``: it is within a second of ours, so that its reports give the
    time of capture; one that runs ahead is taken back by as much, since no report arrives before
    it was sent, and nothing is filed in the future. Otherwise reports only align sound with
    picture. ``steps`` counts its leaps of more than a second. ``floor_us``: no later run may begin
    before this.
    """

    offset_us: int | None = None
    trusted: bool = False
    steps: int = 0
    floor_us: int = 0
    _ours_less_theirs_us: int = 0

    def begin_run(self) -> None:
        """Forget the camera's offset, not its history: it may have rebooted meanwhile."""
        self.offset_us = None
        self.trusted = False

    def to_our_time(self, camera_us: int, arrival_us: int) -> int:
        """Our time for an instant of the camera's clock, reported just before ``arrival_us``."""
        offset_us = camera_us - arrival_us
        if self.offset_us is None:
            self._lock(offset_us)
        elif abs(offset_us - self.offset_us) > STEP_LIMIT_US:
            self.steps += 1
            self._lock(offset_us)
        elif self.trusted and abs(offset_us) > STEP_LIMIT_US:
            self._lock(offset_us)
        elif not self.trusted and abs(offset_us + self._ours_less_theirs_us) > STEP_LIMIT_US // 2:
            # Half a second of drift since the lock: take the new offset, the tracks slew to it.
            self._lock(offset_us)
        elif self.trusted and offset_us + self._ours_less_theirs_us > 0:
            self._lock(offset_us)
        self.offset_us = offset_us
        return camera_us + self._ours_less_theirs_us

    def _lock(self, offset_us: int) -> None:
        self.trusted = abs(offset_us) <= STEP_LIMIT_US
        self._ours_less_theirs_us = min(0, -offset_us) if self.trusted else -offset_us


@dataclass(slots=True)
class TrackClock:
    """Puts one track's RTP timestamps on the run's time line.

    :meth:`line_us` gives our UTC time for a timestamp: exactly as far from the last as the camera's
    RTP clock says, plus the slew. Leaps of the RTP clock by more than a second against arrival, and
    stand-still from one unit to the next, are taken out by going on as the arrival clock did;
    ``leaps`` counts them. A stalled network, where packets come late and in a burst, is no leap.
    """

    clock_rate: int
    leaps: int = 0
    _offset_us: int = 0
    _target_us: int = 0
    _started: bool = False
    _started_us: int = 0
    _last_media_us: int = 0
    _last_arrival_us: int = 0
    _last_line_us: int = 0
    _least_us: int = 0
    _previous_least_us: int = 0
    _window_end_us: int = 0
    _slewed_us: int = 0
    _foreseen: bool = False
    _reported: bool = False
    _reported_us: int = 0
    _us_per_tick: float = field(init=False)

    def __post_init__(self) -> None:
        self._us_per_tick = 1_000_000 / self.clock_rate

    def restart(self) -> None:
        """The sender began anew: its next timestamp has no relation to the last."""
        if self._started:
            self._started = False
            self._foreseen = False
            self._reported = False

    def foresee(self, timestamp: int, arrival_us: int) -> int:
        """Note a packet that waits for the line's beginning; gives its arrival less its timestamp.

        The least of these differences is the packet that came straight from the camera: the line
        begins where that one is *now*, not where the first one was.
        """
        delay_us = arrival_us - round(timestamp * self._us_per_tick)
        if not self._started and (not self._foreseen or delay_us < self._least_us):
            self._foreseen = True
            self._least_us = delay_us
        return delay_us

    def line_us(self, timestamp: int, arrival_us: int) -> int:
        """Our UTC time of an unwrapped RTP timestamp whose packet came at ``arrival_us``."""
        media_us = round(timestamp * self._us_per_tick)
        delay_us = arrival_us - media_us
        if not self._started:
            self._begin(delay_us, arrival_us)
        else:
            moved_us = media_us - self._last_media_us
            if moved_us == 0 or (
                not -STEP_LIMIT_US <= moved_us <= STEP_LIMIT_US
                and abs(arrival_us - self._last_arrival_us - moved_us) > STEP_LIMIT_US
            ):
                self._take_out_leap(media_us, delay_us, arrival_us)
            elif delay_us < self._least_us:
                self._least_us = delay_us
        if arrival_us >= self._slewed_us:
            self._slew(arrival_us)
        self._last_media_us = media_us
        self._last_arrival_us = arrival_us
        line_us = media_us + self._offset_us
        self._last_line_us = max(self._last_line_us, line_us)
        return line_us

    def of_companion(self, timestamp: int) -> int | None:
        """Where a timestamp of another track on the same clock lies; None before the first unit."""
        if not self._started:
            return None
        return round(timestamp * self._us_per_tick) + self._offset_us

    def note_report(self, timestamp: int, our_us: int) -> None:
        """A sender report says that this unwrapped timestamp was at ``our_us`` (our time).

        One that comes before the first :meth:`line_us` says where the line begins.
        """
        target_us = our_us - round(timestamp * self._us_per_tick)
        if not self._started:
            self._target_us = target_us
            self._reported = True
            return
        # A report that contradicts arrival by more than a step is about another clock.
        if abs(target_us - min(self._least_us, self._previous_least_us)) <= 2 * STEP_LIMIT_US:
            self._target_us = target_us
            self._reported = True
            self._reported_us = self._last_arrival_us

    def _begin(self, delay_us: int, arrival_us: int) -> None:
        self._started = True
        self._started_us = arrival_us
        least_us = min(delay_us, self._least_us) if self._foreseen else delay_us
        # Of a GOP that still comes in the report knows more than arrival does.
        if not (self._reported and -_REPLAY_US <= self._target_us - least_us <= STEP_LIMIT_US):
            self._reported = False
            self._target_us = least_us
        self._reported_us = arrival_us
        # Behind a restart the line goes on, never back.
        self._offset_us = max(self._target_us, delay_us + self._last_line_us - arrival_us)
        self._least_us = self._previous_least_us = least_us
        self._window_end_us = arrival_us + _WINDOW_US
        self._slewed_us = arrival_us

    def _take_out_leap(self, media_us: int, delay_us: int, arrival_us: int) -> None:
        """Go on as if the RTP clock had moved as the arrival clock did."""
        elapsed_us = max(arrival_us - self._last_arrival_us, 1000)
        self.leaps += 1
        shift_us = (self._last_media_us + elapsed_us) - media_us
        self._offset_us += shift_us
        self._target_us = delay_us
        self._least_us = self._previous_least_us = delay_us
        self._window_end_us = arrival_us + _WINDOW_US
        self._reported = False

    def _slew(self, arrival_us: int) -> None:
        if arrival_us >= self._window_end_us:
            self._previous_least_us = self._least_us
            self._least_us = arrival_us - self._last_media_us
            self._window_end_us = arrival_us + _WINDOW_US
            if abs(self._target_us - self._previous_least_us) > 2 * STEP_LIMIT_US:
                # No GOP came that would have explained the first report.
                self._reported = False
        if self._reported and arrival_us - self._reported_us > _REPORT_LIFETIME_US:
            self._reported = False
        if not self._reported:
            self._target_us = min(self._least_us, self._previous_least_us)
        error_us = self._target_us - self._offset_us
        self._slewed_us = arrival_us + _RATE_US // 10
        if error_us > STEP_LIMIT_US and not self._reported:
            # Through two windows nothing came in time: the camera's RTP clock had stopped.
            self.leaps += 1
            self._offset_us += error_us
            return
        hurried = error_us < -STEP_LIMIT_US or arrival_us - self._started_us < _EARLY_US
        most = (_EARLY_SLEW_US_PER_S if hurried else _SLEW_US_PER_S) // 10
        self._offset_us += max(-most, min(most, error_us))
