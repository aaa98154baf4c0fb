"""What one sender may take of the listener: requests a second, and memory that all share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_SENDERS_LIMIT = 20_000


class Rates:
    """A bucket for each sender: ``per_s`` requests, and as many at once as come in ``burst_s``."""

    def __init__(self, per_s: float, burst_s: float = 4.0) -> None:
        self._per_s = per_s
        self._full = max(per_s * burst_s, 1.0)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, sender: str, now_s: float) -> bool:
        """Whether one more may come now; counts it if so. ``now_s`` is of a steady clock."""
        left, at_s = self._buckets.pop(sender, (self._full, now_s))
        left = min(self._full, left + (now_s - at_s) * self._per_s)
        allowed = left >= 1.0
        self._buckets[sender] = (left - 1.0 if allowed else left, now_s)
        while len(self._buckets) > _SENDERS_LIMIT:
            self._buckets.popitem(last=False)
        return allowed


class MemoryBudget:
    """Bodies that are read at the same time have so many bytes together; others wait."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Have so many, at most all there are, for the length of the block."""
        size_bytes = min(size_bytes, self._limit)
        async with self._changed:
            await self._changed.wait_for(lambda: self._used + size_bytes <= self._limit)
            self._used += size_bytes
        try:
            yield
        finally:
            async with self._changed:
                self._used -= size_bytes
                self._changed.notify_all()
