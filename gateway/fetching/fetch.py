"""One stretch of a device's own footage, on its way into the recorder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from camera_adapters.stream import GapCause, Interruption, Stream, Variant
from gateway.control.channel import ControlClient, ControlError
from gateway.platforms.operations import DeviceRecording
from gateway.sources.recordings import RecordingEnding, RecordingRequest, play_recording
from gateway.sources.registry import SourceContext
from recorder.intervals import merge
from recorder.recorder import Recorder
from recorder.segment_writer import SegmentWriter
from recorder.spool_header import RecordedSource

_log = structlog.get_logger(__name__)

# A device that delivers nothing for so long has lost the session, whatever it says.
STALL_S = 30.0
_LOOK_S = 1.0

Kind = Literal["backfill", "borrowed"]
AskRecordings = Callable[[str, int, int], Awaitable[list[DeviceRecording]]]


@dataclass(frozen=True, slots=True)
class FetchedCamera:
    """Whose device is asked, and as whom. ``epochs`` are those of its sources' assignments."""

    camera_id: str
    platform_id: str
    platform_kind: str
    channel: str
    username: str | None
    password: str | None = field(repr=False)
    epochs: dict[str, int] = field(default_factory=dict)

    def source(self, kind: Kind) -> RecordedSource:
        """Where what is fetched is filed. It gives way first when the spool is full."""
        source_id = f"{self.camera_id}/{kind}"
        epoch = self.epochs.get(source_id, 0)
        return RecordedSource(source_id, kind, self.camera_id, "main", epoch, priority=-1)


class NothingThere(Exception):
    """The device answers, and has nothing of this range."""


class FetchFailed(Exception):
    """The device does not give it now. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Fetch:
    """Fetches [``start_us``, ``end_us``) once."""

    camera: FetchedCamera
    kind: Kind
    start_us: int
    end_us: int
    recorder: Recorder
    context: SourceContext
    ask_recordings: AskRecordings
    fetched_us: int = 0
    fetched_until_us: int = 0
    _writer: SegmentWriter | None = None

    async def run(self) -> None:
        """Returns when all that the device has of the range is with the recorder.

        Raises NothingThere, FetchFailed; ConnectionError and TimeoutError when the gateway's own
        parts are away.
        """
        there = await self.ask_recordings(self.camera.camera_id, self.start_us, self.end_us)
        if not there:
            raise NothingThere
        for recording in sorted(there, key=lambda one: one.start_us):
            await self._fetch(recording)

    def until_us(self) -> int:
        """Until when it is with the recorder already."""
        writer = self._writer
        reached_us = (writer.counters.last_end_us or 0) if writer is not None else 0
        return max(self.fetched_until_us, reached_us)

    async def _fetch(self, recording: DeviceRecording) -> None:
        start_us = max(recording.start_us, self.start_us)
        end_us = min(recording.end_us, self.end_us)
        if end_us <= start_us:
            return
        stream = Stream(self.camera.camera_id, Variant.MAIN)
        writer = self._writer = await self.recorder.copy(self.camera.source(self.kind))
        stream.attach(writer)
        try:
            ending = await self._play(
                RecordingRequest(
                    camera_id=self.camera.camera_id,
                    platform_id=self.camera.platform_id,
                    platform_kind=self.camera.platform_kind,
                    channel=self.camera.channel,
                    recording=recording,
                    start_us=start_us,
                    end_us=end_us,
                    stream=stream,
                    username=self.camera.username,
                    password=self.camera.password,
                ),
                writer,
            )
        finally:
            stream.interrupt(Interruption(GapCause.NOT_SCHEDULED, "the stretch is over"))
            stream.detach(writer)
            self.recorder.end_copy(writer)
            until_us = min(writer.counters.last_end_us or 0, end_us)
            self.fetched_us += max(0, until_us - start_us)
            self.fetched_until_us = max(self.fetched_until_us, until_us)
            self._writer = None
        if writer.counters.dropped_fragments:
            raise FetchFailed("space", "the gateway's own disk was too full or too slow for it")
        if ending.outcome != "whole":
            raise FetchFailed(ending.fault, ending.detail)

    async def _play(self, request: RecordingRequest, writer: SegmentWriter) -> RecordingEnding:
        playing = asyncio.ensure_future(play_recording(request, self.context))
        seen_bytes, quiet_s = -1, 0.0
        try:
            while not playing.done():
                await asyncio.wait((playing,), timeout=_LOOK_S)
                reached_us = writer.counters.last_end_us or 0
                if reached_us >= request.end_us:
                    # Some devices play on into what was not asked for.
                    return RecordingEnding("whole")
                if writer.counters.bytes != seen_bytes:
                    seen_bytes, quiet_s = writer.counters.bytes, 0.0
                    continue
                quiet_s += _LOOK_S
                if quiet_s >= STALL_S:
                    return RecordingEnding(
                        "broken", "silent", f"the device sent nothing for {STALL_S:.0f} s"
                    )
            return playing.result()
        finally:
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await playing


def device_recordings(signalling: ControlClient) -> AskRecordings:
    """What devices have, as signalling tells it. Raises FetchFailed with the device's refusal."""

    async def ask(camera_id: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        try:
            found: list[dict[str, Any]] = await signalling.call(
                "device.recordings", camera_id=camera_id, start_us=start_us, end_us=end_us
            )
        except ControlError as error:
            raise FetchFailed(error.code, str(error)) from None
        return [DeviceRecording(**one) for one in found]

    return ask


def covered(recordings: Sequence[DeviceRecording]) -> list[tuple[int, int]]:
    """The time that recordings cover, merged."""
    return merge([(one.start_us, one.end_us) for one in recordings])
