"""A source that is one attempt after the other: connect, watch, wait, connect again.

What differs between FLV, HLS, RTMP, multipart pictures and files is the attempt alone: a coroutine
that feeds a :class:`~camera_adapters.media_ingest.MediaIngest` until its connection ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from camera_adapters.back_off import REFUSED_WAIT_S, BackOff
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.redaction import redact
from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.source import SourceCounters, SourceState
from camera_adapters.source_states import SourceStates
from camera_adapters.stream import GapCause, Interruption, Stream

_log = structlog.get_logger(__name__)

SILENCE_S = 10.0
_KEYFRAME_PATIENCE_S = 30.0
_SETTLE_INTERVAL_S = 0.05
_WATCH_INTERVAL_S = 1.0

_CAUSES = {
    "silent": GapCause.CAMERA_SILENT,
    "refused": GapCause.CAMERA_REFUSED,
    "forbidden": GapCause.CAMERA_REFUSED,
    "no_video": GapCause.BAD_MEDIA,
    "wrong_ssrc": GapCause.BAD_MEDIA,
    "unsupported_codec": GapCause.BAD_MEDIA,
    "bad_framing": GapCause.BAD_MEDIA,
    "protocol": GapCause.BAD_MEDIA,
    "no_keyframe": GapCause.BAD_MEDIA,
    "no_parameter_sets": GapCause.BAD_MEDIA,
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended. ``code`` is stable: ``unresolved``, ``unreachable``, ``closed_port``,
    ``timed_out``, ``refused`` (name or password), ``forbidden``, ``not_found``, ``silent``,
    ``lost``, ``ended``, ``no_video``, ``protocol``, ``bad_address``, ``transcoder``, ``internal``.
    ``line`` says it in one English line, without credentials. ``retry_s``: when to try again, where
    the attempt knows better than the back-off.
    """

    code: str
    line: str
    retry_s: float | None = None


@dataclass(slots=True)
class Attempt:
    """One connection: what the attempt feeds, and counts. ``now_us`` is the process's clock;
    ``say_queued(position, length)`` tells of a place in the transcoder that is waited for.
    """

    ingest: MediaIngest
    now_us: Callable[[], int]
    say_queued: Callable[[int, int], None] = lambda position, length: None
    bytes: int = 0
    packets: int = 0
    malformed: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    camera_clock: CameraClock = field(default_factory=CameraClock)


class RetryingSource:
    """Drives ``stream`` by attempts, one at a time; a :class:`~camera_adapters.source.Source`.

    ``silence_s`` without a picture ends an attempt. ``address`` is for the log, where its
    credentials are left out.
    """

    def __init__(
        self,
        address: str,
        stream: Stream,
        attempt: Callable[[Attempt], Awaitable[Ending]],
        *,
        clock: SteadyClock | None = None,
        on_state: Callable[[SourceState], None] | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.camera_clock = CameraClock()
        self._address = redact(address)
        self._stream = stream
        self._make = attempt
        self._clock = clock or SteadyClock()
        self._silence_s = silence_s
        self._states = SourceStates(stream, self._clock.now_us(), on_state)
        self._task: asyncio.Task[None] | None = None
        self._attempt: Attempt | None = None
        self._past = SourceCounters()
        self._back_off = BackOff()

    @property
    def state(self) -> SourceState:
        """The newest state."""
        return self._states.newest

    @property
    def counters(self) -> SourceCounters:
        """The totals now."""
        return _added(self._past, self._attempt, self.camera_clock)

    def start(self) -> None:
        """Begin, on the running loop. Starting twice is starting once."""
        if self._task is None:
            self._set_state(SourceState("connecting", self._clock.now_us()))
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, interruption: Interruption | None = None) -> None:
        """End for good. The Stream is interrupted if it was running."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._leave()
        if self._stream.running:
            self._stream.interrupt(
                interruption or Interruption(GapCause.GATEWAY_STOPPED, "the source was stopped")
            )
        self._set_state(SourceState("idle", self._clock.now_us()))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self.camera_clock.begin_run()
            attempt = Attempt(
                MediaIngest(self._stream, self.camera_clock, on_run=self._on_run),
                self._clock.now_us,
                self._say_queued,
                camera_clock=self.camera_clock,
            )
            self._attempt = attempt
            try:
                ending = await self._watch(attempt)
            except Exception:
                _log.exception("the source failed", camera=self._stream.camera_id)
                ending = Ending("internal", "an internal error; see the log")
            if self.state.state == "live":
                self._back_off.delivered(loop.time() - began)
            self._leave()
            await asyncio.sleep(self._fail(ending))

    async def _watch(self, attempt: Attempt) -> Ending:
        """Run the attempt to its end, or until it has been silent for too long."""
        loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(self._make(attempt))
        ingest = attempt.ingest
        heard_at = keyframe_at = loop.time()
        heard = 0
        try:
            while True:
                interval_s = _WATCH_INTERVAL_S if ingest.settled else _SETTLE_INTERVAL_S
                done, _ = await asyncio.wait([work], timeout=interval_s)
                if done:
                    return work.result()
                now = loop.time()
                if not ingest.settled:
                    ingest.expire(attempt.now_us())
                if heard != attempt.packets:
                    heard, heard_at = attempt.packets, now
                elif now - heard_at >= self._silence_s:
                    return Ending("silent", f"no video for {self._silence_s:.0f} s")
                if ingest.running or not heard:
                    keyframe_at = now
                elif now - keyframe_at >= _KEYFRAME_PATIENCE_S:
                    keyframe_at = now
                    self._say_undecodable(ingest)
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait([work])

    def _say_queued(self, position: int, length: int) -> None:
        line = f"waits for a place in the transcoder: {position} of {length}"
        queue = (position, length)
        self._set_state(
            SourceState(
                "connecting", self._clock.now_us(), detail=line, fault="queued", queue=queue
            )
        )

    def _say_undecodable(self, ingest: MediaIngest) -> None:
        if ingest.counters.undecodable:
            fault = "no_parameter_sets"
            why = "pictures come, but no parameter sets to decode them with"
        else:
            fault, why = "no_keyframe", f"no keyframe for {_KEYFRAME_PATIENCE_S:.0f} s"
        self._interrupt(Interruption(GapCause.BAD_MEDIA, why))
        now_us = self._clock.now_us()
        self._set_state(SourceState("offline", now_us, GapCause.BAD_MEDIA, why, fault=fault))

    def _leave(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.ingest.close()
            counters = _added(self._past, attempt, self.camera_clock)
            self._past = replace(counters, reconnects=counters.reconnects + 1)

    def _on_run(self) -> None:
        self._back_off.succeeded()
        attempt = self._attempt
        track = attempt.ingest.video_track if attempt is not None else None
        self._set_state(SourceState("live", self._clock.now_us(), track=track))

    def _fail(self, ending: Ending) -> float:
        """Say how the attempt ended; gives the seconds until the next."""
        refused = ending.code == "refused"
        delay_s, locked = self._back_off.after(refused=refused, own_s=ending.retry_s)
        detail = ending.line
        if locked:
            detail += f"; next try in {REFUSED_WAIT_S // 60} minutes, as cameras lock out"
        now_us = self._clock.now_us()
        cause = _CAUSES.get(ending.code, GapCause.CAMERA_OFFLINE)
        self._interrupt(Interruption(cause, detail))
        self._set_state(
            SourceState(
                "refused" if locked else "offline",
                now_us,
                cause,
                detail,
                now_us + int(delay_s * 1_000_000),
                fault=ending.code,
            )
        )
        return delay_s

    def _interrupt(self, interruption: Interruption) -> None:
        if self._stream.running or self._stream.interruption != interruption:
            self._stream.interrupt(interruption)

    def _set_state(self, state: SourceState) -> None:
        self._states.tell(state, url=self._address)


def _added(past: SourceCounters, attempt: Attempt | None, clock: CameraClock) -> SourceCounters:
    if attempt is None:
        return past
    made = attempt.ingest.counters
    return replace(
        past,
        bytes=past.bytes + attempt.bytes,
        packets=past.packets + attempt.packets,
        lost=past.lost + attempt.lost,
        duplicates=past.duplicates + attempt.duplicates,
        reordered=past.reordered + attempt.reordered,
        malformed=past.malformed + attempt.malformed + made.malformed,
        pictures=past.pictures + made.pictures,
        keyframes=past.keyframes + made.keyframes,
        audio_frames=past.audio_frames + made.audio_frames,
        damaged=past.damaged + made.damaged,
        gop_us=made.gop_us,
        gop_pictures=made.gop_pictures,
        camera_clock_offset_us=clock.offset_us,
        camera_clock_trusted=clock.trusted,
        clock_steps=clock.steps,
    )
