"""How much of what arrives is read at all: a flood from one place must not starve the others.

A source that proved who it is (it registered) has a budget of its own, wide enough for a catalogue
of ten thousand messages. Strangers have a small one each, and one more together with all strangers
of the same host, so that taking new ports gains nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from camera_adapters.sip.peer import Peer

_FLOODING_LIMIT = 100

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Budget:
    """So many messages at once, and so many a second after that."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """See the module. ``sources`` is how many places are remembered at most, of each sort."""

    stranger: Budget = Budget(100, 10)
    host: Budget = Budget(20_000, 2_000)
    known: Budget = Budget(20_000, 2_000)
    sources: int = 20_000


class Admission:
    """Counts messages by source. ``refused`` is how many were turned away."""

    __slots__ = ("_flooding", "_hosts", "_known", "_limits", "_strangers", "refused")

    def __init__(self, limits: AdmissionLimits | None = None) -> None:
        self._limits = limits or AdmissionLimits()
        self._strangers: _Buckets[Peer] = _Buckets(self._limits.stranger, self._limits.sources)
        self._hosts: _Buckets[str] = _Buckets(self._limits.host, self._limits.sources)
        self._known: dict[Peer, list[float]] = {}
        self._flooding: set[Peer] = set()
        self.refused = 0

    def know(self, peer: Peer) -> None:
        """This source proved who it is."""
        if peer not in self._known:
            self._known[peer] = [self._limits.known.burst, 0.0]

    def forget(self, peer: Peer) -> None:
        """This source is a stranger again."""
        self._known.pop(peer, None)

    def knows(self, peer: Peer) -> bool:
        """Whether the source proved who it is."""
        return peer in self._known

    def admit(self, peer: Peer, now: float) -> bool:
        """Whether one more message of this source is read."""
        bucket = self._known.get(peer)
        if bucket is not None:
            admitted = _take(bucket, self._limits.known, now)
        else:
            admitted = self._strangers.take(peer, now) and self._hosts.take(peer.host, now)
        if not admitted:
            self.refused += 1
            if len(self._flooding) < _FLOODING_LIMIT:
                self._flooding.add(peer)
        return admitted

    def flooding(self) -> set[Peer]:
        """Who was turned away since the last call: some of them, when there are very many."""
        found, self._flooding = self._flooding, set()
        return found


class _Buckets(Generic[_Key]):
    """A budget for each key; the keys not seen for longest are forgotten."""

    __slots__ = ("_buckets", "_budget", "_limit")

    def __init__(self, budget: Budget, limit: int) -> None:
        self._budget = budget
        self._limit = limit
        self._buckets: OrderedDict[_Key, list[float]] = OrderedDict()

    def take(self, key: _Key, now: float) -> bool:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = [self._budget.burst, now]
            if len(self._buckets) > self._limit:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return _take(bucket, self._budget, now)


def _take(bucket: list[float], budget: Budget, now: float) -> bool:
    left = min(budget.burst, bucket[0] + max(0.0, now - bucket[1]) * budget.per_second)
    bucket[1] = now
    admitted = left >= 1.0
    bucket[0] = left - 1.0 if admitted else left
    return admitted
