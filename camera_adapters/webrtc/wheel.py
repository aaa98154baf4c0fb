"""The one pacing wheel of a shard: who sends next, and for how long before the loop turns.

Everybody with something to send stands in one queue. A turn serves the queue's head until its time
is up, then lets the event loop go on and comes back; whoever has sent a full burst waits for the
next tick. Many wakes in one turn of the loop (a read of the port may end pictures of many senders)
share that time. So neither a keyframe for hundreds nor a late joiner's whole GOP holds the loop,
and no receiver is drowned. There is no task and no timer for any single peer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

TURN_S = 0.002
"""How long one turn may hold the loop."""

TICK_S = 0.004
"""How long a peer rests after a full burst."""

BURST_BYTES = 60_000
"""What one peer may send in a tick: one full run. With TICK_S it makes 120 Mbit/s."""


class Paced(Protocol):
    """Somebody with something to send. ``queued`` belongs to the wheel."""

    queued: bool

    def pump(self, now_s: float) -> bool:
        """Send one burst; returns whether more is waiting. Must not raise."""


class Wheel:
    """See the module. ``now_s`` given to ``pump`` is the event loop's clock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Paced] = deque()
        self._resting: list[Paced] = []
        self._turn_due = False
        self._tick_due = False
        self._held_s = 0.0
        self._renewing = False

    def wake(self, paced: Iterable[Paced]) -> None:
        """These have something to send: at once when nobody is before them, else in their turn."""
        ready = self._ready
        for one in paced:
            if not one.queued:
                one.queued = True
                ready.append(one)
        if not self._turn_due:
            if not self._renewing or self._held_s < TURN_S:
                self._turn()
            else:
                self._turn_due = True
                self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_due = False
        ready = self._ready
        clock = time.perf_counter
        now_s = self._loop.time()
        start = clock()
        end = start + TURN_S
        while ready:
            one = ready.popleft()
            one.queued = False
            if one.pump(now_s):
                one.queued = True
                self._resting.append(one)
            if clock() >= end:
                break
        self._held_s += clock() - start
        if not self._renewing:
            self._renewing = True
            self._loop.call_soon(self._renew)
        if ready:
            self._turn_due = True
            self._loop.call_soon(self._turn)
        if self._resting and not self._tick_due:
            self._tick_due = True
            self._loop.call_later(TICK_S, self._tick)

    def _renew(self) -> None:
        """The loop has turned."""
        self._renewing = False
        self._held_s = 0.0

    def _tick(self) -> None:
        self._tick_due = False
        self._ready.extend(self._resting)
        self._resting.clear()
        if not self._turn_due:
            self._turn()
