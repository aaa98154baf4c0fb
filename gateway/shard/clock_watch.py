"""Cameras whose clock is off: noticed, stored, told, and accepted by an operator.

Footage is filed under the gateway's time whatever a camera says (camera_adapters/rtp/clocks.py).
A difference above a second is kept in ``clock_offsets`` and shown as ``clock_offset_us``, since the
clock burnt into the picture then contradicts the timeline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from camera_adapters.rtp.clocks import STEP_LIMIT_US, SteadyClock
from gateway.shard.feed import Feed
from gateway.shard.shard import MediaShard
from recorder.recorder import Recorder

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Deviation:
    """``told_us`` is what is shown now; ``accepted_us`` what somebody knows of, drift followed."""

    measured_us: int
    told_us: int = 0
    accepted_us: int | None = None

    def measure(self, measured_us: int) -> bool:
        """Take a new measurement; whether something else is to be told now."""
        self.measured_us = measured_us
        if abs(measured_us) <= STEP_LIMIT_US:
            self.accepted_us = None
            told_us = 0
        elif self.accepted_us is not None and abs(measured_us - self.accepted_us) <= STEP_LIMIT_US:
            self.accepted_us = measured_us
            told_us = 0
        elif self.told_us and abs(measured_us - self.told_us) <= STEP_LIMIT_US:
            told_us = self.told_us  # the network's tremor is no news
        else:
            told_us = round(measured_us / 1_000_000) * 1_000_000
        changed = told_us != self.told_us
        self.told_us = told_us
        return changed


class ClockWatch:
    """Keeps :attr:`Feed.clock_offset_us`. ``read_accepted`` gives the offset of a source's clock
    that was accepted before this process began.
    """

    def __init__(
        self,
        shard: MediaShard,
        recorder: Recorder,
        clock: SteadyClock,
        read_accepted: Callable[[str], Awaitable[int | None]],
    ) -> None:
        self._shard = shard
        self._recorder = recorder
        self._clock = clock
        self._read_accepted = read_accepted
        self._deviations: dict[str, _Deviation] = {}

    async def turn(self) -> None:
        """Measure all cameras; called every few seconds."""
        feeds = dict(self._shard.feeds)
        for source_id in self._deviations.keys() - feeds.keys():
            del self._deviations[source_id]
        for source_id, feed in feeds.items():
            measured_us = self._measured_us(feed)
            if measured_us is None:
                continue  # a camera that has just connected: what was told still holds
            deviation = self._deviations.get(source_id)
            if deviation is None:
                if abs(measured_us) <= STEP_LIMIT_US:
                    continue
                accepted_us = await self._read_accepted(source_id)
                deviation = _Deviation(measured_us, accepted_us=accepted_us)
                self._deviations[source_id] = deviation
            if deviation.measure(measured_us):
                self._store(feed, deviation.told_us)
            feed.clock_offset_us = deviation.told_us

    def accept(self, camera_id: str) -> None:
        """Somebody knows of the camera's clock: a new run begins, and nothing more is told of it.

        Where the system's clock was set, it is taken over, by all cameras. Raises LookupError for a
        camera that is not held here, ValueError when its clock is not off.
        """
        own = [feed for feed in self._shard.feeds.values() if feed.desired.camera_id == camera_id]
        if not own:
            raise LookupError(f"{camera_id} is not held here")
        if not any(feed.clock_offset_us for feed in own):
            raise ValueError("this camera's clock is not off: there is nothing to accept")
        if abs(self._clock.offset_us) > STEP_LIMIT_US:
            _log.warning("the system's clock is taken over", offset_us=self._clock.offset_us)
            self._clock.accept_step()
            self._deviations.clear()
            for feed in self._shard.feeds.values():
                self._begin_run(feed)
                feed.follow_new_clock()
            return
        for feed in own:
            deviation = self._deviations.get(feed.desired.source_id)
            if deviation is not None:
                deviation.accepted_us = deviation.measured_us
                deviation.told_us = 0
                self._begin_run(feed)

    def _begin_run(self, feed: Feed) -> None:
        feed.clock_offset_us = 0
        self._shard.changed(feed)
        if feed.writer is not None:
            self._recorder.accept_clock(feed.desired.source_id)

    def _measured_us(self, feed: Feed) -> int | None:
        if feed.writer is not None and feed.writer.clock_offset_us:
            return feed.writer.clock_offset_us
        if feed.source is not None:
            camera_us = feed.source.counters.camera_clock_offset_us
            if camera_us is not None:
                return camera_us
        # A camera that reports nothing is filed under the gateway's clock, right or wrong.
        return self._clock.offset_us if abs(self._clock.offset_us) > STEP_LIMIT_US else None

    def _store(self, feed: Feed, offset_us: int) -> None:
        source_id, camera = feed.desired.source_id, feed.desired.camera_id
        _log.warning("a camera's clock is off", camera=camera, offset_us=offset_us)
        self._shard.changed(feed)
        if feed.writer is not None and not feed.writer.clock_offset_us:
            self._recorder.gaps.set_clock_offset(source_id, self._clock.now_us(), offset_us)
