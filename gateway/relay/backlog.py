"""What waits to go to another shard: a Sink that never holds its Stream up. Sans-IO.

Where the other side does not keep up, the oldest pictures are dropped up to a keyframe, so that
what is sent can always be decoded. They are counted here and told to the other side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from camera_adapters.stream import AccessUnit, Interruption, Track
from gateway.transcoder.wire import track_to_wire, units_to_wire

# Twice the longest cached GOP, with which each relay begins.
BYTES_LIMIT = 16 * 1024 * 1024
# Who is further behind than this is brought to the newest keyframe.
BEHIND_LIMIT_S = 2.0
# So that a burst is no single frame of the channel.
BATCH_BYTES = 4 * 1024 * 1024

Event = list[Any]
"""``["run", tracks]``, ``["units", units]``, ``["skipped", count]``, ``["interrupted", cause,
detail]``; tracks and units as in :mod:`gateway.transcoder.wire`."""


class Backlog:
    """``on_waiting`` is called when there is something to take, ``want_keyframe`` when nothing can
    go out before one comes. ``now_s`` is a monotonic clock.
    """

    __slots__ = (
        "_announced",
        "_closed",
        "_has_video",
        "_needs_keyframe",
        "_now_s",
        "_on_waiting",
        "_skipped",
        "_tracks",
        "_units",
        "_want_keyframe",
        "bytes_sent",
        "bytes_waiting",
        "pictures_sent",
        "units_dropped",
        "units_sent",
    )

    def __init__(
        self,
        on_waiting: Callable[[], None],
        want_keyframe: Callable[[], None],
        now_s: Callable[[], float],
    ) -> None:
        self._on_waiting = on_waiting
        self._want_keyframe = want_keyframe
        self._now_s = now_s
        self._tracks: tuple[Track, ...] = ()
        # What is told before the units that wait: of an older run nothing waits any more.
        self._announced: list[Event] = []
        self._units: deque[tuple[float, AccessUnit]] = deque()
        self._has_video = False
        self._needs_keyframe = False
        self._skipped = 0
        self._closed = False
        self.bytes_waiting = 0
        self.bytes_sent = 0
        self.units_sent = 0
        self.pictures_sent = 0
        self.units_dropped = 0

    @property
    def closed(self) -> bool:
        """Whether no more will ever come."""
        return self._closed

    @property
    def waiting(self) -> int:
        """How many units wait."""
        return len(self._units)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See Sink."""
        self._drop_all()
        self._tracks = tracks
        self._has_video = any(track.kind == "video" for track in tracks)
        # Attached between two keyframes to a Stream that has no GOP to give, it waits as well.
        self._needs_keyframe = self._has_video
        self._skipped = 0
        self._announced = [["run", [track_to_wire(track) for track in tracks]]]
        self._on_waiting()

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        if self._needs_keyframe:
            if not self._can_begin(unit):
                self._drop()
                return
            self._needs_keyframe = False
        self._units.append((self._now_s(), unit))
        self.bytes_waiting += len(unit.payload)
        if self._is_behind():
            self._skip()
        self._on_waiting()

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink."""
        self._drop_all()
        # Whether or not the other side has heard of the run before: it is over.
        self._announced.append(["interrupted", str(interruption.cause), interruption.detail])
        self._on_waiting()

    def on_closed(self) -> None:
        """See Sink."""
        self.close()

    def close(self) -> None:
        """Nothing more goes out, not even what waits."""
        self._drop_all()
        self._announced.clear()
        self._closed = True
        self._on_waiting()

    def take(self) -> list[Event]:
        """Everything that waits, oldest first, up to about :data:`BATCH_BYTES`; empty when there is
        nothing.
        """
        events, self._announced = self._announced, []
        if self._skipped:
            events.append(["skipped", self._skipped])
            self._skipped = 0
        taken: list[AccessUnit] = []
        size = 0
        while self._units and size < BATCH_BYTES:
            unit = self._units.popleft()[1]
            size += len(unit.payload)
            taken.append(unit)
        if taken:
            events.append(["units", units_to_wire(taken)])
            self.bytes_waiting -= size
            self.bytes_sent += size
            self.units_sent += len(taken)
            self.pictures_sent += sum(self._is_video(unit) for unit in taken)
        return events

    def _is_video(self, unit: AccessUnit) -> bool:
        return self._tracks[unit.track_index].kind == "video"

    def _can_begin(self, unit: AccessUnit) -> bool:
        """Whether one can go on with this unit when those before it are missing."""
        return not self._has_video or (unit.keyframe and self._is_video(unit))

    def _is_behind(self) -> bool:
        oldest_s = self._units[0][0]
        return self.bytes_waiting > BYTES_LIMIT or self._now_s() - oldest_s > BEHIND_LIMIT_S

    def _skip(self) -> None:
        """Go on with the newest keyframe that waits, or with the next one that comes."""
        waiting = list(self._units)
        newest = next(
            (i for i in reversed(range(len(waiting))) if self._can_begin(waiting[i][1])), None
        )
        for _ in range(newest or 0):
            self.bytes_waiting -= len(self._units.popleft()[1].payload)
            self._drop()
        if newest is not None and (len(self._units) == 1 or not self._is_behind()):
            return
        # That keyframe is too old itself.
        self._drop_all()
        self._needs_keyframe = self._has_video
        if self._has_video:
            self._want_keyframe()

    def _drop(self) -> None:
        self.units_dropped += 1
        self._skipped += 1

    def _drop_all(self) -> None:
        for _ in self._units:
            self._drop()
        self._units.clear()
        self.bytes_waiting = 0
