"""How often somebody may do something."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable

_S_NS = 1_000_000_000
_MINUTE_NS = 60 * _S_NS


class PerMinute:
    """``limit`` times within any minute, for each person. What is remembered is of the last minute
    alone.
    """

    def __init__(self, limit: int, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.limit = limit
        self._clock = clock
        self._times: dict[Hashable, deque[int]] = {}

    def take(self, who: Hashable) -> int:
        """Count one more; 0. Where it is one too many, it is not counted, and this is after how
        many seconds the next one may be.
        """
        now_ns = self._clock()
        for other, times in list(self._times.items()):
            while times and now_ns - times[0] >= _MINUTE_NS:
                times.popleft()
            if not times:
                del self._times[other]
        times = self._times.setdefault(who, deque())
        if len(times) >= self.limit:
            return -((now_ns - times[0] - _MINUTE_NS) // _S_NS)
        times.append(now_ns)
        return 0

    def give_back(self, who: Hashable) -> None:
        """Count the newest one no more, which turned out to be none. Nothing where none is left."""
        times = self._times.get(who)
        if times:
            times.pop()
