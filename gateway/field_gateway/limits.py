"""How much one address may ask for within a minute. Bounded, whoever comes. Pure but for time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_ADDRESSES_LIMIT = 20_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class PerAddress:
    """``per_minute`` at once, and as many again each minute."""

    def __init__(self, per_minute: int, clock_s: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock_s = clock_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, address: str) -> int:
        """Count one; 0, or after how many seconds the next may be."""
        now_s = self._clock_s()
        bucket = self._buckets.get(address)
        if bucket is None:
            # Who came longest ago is forgotten first: they have all of it again anyway.
            if len(self._buckets) >= _ADDRESSES_LIMIT:
                self._buckets.popitem(last=False)
            bucket = self._buckets[address] = _Bucket(float(self._per_minute), now_s)
        self._buckets.move_to_end(address)
        gained = (now_s - bucket.at_s) * self._per_minute / 60
        bucket.left = min(float(self._per_minute), bucket.left + gained)
        bucket.at_s = now_s
        if bucket.left < 1:
            return max(1, round((1 - bucket.left) * 60 / self._per_minute + 0.5))
        bucket.left -= 1
        return 0
