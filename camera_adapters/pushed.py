"""A camera that is pushed in: a place that publishers come to, and the source that takes from it.

The place (:class:`PushSlot`) lives as long as the camera is assigned; publishers come and go, and
so does the source, which is only there while somebody watches or records. A publisher that is back
within GRACE_S is for viewers a gap and nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.source import SourceCounters, SourceState
from camera_adapters.source_states import SourceStates
from camera_adapters.stream import GapCause, Interruption, Stream, Track

_log = structlog.get_logger(__name__)

GRACE_S = 15.0
SILENCE_S = 10.0
_SETTLE_INTERVAL_S = 0.05
_WATCH_INTERVAL_S = 1.0

_WAITING = Interruption(GapCause.CAMERA_OFFLINE, "nobody pushes this camera in")
_SILENT = Interruption(GapCause.CAMERA_SILENT, "the publisher is connected, but sends no video")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a publication's media go. ``on_run`` is called with the video Track of each run."""

    stream: Stream
    camera_clock: CameraClock
    now_us: Callable[[], int]
    on_run: Callable[[Track | None], None]


class Publication(Protocol):
    """What one publisher sends, by whatever protocol."""

    @property
    def description(self) -> str:
        """How, and from where: ``RTMP from 10.1.2.3``."""

    @property
    def settled(self) -> bool:
        """False while the first frames are held and :meth:`tick` has to be called often."""

    @property
    def counters(self) -> SourceCounters:
        """What this publisher's media came to since :meth:`feed`."""

    def feed(self, target: Target | None) -> None:
        """Media go there from now on; what went elsewhere is over. None: nowhere."""

    def tick(self, now_us: int) -> None:
        """Give up waiting for what is late."""

    def want_keyframe(self) -> None:
        """Ask for one, where the protocol has a word for it."""

    def end(self, why: str) -> None:
        """Disconnect. Does not come back to the slot."""


class PushSlot:
    """One camera's place for one publisher. ``trouble`` says why nobody can come here."""

    def __init__(self) -> None:
        self.trouble = ""
        self.publication: Publication | None = None
        self.source: PushedSource | None = None

    def take(self, publication: Publication) -> None:
        """A new publisher, rightly admitted: it replaces the one that is there."""
        before, self.publication = self.publication, publication
        if before is not None:
            before.feed(None)
            before.end(f"another publisher took over: {publication.description}")
        if self.source is not None:
            self.source.published(publication)

    def leave(self, publication: Publication, why: str) -> None:
        """A publisher went by itself; one that was replaced already changes nothing."""
        if self.publication is publication:
            self.publication = None
            if self.source is not None:
                self.source.unpublished(why)
            publication.feed(None)

    def close(self, why: str) -> None:
        """The camera is not here any more: whoever publishes is disconnected."""
        publication, self.publication = self.publication, None
        if publication is not None:
            publication.feed(None)
            publication.end(why)


class PushedSource:
    """A :class:`~camera_adapters.source.Source` that takes from a slot."""

    def __init__(
        self,
        slot: PushSlot,
        stream: Stream,
        *,
        clock: SteadyClock | None = None,
        on_state: Callable[[SourceState], None] | None = None,
    ) -> None:
        self.camera_clock = CameraClock()
        self._slot = slot
        self._stream = stream
        self._clock = clock or SteadyClock()
        self._states = SourceStates(stream, self._clock.now_us(), on_state)
        self._publication: Publication | None = None
        self._past = SourceCounters()
        self._timer: asyncio.TimerHandle | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._heard = 0
        self._heard_at = 0.0

    @property
    def state(self) -> SourceState:
        """The newest state; ``waiting`` is its fault while nobody publishes."""
        return self._states.newest

    @property
    def counters(self) -> SourceCounters:
        """The totals now."""
        return _added(self._past, self._publication, self.camera_clock)

    def start(self) -> None:
        """Begin to take."""
        if self._slot.source is self:
            return
        self._slot.source = self
        self._set_state(SourceState("connecting", self._clock.now_us()))
        if self._slot.publication is not None:
            self.published(self._slot.publication)
        else:
            self._await_publisher(self._slot.trouble or _WAITING.detail)

    async def stop(self, interruption: Interruption | None = None) -> None:
        """Take no more; the publisher stays connected."""
        if self._slot.source is self:
            self._slot.source = None
        self._cancel(self._timer, self._grace)
        self._leave()
        if self._stream.running:
            self._stream.interrupt(
                interruption or Interruption(GapCause.GATEWAY_STOPPED, "the source was stopped")
            )
        self._set_state(SourceState("idle", self._clock.now_us()))

    def want_keyframe(self) -> None:
        """Ask the publisher for one."""
        if self._publication is not None:
            self._publication.want_keyframe()

    def published(self, publication: Publication) -> None:
        """Somebody publishes, from now on."""
        self._leave()
        self._cancel(self._grace)
        self._publication = publication
        self._heard, self._heard_at = 0, asyncio.get_running_loop().time()
        self.camera_clock.begin_run()
        target = Target(self._stream, self.camera_clock, self._clock.now_us, self._on_run)
        publication.feed(target)
        self._cancel(self._timer)
        self._tick()

    def unpublished(self, why: str) -> None:
        """Nobody publishes any more; perhaps they are back soon."""
        self._leave()
        loop = asyncio.get_running_loop()
        self._cancel(self._grace)
        self._grace = loop.call_later(GRACE_S, self._await_publisher, why)

    def _await_publisher(self, why: str) -> None:
        interruption = replace(_WAITING, detail=why)
        if self._stream.running or self._stream.interruption != interruption:
            self._stream.interrupt(interruption)
        now_us = self._clock.now_us()
        self._set_state(SourceState("offline", now_us, interruption.cause, why, fault="waiting"))

    def _leave(self) -> None:
        publication = self._publication
        if publication is not None:
            counters = _added(self._past, publication, self.camera_clock)
            self._past = replace(counters, reconnects=counters.reconnects + 1)
            self._publication = None
            publication.feed(None)

    def _tick(self) -> None:
        publication = self._publication
        if publication is None:
            return
        loop = asyncio.get_running_loop()
        try:
            publication.tick(self._clock.now_us())
        except Exception:
            _log.exception("a publication failed", camera=self._stream.camera_id)
        pictures = publication.counters.packets
        now = loop.time()
        if pictures != self._heard:
            self._heard, self._heard_at = pictures, now
        elif now - self._heard_at >= SILENCE_S and self._stream.interruption != _SILENT:
            self._stream.interrupt(_SILENT)
            state = SourceState(
                "offline", self._clock.now_us(), _SILENT.cause, _SILENT.detail, fault="silent"
            )
            self._set_state(state)
            # What comes after a silence begins a new run.
            self.published(publication)
            return
        delay_s = _WATCH_INTERVAL_S if publication.settled else _SETTLE_INTERVAL_S
        self._timer = loop.call_later(delay_s, self._tick)

    def _on_run(self, track: Track | None) -> None:
        self._set_state(SourceState("live", self._clock.now_us(), track=track))

    def _cancel(self, *timers: asyncio.TimerHandle | None) -> None:
        for timer in timers:
            if timer is not None:
                timer.cancel()

    def _set_state(self, state: SourceState) -> None:
        publisher = self._publication.description if self._publication else None
        self._states.tell(state, publisher=publisher)


def _added(
    past: SourceCounters, publication: Publication | None, clock: CameraClock
) -> SourceCounters:
    if publication is None:
        return past
    now = publication.counters
    return replace(
        now,
        bytes=past.bytes + now.bytes,
        packets=past.packets + now.packets,
        lost=past.lost + now.lost,
        duplicates=past.duplicates + now.duplicates,
        reordered=past.reordered + now.reordered,
        malformed=past.malformed + now.malformed,
        pictures=past.pictures + now.pictures,
        keyframes=past.keyframes + now.keyframes,
        audio_frames=past.audio_frames + now.audio_frames,
        damaged=past.damaged + now.damaged,
        reconnects=past.reconnects,
        camera_clock_offset_us=clock.offset_us,
        camera_clock_trusted=clock.trusted,
        clock_steps=clock.steps,
    )
