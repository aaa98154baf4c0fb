"""A camera as a source of a Stream: connects, watches, reconnects, for as long as it is wanted.

Viewers and recorder stay attached to the Stream; an outage reaches them as an interruption with a
cause, and the return as a new run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import structlog

from camera_adapters.back_off import REFUSED_WAIT_S, BackOff
from camera_adapters.redaction import redact
from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.rtsp.client import FailureCode
from camera_adapters.rtsp.client_transport import (
    CameraSession,
    Outcome,
    credentials_for,
    follow_redirect,
    open_session,
)
from camera_adapters.rtsp.url import parse_camera_url
from camera_adapters.source import SourceCounters, SourceState
from camera_adapters.source_states import SourceStates
from camera_adapters.starting_turns import Turn, starting_turns
from camera_adapters.stream import GapCause, Interruption, Stream
from camera_adapters.stream_runs import RunCounters

_log = structlog.get_logger(__name__)

_KEYFRAME_PATIENCE_S = 30

Transport = Literal["auto", "tcp", "udp"]


class RtspSource:
    """Drives ``stream`` from the camera at ``url``.

    ``username`` and ``password`` go before those in the URL; neither is ever logged. ``transport``
    ``auto`` means TCP, then UDP where the camera does not do TCP or sends nothing by it.
    ``on_state`` is called with every new :class:`SourceState`, on the loop. ``clock`` is the
    process's one :class:`SteadyClock`.

    No exception leaves :meth:`start`, :meth:`stop`, or the task between them.
    """

    def __init__(
        self,
        url: str,
        stream: Stream,
        *,
        username: str = "",
        password: str = "",
        transport: Transport = "auto",
        on_state: Callable[[SourceState], None] | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        self.camera_clock = CameraClock()
        self._url = url
        self._stream = stream
        self._username = username
        self._password = password
        self._transport = transport
        self._clock = clock or SteadyClock()
        self._states = SourceStates(stream, self._clock.now_us(), on_state)
        self._task: asyncio.Task[None] | None = None
        self._session: CameraSession | None = None
        self._past = SourceCounters()
        self._back_off = BackOff()
        self._tcp = transport != "udp"
        self._turn: Turn | None = None

    @property
    def state(self) -> SourceState:
        """The newest state."""
        return self._states.newest

    @property
    def counters(self) -> SourceCounters:
        """The totals now; cheap enough for once a second."""
        return _added(self._past, self._session, self.camera_clock)

    def start(self) -> None:
        """Begin, on the running loop. Starting twice is starting once."""
        if self._task is None:
            self._set_state(SourceState("connecting", self._clock.now_us()))
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, interruption: Interruption | None = None) -> None:
        """End the session and the retries. The Stream is interrupted if it was running."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._session is not None:
            self._session.end(Outcome("stopped", "stopped"))
            self._leave_session()
        if self._stream.running:
            self._stream.interrupt(
                interruption or Interruption(GapCause.GATEWAY_STOPPED, "the source was stopped")
            )
        self._set_state(SourceState("idle", self._clock.now_us()))

    async def _run(self) -> None:
        while True:
            began = asyncio.get_running_loop().time()
            packets_before = self._past.packets
            try:
                self._turn = await starting_turns(asyncio.get_running_loop()).take()
                outcome = await self._attempt()
            except Exception:
                _log.exception("the source failed", camera=self._stream.camera_id)
                outcome = Outcome("internal", "an internal error; see the log")
            finally:
                self._end_turn()
            if self.state.state == "live":
                self._back_off.delivered(asyncio.get_running_loop().time() - began)
            nothing_came = outcome.code == "silent" and self._past.packets == packets_before
            if self._transport == "auto" and (
                outcome.code == FailureCode.TRANSPORT or nothing_came
            ):
                self._tcp = not self._tcp
            refused = outcome.code == FailureCode.REFUSED
            delay_s, locked = self._back_off.after(refused=refused)
            self._set_failed(outcome, locked, delay_s)
            await asyncio.sleep(delay_s)

    async def _attempt(self) -> Outcome:
        """One session, redirects followed, until it ends."""
        try:
            url = parse_camera_url(self._url)
        except ValueError as error:
            return Outcome("bad_address", str(error))
        credentials = credentials_for(url, self._username, self._password)
        hops = 0
        while True:
            self.camera_clock.begin_run()
            opened = await open_session(
                url,
                credentials=credentials,
                tcp=self._tcp,
                stream=self._stream,
                clock=self._clock,
                camera_clock=self.camera_clock,
                on_run=self._on_run,
            )
            if isinstance(opened, Outcome):
                return opened
            self._session = opened
            try:
                outcome = await self._watch(opened)
            finally:
                if self._task is not None:
                    self._leave_session()
            if outcome.code != "redirected":
                return outcome
            following = follow_redirect(url, outcome, credentials, hops)
            if isinstance(following, Outcome):
                return following
            url, credentials = following
            hops += 1

    async def _watch(self, session: CameraSession) -> Outcome:
        """Wait for the end; meanwhile say so when packets come but no picture can be shown."""
        while True:
            done, _ = await asyncio.wait([session.ended], timeout=_KEYFRAME_PATIENCE_S)
            if done:
                return session.ended.result()
            ingest = session.ingest
            if session.playing and ingest is not None and not ingest.running:
                if ingest.counters.undecodable:
                    fault = "no_parameter_sets"
                    why = "pictures come, but no parameter sets to decode them with"
                else:
                    fault, why = "no_keyframe", f"no keyframe for {_KEYFRAME_PATIENCE_S} s"
                self._interrupt(Interruption(GapCause.BAD_MEDIA, why))
                self._set_state(
                    SourceState(
                        "offline", self._clock.now_us(), GapCause.BAD_MEDIA, why, fault=fault
                    )
                )

    def _leave_session(self) -> None:
        session = self._session
        if session is not None:
            session.end(Outcome("stopped", "stopped"))
            counters = _added(self._past, session, self.camera_clock)
            self._past = replace(counters, reconnects=counters.reconnects + 1)
            self._session = None

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.end()

    def _on_run(self) -> None:
        self._end_turn()
        self._back_off.succeeded()
        session = self._session
        track = session.ingest.video_track if session is not None and session.ingest else None
        self._set_state(SourceState("live", self._clock.now_us(), track=track))

    def _set_failed(self, outcome: Outcome, locked: bool, delay_s: float) -> None:
        now_us = self._clock.now_us()
        cause = _cause(outcome)
        detail = outcome.line
        if locked:
            detail += f"; next try in {REFUSED_WAIT_S // 60} minutes, as cameras lock out"
        self._interrupt(Interruption(cause, detail))
        retry_at_us = now_us + int(delay_s * 1_000_000)
        state: Literal["refused", "offline"] = "refused" if locked else "offline"
        self._set_state(
            SourceState(state, now_us, cause, detail, retry_at_us, fault=str(outcome.code))
        )

    def _interrupt(self, interruption: Interruption) -> None:
        if self._stream.running or self._stream.interruption != interruption:
            self._stream.interrupt(interruption)

    def _set_state(self, state: SourceState) -> None:
        self._states.tell(state, url=redact(self._url))


def _cause(outcome: Outcome) -> GapCause:
    match outcome.code:
        case "silent":
            return GapCause.CAMERA_SILENT
        case FailureCode.REFUSED | FailureCode.FORBIDDEN:
            return GapCause.CAMERA_REFUSED
        case FailureCode.NO_VIDEO | FailureCode.PROTOCOL:
            return GapCause.BAD_MEDIA
    return GapCause.CAMERA_OFFLINE


def _added(
    past: SourceCounters, session: CameraSession | None, clock: CameraClock
) -> SourceCounters:
    if session is None or session.ingest is None:
        return past
    made: RunCounters = session.ingest.counters
    received = [receiver.counters for receiver in session.ingest.receivers]
    return SourceCounters(
        bytes=past.bytes + session.bytes_received,
        packets=past.packets + sum(one.packets for one in received),
        lost=past.lost + sum(one.lost for one in received),
        duplicates=past.duplicates + sum(one.duplicates for one in received),
        reordered=past.reordered + sum(one.reordered for one in received),
        malformed=past.malformed + made.malformed + sum(one.malformed for one in received),
        pictures=past.pictures + made.pictures,
        keyframes=past.keyframes + made.keyframes,
        audio_frames=past.audio_frames + made.audio_frames,
        damaged=past.damaged + made.damaged,
        reconnects=past.reconnects,
        gop_us=made.gop_us,
        gop_pictures=made.gop_pictures,
        camera_clock_offset_us=clock.offset_us,
        camera_clock_trusted=clock.trusted,
        clock_steps=clock.steps,
    )
