"""A device's own recording, played by RTSP as ONVIF has it (Streaming Specification §6).

The device sends as fast as we read (``Rate-Control: no``), and each picture carries the wall clock
of its recording in an RTP header extension. How fast we read is bounded, so that a stretch that is
fetched leaves cameras that are live their share.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from camera_adapters.http_authentication import Credentials
from camera_adapters.rtp.clocks import CameraClock, SteadyClock, TrackClock
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtsp.client import PacketTaker, RtspClient, TrackTransport
from camera_adapters.rtsp.client_transport import (
    CameraSession,
    Outcome,
    connect,
    credentials_for,
)
from camera_adapters.rtsp.replay_reference import ReplayReference
from camera_adapters.rtsp.url import parse_camera_url
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track

_log = structlog.get_logger(__name__)

EXTENSION = 0xABAC
SPEED_LIMIT = 16.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NTP_UNIX_S = 2_208_988_800
_ERA_US = (1 << 32) * 1_000_000
# Between two pictures of one section; more is a gap, and a new run begins behind it.
_SECTION_GAP_US = 5_000_000
# How much earlier than asked a recording may end and still be whole: a GOP, and clocks' seconds.
_END_TOLERANCE_US = 3_000_000
_STAMPS_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Stamp:
    """The extension's content (§6.3): ``clean_point`` is a keyframe, ``ends`` is the last of a
    contiguous section, ``discontinuity`` says that something is missing before it.
    """

    ntp: int
    clean_point: bool
    ends: bool
    discontinuity: bool


def parse_stamp(packet: bytes, start: int, end: int) -> tuple[int, Stamp] | None:
    """RTP timestamp and stamp of the packet ``packet[start:end]``; None where it has none.

    The extension has its own profile number, or stands in front of another one (a JPEG's).
    """
    if end - start < 12 or not packet[start] & 0x10:
        return None
    at = start + 12 + 4 * (packet[start] & 0x0F)
    if at + 16 > end or int.from_bytes(packet[at : at + 2], "big") != EXTENSION:
        return None
    if int.from_bytes(packet[at + 2 : at + 4], "big") < 3:
        return None
    flags = packet[at + 12]
    return (
        int.from_bytes(packet[start + 4 : start + 8], "big"),
        Stamp(
            int.from_bytes(packet[at + 4 : at + 12], "big"),
            flags & 0x80 != 0,
            flags & 0x40 != 0,
            flags & 0x20 != 0,
        ),
    )


def ntp_near(ntp: int, near_us: int) -> int:
    """A 64-bit NTP time as UTC microseconds, in that era (of 136 years) nearest to ``near_us``."""
    seconds, fraction = ntp >> 32, ntp & 0xFFFF_FFFF
    at_us = (seconds - _NTP_UNIX_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
    return at_us + round((near_us - at_us) / _ERA_US) * _ERA_US


def clock_range(start_us: int, end_us: int) -> str:
    """A Range header (RFC 2326 §3.7)."""

    def stamp(at_us: int) -> str:
        moment = _EPOCH + timedelta(microseconds=at_us)
        return moment.strftime("%Y%m%dT%H%M%S.") + f"{moment.microsecond // 1000:03d}Z"

    return f"clock={stamp(start_us)}-{stamp(end_us)}"


class RecordingClock(TrackClock):
    """Puts a track's timestamps where their packets say that they were recorded."""

    def __init__(
        self,
        clock_rate: int,
        start_us: int,
        device_offset_us: int,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(clock_rate)
        self._begin_us = start_us
        self._device_offset_us = device_offset_us
        self._on_gap = on_gap
        self._stamps: dict[int, int] = {}
        self._known: tuple[int, int] | None = None

    def note(self, rtp_timestamp: int, stamp: Stamp) -> None:
        """A packet of this timestamp carries this stamp."""
        if rtp_timestamp not in self._stamps:
            if len(self._stamps) >= _STAMPS_LIMIT:
                self._stamps.clear()
            device_us = ntp_near(stamp.ntp, self._begin_us + self._device_offset_us)
            self._stamps[rtp_timestamp] = device_us - self._device_offset_us

    def line_us(self, timestamp: int, arrival_us: int) -> int:
        """The instant; between stamps the RTP clock tells how far it is from the last.

        What comes behind a gap begins a new run: what is missing must not look filled.
        """
        known_timestamp, known_us = self._known or (timestamp, self._begin_us)
        at_us = self._stamps.pop(timestamp & 0xFFFF_FFFF, None)
        if at_us is None:
            at_us = known_us + (timestamp - known_timestamp) * 1_000_000 // self.clock_rate
        elif self._known is not None and at_us - known_us > _SECTION_GAP_US:
            self._on_gap()
        self._known = (timestamp, at_us)
        return at_us

    def restart(self) -> None:
        """The sender began anew: only its next stamp tells where."""
        self._known = None

    def note_report(self, timestamp: int, our_us: int) -> None:
        """Sender reports are about now, and not about then."""


class _Section:
    """A Sink's face of the Stream: what is played goes through it, cut at the end, divided at gaps.

    It looks like a Stream to the ingest, and hands on to the real one.
    """

    def __init__(self, stream: Stream, end_us: int, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._end_us = end_us
        self._on_end = on_end
        self.reached_us = 0
        self.units = 0
        self.over = False

    def start_run(self, tracks: tuple[Track, ...]) -> None:
        if not self.over:
            self._stream.start_run(tracks)

    def publish(self, unit: AccessUnit) -> None:
        if self.over:
            return
        if unit.wall_us >= self._end_us:
            self.over = True
            self._on_end()
            return
        self.reached_us = max(self.reached_us, unit.wall_us)
        self.units += 1
        self._stream.publish(unit)

    def interrupt(self, interruption: Interruption) -> None:
        if not self.over:
            self._stream.interrupt(interruption)


class ReplaySession(CameraSession):
    """One session with a replay server. TCP alone: nothing of a recording may be lost."""

    def __init__(
        self,
        client: RtspClient,
        stream: Stream,
        clock: SteadyClock,
        *,
        start_us: int,
        end_us: int,
        offset_us: int,
        speed_limit: float,
    ) -> None:
        self.section = _Section(stream, end_us, self._on_end)
        # The ingest calls three methods of its Stream; the section has these.
        super().__init__(client, self.section, clock, CameraClock(), lambda: None)  # type: ignore[arg-type]
        self._start_us = start_us
        self._end_us = end_us
        self._offset_us = offset_us
        self._packets_at_tick = -1
        self._speed_limit = speed_limit
        self._clocks: list[RecordingClock] = []
        self._fresh_from: tuple[float, int] | None = None
        self._resume: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`: reads, then pauses while it is ahead of the bound."""
        super().data_received(data)
        if not self.ended.done() and self.playing:
            self._keep_pace()

    def end(self, outcome: Outcome) -> None:
        """End the session now."""
        if self._resume is not None:
            self._resume.cancel()
        super().end(outcome)

    def _tick(self) -> None:
        """Once a second. Most devices say nothing at the end: they just have no more to send."""
        super()._tick()
        if self.ended.done() or self.ingest is None:
            return
        packets = self.ingest.receivers[0].counters.packets
        near_end = self.section.reached_us >= self._end_us - _END_TOLERANCE_US
        if near_end and packets == self._packets_at_tick and self._resume is None:
            self.end(Outcome("whole", "the stretch is over"))
        self._packets_at_tick = packets

    def _gather_reads(self) -> None:
        """Rounds of reads are for cameras that are live; this one is read as it comes."""

    def _make_ingest(self, transports: list[TrackTransport]) -> Ingest:
        plans = self.client.plans
        self._clocks = [
            RecordingClock(
                plan.format.clock_rate or 90_000,
                self._start_us,
                self._offset_us,
                self._end_run if plan.kind == "video" else lambda: None,
            )
            for plan in plans
        ]
        return Ingest(
            self.section,  # type: ignore[arg-type]
            plans,
            self._camera_clock,
            reordering=False,
            channels=[one.rtp_channel for one in transports],
            clocks=self._clocks,
        )

    def _packet_taker(self, ingest: Ingest, index: int) -> PacketTaker:
        receiver, clock = ingest.receivers[index], self._clocks[index]
        prefix = 0x24, self._transports[index].rtp_channel

        def take(data: bytes, position: int, end: int, arrival_us: int) -> int:
            while end - position >= 4 and (data[position], data[position + 1]) == prefix:
                following = position + 4 + (data[position + 2] << 8 | data[position + 3])
                if following > end:
                    break
                told = parse_stamp(data, position + 4, following)
                if told is not None:
                    clock.note(*told)
                receiver.receive_packet(data, position + 4, following, arrival_us)
                position = following
            return position

        return take

    def _end_run(self) -> None:
        if self.ingest is not None:
            self.ingest.end_run()

    def _on_end(self) -> None:
        self._loop.call_soon(self.end, Outcome("whole", "the stretch is over"))

    def _keep_pace(self) -> None:
        reached_us = self.section.reached_us
        if not reached_us or self._transport is None:
            return
        now = self._loop.time()
        if self._fresh_from is None:
            self._fresh_from = (now, reached_us)
        began, from_us = self._fresh_from
        ahead_s = (reached_us - from_us) / 1_000_000 / self._speed_limit - (now - began)
        if ahead_s < 0 or reached_us < from_us:
            # Behind: what was not used is not saved up.
            self._fresh_from = (now, reached_us)
        elif ahead_s > 0.05 and self._resume is None:
            self._transport.pause_reading()
            self._resume = self._loop.call_later(min(ahead_s, 2.0), self._resume_reading)

    def _resume_reading(self) -> None:
        self._resume = None
        if not self.ended.done() and self._transport is not None:
            self._transport.resume_reading()


async def play_recording(
    reference: ReplayReference,
    stream: Stream,
    *,
    start_us: int,
    end_us: int,
    username: str = "",
    password: str = "",
    speed_limit: float = SPEED_LIMIT,
    clock: SteadyClock | None = None,
) -> Outcome:
    """Play [``start_us``, ``end_us``) into ``stream``; code ``whole`` when it came to its end.

    Units carry the wall clock of the recording, by our clock; a new run begins where footage is
    missing. It may begin up to a GOP earlier than asked. Other codes are as for cameras, and
    ``broken`` where the device stopped before the end. Raises nothing but cancellation, which ends
    the session with the device. The caller interrupts the Stream.
    """
    try:
        url = parse_camera_url(reference.url)
    except ValueError as error:
        return Outcome("bad_address", str(error))
    offset_us = reference.clock_offset_us
    credentials: Credentials | None = credentials_for(url, username, password)
    required = ("Require", "onvif-replay")
    client = RtspClient(
        url.request_url,
        credentials,
        setup_headers=(required,),
        play_headers=(
            required,
            ("Range", clock_range(start_us + offset_us, end_us + offset_us)),
            ("Rate-Control", "no"),
        ),
    )
    session = await connect(
        url,
        lambda: ReplaySession(
            client,
            stream,
            clock or SteadyClock(),
            start_us=start_us,
            end_us=end_us,
            offset_us=offset_us,
            speed_limit=speed_limit,
        ),
    )
    if isinstance(session, Outcome):
        return session
    try:
        outcome = await session.ended
    finally:
        with contextlib.suppress(Exception):
            session.end(Outcome("stopped", "stopped"))
    reached_us = session.section.reached_us
    if outcome.code in ("ended", "lost", "silent") and session.section.units:
        if reached_us >= end_us - _END_TOLERANCE_US:
            return Outcome("whole", "the stretch is over")
        return Outcome("broken", f"the device stopped before the end: {outcome.line}")
    return outcome
