"""A Sink that keeps what it is told, and can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from camera_adapters.stream import AccessUnit, Interruption, Stream, Track, Variant


@dataclass(eq=False)
class RecordedStream:
    """A Stream with a sink on it. ``runs`` are the tracks of each run."""

    stream: Stream = field(default_factory=lambda: Stream("cam", Variant.MAIN))
    runs: list[tuple[Track, ...]] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.stream.attach(self)

    @property
    def pictures(self) -> list[AccessUnit]:
        """The video units."""
        return [unit for unit in self.units if unit.track_index == 0]

    @property
    def sound(self) -> list[AccessUnit]:
        """The audio units."""
        return [unit for unit in self.units if unit.track_index == 1]

    async def until(self, true: Callable[[], bool], limit_s: float = 30.0) -> None:
        """Wait until ``true()``, asked at each event. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)
        self._changed.set()

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)
        self._changed.set()

    def on_closed(self) -> None:
        self._changed.set()
