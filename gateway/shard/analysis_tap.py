"""One Stream's coded pictures on their way to who detects objects in them, in a bounded queue.

Nobody waits for a slow reader: what it has not taken is dropped, and of which time is told. Sans-IO
but for the event that wakes who takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from camera_adapters.stream import AccessUnit, Interruption, Track, Variant
from gateway.transcoder.wire import track_to_wire, units_to_wire
from search.sampling.gop_gate import GopGate

_WAITING_BYTES_LIMIT = 8 * 1024 * 1024
_WAITING_UNITS_LIMIT = 2_000
_SAID_LIMIT = 16
_WALL_US = 5


class AnalysisTap:
    """A Sink: one Stream through one gate, to be taken in messages. ``skipped``: what is to be said
    first of the Stream before it.

    Every picture that the gate hands on is sent, or is in a message ``skipped``, which stands where
    the picture would have stood.
    """

    def __init__(self, variant: Variant, skipped: dict[str, Any] | None) -> None:
        self.gate = GopGate()
        self._variant = variant
        self._messages: deque[dict[str, Any]] = deque([] if skipped is None else [skipped])
        self._units: list[AccessUnit] = []
        self._bytes = 0
        # Up to the next keyframe no picture is of use.
        self._skipping = False
        # What is dropped and not said yet.
        self._dropped: dict[str, Any] | None = None
        self._closed = False
        self._wake = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self._tell_dropped()
        self._skipping = False
        self.gate.start(tracks)
        wire = [track_to_wire(track) for track in tracks]
        self._put({"type": "run", "variant": str(self._variant), "tracks": wire})

    def on_access_unit(self, unit: AccessUnit) -> None:
        self._take(self.gate.push(unit))

    def on_interrupted(self, interruption: Interruption) -> None:
        self._tell_dropped()
        cause = str(interruption.cause)
        self._put({"type": "interrupted", "cause": cause, "detail": interruption.detail})

    def on_closed(self) -> None:
        self._tell_dropped()
        self._closed = True
        self._wake.set()

    def give_up(self) -> dict[str, Any] | None:
        """Nothing is taken any more: gives what waited, as one message ``skipped``."""
        self._drop_waiting()
        self._tell_dropped()
        given_up = None
        for message in self._messages:
            if message["type"] == "skipped":
                given_up = _together(given_up, message)
        self._messages.clear()
        return given_up

    async def take(self) -> dict[str, Any] | None:
        """The next message, waiting units as one; None at the end. May be cancelled."""
        while True:
            if self._messages:
                message = self._messages.popleft()
                self._bytes -= _size(message)
                return message
            if self._units:
                self._bytes = 0
                return self._waiting_units()
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()

    def _take(self, units: Sequence[AccessUnit]) -> None:
        for unit in units:
            if unit.keyframe:
                self._tell_dropped(unit.wall_us)
                self._skipping = False
            elif self._skipping:
                self._drop(_skipped(1, unit.wall_us, unit.wall_us + 1))
                continue
            self._units.append(unit)
            self._bytes += len(unit.payload)
            if self._bytes > _WAITING_BYTES_LIMIT or len(self._units) > _WAITING_UNITS_LIMIT:
                self._drop_waiting()
        if self._units:
            self._wake.set()

    def _waiting_units(self) -> dict[str, Any]:
        units, self._units = self._units, []
        return {"type": "units", "units": units_to_wire(units)}

    def _drop_waiting(self) -> None:
        """Pictures go; what was said of runs and interruptions stays, and that they went."""
        said: deque[dict[str, Any]] = deque()
        for message in self._messages:
            if message["type"] == "units":
                times = [unit[_WALL_US] for unit in message["units"]]
                message = _skipped(len(times), min(times), max(times) + 1)
            if message["type"] == "skipped" and said and said[-1]["type"] == "skipped":
                message = _together(said.pop(), message)
            said.append(message)
        if self._units:
            times = [unit.wall_us for unit in self._units]
            self._drop(_skipped(len(times), min(times), max(times) + 1))
            self._skipping = True
        while len(said) > _SAID_LIMIT:
            forgotten = said.popleft()
            if forgotten["type"] == "skipped":
                self._drop(forgotten)
        self._messages = said
        self._units, self._bytes = [], 0

    def _drop(self, skipped: dict[str, Any]) -> None:
        self._dropped = _together(self._dropped, skipped)

    def _tell_dropped(self, until_us: int = 0) -> None:
        """``until_us``: when what follows was taken."""
        left_out = self.gate.take_left_out()
        if left_out is not None:
            self._drop(_skipped(*left_out))
        dropped, self._dropped = self._dropped, None
        if dropped is not None:
            self._put({**dropped, "end_us": max(dropped["end_us"], until_us)})

    def _put(self, message: dict[str, Any]) -> None:
        if self._units:
            self._messages.append(self._waiting_units())
        self._messages.append(message)
        self._wake.set()


def _skipped(units: int, start_us: int, end_us: int) -> dict[str, Any]:
    return {"type": "skipped", "units": units, "start_us": start_us, "end_us": end_us}


def _together(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    if one is None:
        return other
    return _skipped(
        one["units"] + other["units"],
        min(one["start_us"], other["start_us"]),
        max(one["end_us"], other["end_us"]),
    )


def _size(message: Mapping[str, Any]) -> int:
    return sum(len(unit[1]) for unit in message["units"]) if message["type"] == "units" else 0
