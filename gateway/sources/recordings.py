"""Playing a device's own recording into a Stream, whatever the device speaks.

A player is a coroutine that runs until the stretch is over; cancelling it ends the session with the
device. Units carry the wall clock of the recording, and a new run begins where that leaps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from camera_adapters.gb28181.dialogs import SessionRefused
from camera_adapters.gb28181.recording import GbRecording, RecordingEnd
from camera_adapters.rtsp import replay
from camera_adapters.rtsp.replay_reference import ReplayReference
from camera_adapters.stream import Stream
from gateway.platforms.operations import DeviceRecording
from gateway.sources.gb28181 import GbAddress, dialogs, platform_transport
from gateway.sources.registry import SourceContext

# How much faster than time devices are asked to send a download.
_DOWNLOAD_SPEED = 4.0
_NO_DOWNLOAD = frozenset({"declined", "unsupported", "channel_not_found", "device_error"})


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """Which stretch to play into ``stream``. ``recording`` is what the device says it has there;
    ``username`` and ``password`` are the camera's.
    """

    camera_id: str
    platform_id: str
    platform_kind: str
    channel: str
    recording: DeviceRecording
    start_us: int
    end_us: int
    stream: Stream
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecordingEnding:
    """How it ended: ``whole`` when the device came to the end. Else ``fault`` is a stable code and
    ``detail`` one English line.
    """

    outcome: Literal["whole", "broken"]
    fault: str = ""
    detail: str = ""


Player = Callable[[RecordingRequest, SourceContext], Awaitable[RecordingEnding]]


async def _onvif(request: RecordingRequest, context: SourceContext) -> RecordingEnding:
    """By RTSP, from the address that the device's recording has."""
    try:
        reference = ReplayReference.from_text(request.recording.reference)
    except ValueError as error:
        return RecordingEnding("broken", "not_found", str(error))
    outcome = await replay.play_recording(
        reference,
        request.stream,
        start_us=request.start_us,
        end_us=request.end_us,
        username=request.username or "",
        password=request.password or "",
    )
    if outcome.code == "whole":
        return RecordingEnding("whole")
    return RecordingEnding("broken", outcome.code, outcome.line)


async def _gb28181(request: RecordingRequest, context: SourceContext) -> RecordingEnding:
    """As a download; as playback from devices that have none."""
    end = await play_gb28181(request, context, "download", speed=_DOWNLOAD_SPEED)
    if end.code in _NO_DOWNLOAD:
        end = await play_gb28181(request, context, "playback")
    if end.outcome == "whole":
        return RecordingEnding("whole")
    return RecordingEnding("broken", end.code, end.line)


async def play_gb28181(
    request: RecordingRequest, context: SourceContext, purpose: str, **more: float
) -> RecordingEnd:
    """One session of GB/T 28181. Raises nothing but cancellation."""
    signalling, media, reader = context.signalling, context.media, context.reader
    if signalling is None or media is None or reader is None:
        return RecordingEnd("broken", "unsupported", "GB/T 28181 has no place here")
    address = GbAddress(request.platform_id, request.channel)
    try:
        transport = await platform_transport(reader, request.platform_id)
    except SessionRefused as error:
        return RecordingEnd("broken", error.code, str(error))
    start_us, end_us = request.start_us, request.end_us
    opened = dialogs(signalling, address, purpose, start_us=start_us, end_us=end_us, **more)
    recording = GbRecording(
        request.stream, opened, transport, media, start_us=start_us, end_us=end_us
    )
    return await recording.run()


PLAYERS: dict[str, Player] = {"onvif": _onvif, "gb28181": _gb28181}


async def play_recording(request: RecordingRequest, context: SourceContext) -> RecordingEnding:
    """Play the stretch. Raises nothing but cancellation."""
    player = PLAYERS.get(request.platform_kind)
    if player is None:
        return RecordingEnding(
            "broken", "unsupported", f"{request.platform_kind} plays no recordings"
        )
    return await player(request, context)
