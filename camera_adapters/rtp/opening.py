"""A connection's first instant: which moment do its first pictures show?

Many cameras and recorders send what they have of the GOP at once when a client connects: pictures
that are seconds old, in a burst. Placed by arrival, the first would be *now* and the others in the
future. So the first groups wait until the answer is known: a sender report for every track tells
it at once; else the burst's end does, which is when packets stop coming faster than their
timestamps advance. For a camera that begins with the newest picture that is one picture later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from camera_adapters.rtp.clocks import TrackClock

# How long nothing may come faster than real time, for the burst to be over: with the next picture
# as a witness, and without.
_PAUSE_US = 15_000
_QUIET_US = 60_000
# Jitter that is no hurry.
_HURRY_US = 10_000
# A camera that hurries for longer than this is slewed to, like one whose clock is wrong.
_WAIT_LIMIT_US = 1_000_000
_OCTETS_LIMIT = 16 * 1024 * 1024


class Arrived(Protocol):
    """What has a timestamp and came at a moment: an RTP group, a frame of a container."""

    @property
    def timestamp(self) -> int:
        """Unwrapped, in its clock's ticks."""

    @property
    def arrival_us(self) -> int:
        """Our UTC time."""

    @property
    def bodies(self) -> list[bytes]:
        """Its payload, in pieces."""


_ArrivedT = TypeVar("_ArrivedT", bound=Arrived)


class Opening:
    """Holds groups back, in order, until the tracks' clocks know where to begin.

    Make one group taker per track with :meth:`taker`. ``on_settled`` is called once, right before
    what was held goes to the tracks' own takers; from then on groups should go there directly.
    """

    __slots__ = (
        "_clocks",
        "_first_us",
        "_held",
        "_hurried_us",
        "_leasts",
        "_octets",
        "_on_settled",
        "_reported",
        "settled",
    )

    def __init__(self, clocks: list[TrackClock], on_settled: Callable[[], None]) -> None:
        self.settled = False
        self._clocks = clocks
        self._on_settled = on_settled
        self._held: list[tuple[Callable[[Any], None], Arrived]] = []
        self._leasts: list[int | None] = [None] * len(clocks)
        self._reported = [False] * len(clocks)
        self._octets = 0
        self._first_us = 0
        self._hurried_us = 0

    def taker(self, index: int, take: Callable[[_ArrivedT], None]) -> Callable[[_ArrivedT], None]:
        """What the receiver of track ``index`` delivers to, while this is open."""

        def hold(group: _ArrivedT) -> None:
            if self.settled:
                take(group)
            else:
                self._hold(index, take, group)

        return hold

    def note_report(self, index: int) -> None:
        """The clock of this track was told a sender report."""
        self._reported[index] = True

    def expire(self, now_us: int) -> None:
        """Settle if nothing hurried for a while; call it every 50 ms or so."""
        if self._held and not self.settled and now_us - self._hurried_us >= _QUIET_US:
            self._settle()

    def close(self) -> None:
        """Nothing more comes: what is held goes out as it is."""
        if not self.settled:
            self._settle()

    def _hold(self, index: int, take: Callable[[Any], None], group: Arrived) -> None:
        arrival_us = group.arrival_us
        if not self._held:
            self._first_us = self._hurried_us = arrival_us
        self._held.append((take, group))
        self._octets += sum(map(len, group.bodies))
        delay_us = self._clocks[index].foresee(group.timestamp, arrival_us)
        least_us = self._leasts[index]
        witness = least_us is not None and arrival_us - self._hurried_us >= _PAUSE_US
        if least_us is None or delay_us < least_us:
            self._leasts[index] = delay_us
        if least_us is not None and delay_us < least_us - _HURRY_US:
            self._hurried_us = arrival_us
        elif witness or all(self._reported):
            self._settle()
            return
        if arrival_us - self._first_us >= _WAIT_LIMIT_US or self._octets > _OCTETS_LIMIT:
            self._settle()

    def _settle(self) -> None:
        self.settled = True
        held, self._held = self._held, []
        self._on_settled()
        for take, group in held:
            take(group)
