"""A device made for tests: what it holds, and pictures of it at any time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from camera_adapters.stream import GapCause, Interruption
from gateway.platforms.operations import DeviceRecording
from gateway.sources.recordings import RecordingEnding, RecordingRequest
from gateway.sources.registry import SourceContext
from tests.recorder.made import START_US, VIDEO, picture

SECOND = 1_000_000


@dataclass
class Device:
    """``holds`` are seconds from START_US; ``breaks_at_s`` is where it loses a session."""

    holds: list[tuple[int, int]]
    breaks_at_s: int | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)
    played: list[tuple[int, int]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def recordings(self, camera_id: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        """As ``device.recordings``."""
        self.asked.append(_seconds(start_us, end_us))
        return [
            DeviceRecording(max(first, start_us), min(last, end_us))
            for first, last in (
                (START_US + a * SECOND, START_US + b * SECOND) for a, b in self.holds
            )
            if first < end_us and last > start_us
        ]

    async def play(self, request: RecordingRequest, _: SourceContext) -> RecordingEnding:
        """A Player: one keyframe each second, from the one before the asked instant on."""
        first_s = (request.start_us - START_US) // SECOND
        last_s = -(-(request.end_us - START_US) // SECOND)
        self.played.append((first_s, last_s))
        request.stream.start_run((VIDEO,))
        for number in range(first_s * 10, last_s * 10):
            if self.breaks_at_s is not None and number >= self.breaks_at_s * 10:
                request.stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "it is gone"))
                return RecordingEnding("broken", "lost", "the device closed the connection")
            if number % 10 == 0:
                await self.gate.wait()
            unit = picture(number)
            elapsed_90k = unit.pts_90k - first_s * 90_000
            request.stream.publish(replace(unit, pts_90k=elapsed_90k, dts_90k=elapsed_90k))
        return RecordingEnding("whole")


def _seconds(start_us: int, end_us: int) -> tuple[int, int]:
    return (start_us - START_US) // SECOND, (end_us - START_US) // SECOND
