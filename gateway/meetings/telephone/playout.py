"""Sound that comes in packets, played evenly: late and lost ones are silence. Sans-IO.

Between two clocks that differ it stays near: what has grown too long is skipped, what has run dry
starts anew behind a small reserve. Memory is bounded by ``limit``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_RESTART_TICKS_S = 2


class Playout:
    """``rate`` in samples a second; ``reserve_ms`` is what is held back against jitter, at most
    ``limit_ms`` is kept.
    """

    __slots__ = ("_end", "_frames", "_limit", "_next", "_playing", "_rate", "_reserve", "lost")

    def __init__(self, rate: int, *, reserve_ms: int = 60, limit_ms: int = 300) -> None:
        self.lost = 0
        self._rate = rate
        self._reserve = rate * reserve_ms // 1000
        self._limit = rate * limit_ms // 1000
        self._frames: dict[int, Samples] = {}
        # On an unwrapped line: where playing is, and where what is known ends.
        self._next = 0
        self._end: int | None = None
        self._playing = False

    def put(self, timestamp: int, samples: Samples) -> None:
        """A packet's samples; ``timestamp`` (32 bits) counts them. Late ones are dropped."""
        if not 0 < len(samples) <= self._limit:
            return
        if self._end is None:
            self._next = self._end = timestamp
        at = self._end + _signed_32(timestamp - self._end)
        if abs(at - self._end) > _RESTART_TICKS_S * self._rate:
            self.reset()
            self._next = self._end = at = timestamp
        if at + len(samples) <= self._next:
            self.lost += 1
            return
        if len(self) + len(samples) > 2 * self._limit:
            # Packets that lie over one another: whoever sends such could fill the memory.
            self.lost += 1
            return
        self._frames[at] = samples
        self._end = max(self._end, at + len(samples))
        if self._end - self._next > self._limit:
            self._skip_to(self._end - self._reserve)

    def take(self, count: int) -> Samples | None:
        """The next ``count`` samples; None while there is nothing to be heard."""
        if self._end is None:
            return None
        if not self._playing:
            if self._end - self._next < self._reserve:
                return None
            self._playing = True
        made: Samples | None = None
        until = self._next + count
        for at in sorted(self._frames):
            if at >= until:
                break
            samples = self._frames.pop(at)
            start, stop = max(at, self._next), min(at + len(samples), until)
            if stop > start:
                if made is None:
                    made = np.zeros(count, np.int16)
                made[start - self._next : stop - self._next] = samples[start - at : stop - at]
            if at + len(samples) > until:
                self._frames[until] = samples[until - at :]
        self._next = until
        if not self._frames:
            self._playing = False
            self._next = max(self._next, self._end)
            self._end = self._next
        return made

    def reset(self) -> None:
        """What comes next has no relation to what came."""
        self._frames.clear()
        self._end = None
        self._playing = False

    def __len__(self) -> int:
        """How many samples are kept."""
        return sum(map(len, self._frames.values()))

    def _skip_to(self, at: int) -> None:
        for begin in [one for one in self._frames if one + len(self._frames[one]) <= at]:
            del self._frames[begin]
        self._next = at


def _signed_32(difference: int) -> int:
    return (difference + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
