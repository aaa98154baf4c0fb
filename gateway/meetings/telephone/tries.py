"""How often PINs may be tried: too often, and the caller, or the meeting, has to wait. Sans-IO."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

PER_CALL = 3
PER_CALLER = 6
PER_MEETING = 60
PAUSE_S = 900.0
_REMEMBERED = 10_000


class Tries:
    """Wrong tries of the last ``PAUSE_S``. ``limit`` of them pause who tried, until the last is so
    long ago. Told of by :meth:`wrong`; ``now_s`` never goes back.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._wrong: OrderedDict[Hashable, list[float]] = OrderedDict()

    def paused_s(self, who: Hashable, now_s: float) -> float:
        """How long they have to wait; 0.0: they may try."""
        times = [at for at in self._wrong.get(who, ()) if now_s - at < PAUSE_S]
        return PAUSE_S - (now_s - times[-1]) if len(times) >= self._limit else 0.0

    def wrong(self, who: Hashable, now_s: float) -> None:
        """They tried in vain."""
        times = [at for at in self._wrong.pop(who, []) if now_s - at < PAUSE_S]
        self._wrong[who] = [*times, now_s][-self._limit :]
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
