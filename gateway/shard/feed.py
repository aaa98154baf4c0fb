"""One source of one camera: its Stream, what pulls it, and what is fastened to it for good.

The Stream lives as long as the source is assigned: viewers and the recorder stay attached while the
camera reconnects, moves to another address, or is pulled on demand and closed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from camera_adapters.pushed import PushedSource
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.source import Source, SourceState
from camera_adapters.stream import GapCause, Interruption, Stream
from gateway.identifiers import now_us
from gateway.shard.desired import DesiredSource
from gateway.shard.keyframe_requests import KeyframeRequests
from gateway.shard.measure import SourceRates
from gateway.shard.on_demand import IDLE_CLOSE_S, IdleTimer
from gateway.sources.registry import SourceContext, SourceRequest, build_source
from recorder.segment_writer import SegmentWriter

_log = structlog.get_logger(__name__)

_CHANGED = Interruption(GapCause.NOT_SCHEDULED, "the camera's settings were changed")
_NEW_CLOCK = Interruption(GapCause.CLOCK_STEP, "the gateway took over the system's clock")
_NOBODY = Interruption(GapCause.NOT_SCHEDULED, "nobody watches, and it is not recorded")


class Feed:
    """``writer`` is the recorder's sink, attached while the source is recorded.

    A source that is not recorded is pulled while somebody watches, and closed ``idle_s`` after the
    last has gone. ``on_state`` is called with each change of what :attr:`state` says.
    """

    def __init__(
        self,
        desired: DesiredSource,
        *,
        clock: SteadyClock,
        on_state: Callable[[Feed], None],
        idle_s: float = IDLE_CLOSE_S,
        context: SourceContext | None = None,
    ) -> None:
        self.desired = desired
        self.stream = Stream(desired.camera_id, desired.variant)
        self.rates = SourceRates()
        self.outages = 0
        # See gateway.shard.clock_watch, which keeps it.
        self.clock_offset_us = 0
        self.writer: SegmentWriter | None = None
        self._idle_since_us = now_us()
        self._clock = clock
        self._context = context or SourceContext()
        self._on_state = on_state
        self._source: Source | None = None
        self._source_state: SourceState | None = None
        self._idle = IdleTimer(self._on_idle, idle_s)
        self._wanted = False
        self._steering: asyncio.Task[None] | None = None
        self._closed = False
        self.keyframes = KeyframeRequests(self._context.signalling)
        self.stream.on_keyframe_wanted = self._on_keyframe_wanted
        self.stream.on_sinks_changed = self._on_sinks_changed
        self._on_sinks_changed(self.stream)

    @property
    def source(self) -> Source | None:
        """What pulls the camera at the moment, with its counters."""
        return self._source

    @property
    def state(self) -> SourceState | None:
        """What the source last said; None while nothing is pulled."""
        return self._source_state

    @property
    def idle_since_us(self) -> int:
        """Since when nothing is pulled, where that is so."""
        return self._idle_since_us

    @property
    def watched(self) -> bool:
        """Whether anything but the shard's own sinks is attached."""
        return len(self.stream.sinks) > (self.writer is not None)

    def record(self, writer: SegmentWriter | None) -> SegmentWriter | None:
        """Fasten the recorder's sink, or take it off (None); returns the one before."""
        before, self.writer = self.writer, None
        if before is not None:
            self.stream.detach(before)
        if writer is not None:
            self.writer = writer
            self.stream.attach(writer, replay_gop=self._gop_is_new_to(writer))
        self._on_sinks_changed(self.stream)
        return before

    def turn(self, now_s: float) -> None:
        """Measure; called every few seconds."""
        if self._source is not None and self.stream.running:
            self.rates.turn(self._source.counters, now_s)
        else:
            self.rates.clear()

    def change(self, desired: DesiredSource) -> None:
        """Take a changed row: another address or password is connected to anew."""
        before, self.desired = self.desired, desired
        same = (before.url, before.username, before.password, before.transport) == (
            desired.url,
            desired.username,
            desired.password,
            desired.transport,
        )
        self.keyframes.changed()
        if not same and self._source is not None:
            self._steer(restart=_CHANGED)
        self._on_sinks_changed(self.stream)

    def follow_new_clock(self) -> None:
        """Connect anew: the clock under which pictures are filed was set."""
        if self._source is not None:
            self._steer(restart=_NEW_CLOCK)

    async def close(self) -> None:
        """Stop pulling and end the Stream: the source is not this shard's any more."""
        self._closed = True
        self._idle.close()
        self._wanted = False
        self._steer()
        if self._steering is not None:
            await self._steering
        self.stream.close()

    def _gop_is_new_to(self, writer: SegmentWriter) -> bool:
        """Whether none of the pictures since the last keyframe is recorded already."""
        recorded_until_us = writer.counters.last_end_us
        if recorded_until_us is None or not self.stream.gop:
            return True
        return self.stream.gop[0].wall_us >= recorded_until_us

    def _on_sinks_changed(self, stream: Stream) -> None:
        if self._closed:
            return
        if self.writer is not None or self.watched:
            self._idle.used()
            if not self._wanted:
                self._wanted = True
                self._steer()
        elif self._wanted:
            self._idle.unused()

    def _on_keyframe_wanted(self, _: Stream) -> None:
        if isinstance(self._source, PushedSource):
            self._source.want_keyframe()
        else:
            self.keyframes.want(self.desired)

    def _on_idle(self) -> None:
        self._wanted = False
        self._steer()

    def _steer(self, *, restart: Interruption | None = None) -> None:
        """Bring the source to where it is wanted; one task at a time does it."""
        previous = self._steering
        self._steering = asyncio.get_running_loop().create_task(self._turn(previous, restart))

    async def _turn(
        self, previous: asyncio.Task[None] | None, restart: Interruption | None
    ) -> None:
        if previous is not None:
            await asyncio.wait((previous,))
        try:
            if self._source is not None and (restart or not self._wanted):
                await self._stop_source(restart or _CHANGED)
            if self._source is None and self._wanted:
                self._start_source()
        except Exception:
            _log.exception("a source could not be steered", source=self.desired.source_id)

    def _start_source(self) -> None:
        self._source = build_source(
            SourceRequest(self.desired, self.stream, self._clock, self._on_source_state),
            self._context,
        )
        self._source.start()

    async def _stop_source(self, why: Interruption) -> None:
        source, self._source = self._source, None
        assert source is not None
        await source.stop(why if self._wanted else _NOBODY)
        if self._wanted:
            return
        if self.stream.interruption != _NOBODY:
            self.stream.interrupt(_NOBODY)
        self._source_state = None
        self._idle_since_us = now_us()
        self._on_state(self)

    def _on_source_state(self, state: SourceState) -> None:
        before, self._source_state = self._source_state, state
        if before is not None and before.state == "live" and state.state in ("offline", "refused"):
            self.outages += 1
        self._on_state(self)
