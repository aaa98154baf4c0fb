"""Which coded pictures are worth decoding: keyframes always, the others while something moves."""

from __future__ import annotations

from collections.abc import Sequence

from camera_adapters.stream import AccessUnit, Track
from search.sampling.size_gate import SizeGate

PENDING_BYTES_LIMIT = 8 * 1024 * 1024
PENDING_UNITS_LIMIT = 2_000


class GopGate:
    """One camera's coded pictures, thinned out so that what is left can still be decoded.

    A picture needs those before it back to the keyframe. So when the gate opens in the middle of a
    group of pictures, all that were kept back since are handed on with the one that opened it.
    They are kept by reference, at most ``PENDING_BYTES_LIMIT`` of them; in a longer group than that
    the next keyframe is waited for, and ``outgrown`` counts it; see :meth:`take_left_out`.
    """

    __slots__ = (
        "_bytes",
        "_hold_until_us",
        "_left_out_count",
        "_left_out_end_us",
        "_left_out_start_us",
        "_lost",
        "_pending",
        "_sizes",
        "_track_index",
        "outgrown",
    )

    def __init__(self) -> None:
        self.outgrown = 0
        self._sizes = SizeGate()
        self._track_index = -1
        self._pending: list[AccessUnit] = []
        self._bytes = 0
        self._lost = True
        self._hold_until_us = 0
        self._left_out_count = 0
        self._left_out_start_us = 0
        self._left_out_end_us = 0

    def start(self, tracks: tuple[Track, ...]) -> None:
        """A run begins: the next picture is a keyframe, and nothing is known about its sizes."""
        self._track_index = next((n for n, one in enumerate(tracks) if one.kind == "video"), -1)
        self._sizes = SizeGate()
        self._forget()
        self._lost = True

    def push(self, unit: AccessUnit) -> Sequence[AccessUnit]:
        """Take the next unit in decoding order; return what is to be decoded now, in order. Sound
        is left out.
        """
        if unit.track_index != self._track_index:
            return ()
        moving = self._sizes.push(len(unit.payload), unit.keyframe, unit.wall_us)
        if unit.keyframe:
            self._forget()
            self._lost = False
            return (unit,)
        due_now = moving or unit.wall_us < self._hold_until_us
        if self._lost:
            if due_now:
                self._leave_out(unit.wall_us)
            return ()
        if due_now:
            if not self._pending:
                return (unit,)
            due, self._pending = [*self._pending, unit], []
            self._bytes = 0
            return due
        self._pending.append(unit)
        self._bytes += len(unit.payload)
        if self._bytes > PENDING_BYTES_LIMIT or len(self._pending) > PENDING_UNITS_LIMIT:
            self._forget()
            self._lost = True
            self.outgrown += 1
        return ()

    def hold_open(self, until_us: int) -> None:
        """Hand everything on until then (in the time of the pictures), whatever the sizes say."""
        self._hold_until_us = max(self._hold_until_us, until_us)

    def take_left_out(self) -> tuple[int, int, int] | None:
        """Since this was asked last: how many pictures were to be handed on and could not be, for
        want of those before them, and from when until when they were.
        """
        if not self._left_out_count:
            return None
        told = self._left_out_count, self._left_out_start_us, self._left_out_end_us
        self._left_out_count = 0
        return told

    def settle(self) -> None:
        """The pictures were looked at, and nothing moves in them: close."""
        self._sizes.settle()

    def _leave_out(self, at_us: int) -> None:
        # A sender without keyframes leaves out for as long as it sends: numbers, and no list.
        if not self._left_out_count:
            self._left_out_start_us, self._left_out_end_us = at_us, at_us + 1
        self._left_out_start_us = min(self._left_out_start_us, at_us)
        self._left_out_end_us = max(self._left_out_end_us, at_us + 1)
        self._left_out_count += 1

    def _forget(self) -> None:
        self._pending = []
        self._bytes = 0
