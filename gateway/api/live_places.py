"""On which shard a live view is opened: the camera's own, or one with more room."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping

from gateway.api.processes import Processes
from gateway.control.channel import ControlError

_FRESH_S = 1.0
_PATIENCE_S = 1.0
# From the ticket to the session; until then the shard does not count it itself.
_OPENING_S = 3.0


def choose_shard(
    owner: str, viewers: Mapping[str, int | None], viewers_per_shard: int
) -> str | None:
    """The shard on which to open one more view of a camera of ``owner``. ``viewers``: how many each
    shard shows that can be reached from here; None: it does not say. Gives None where there is no
    shard at all.
    """
    known = {name: count for name, count in viewers.items() if count is not None}
    # One that does not answer may yet show the picture; and it does so without anybody's help.
    if owner in viewers and known.get(owner, 0) < viewers_per_shard:
        return owner
    fewest = min(known, key=lambda name: (known[name], name != owner, name), default=None)
    return fewest if fewest is not None else (owner if owner in viewers else None)


class LivePlaces:
    """Asks the shards how many views they show, at most once a second, and adds those for which
    tickets were handed out here meanwhile. ``now_s`` is a monotonic clock.
    """

    def __init__(
        self,
        processes: Processes,
        viewers_per_shard: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes
        self._viewers_per_shard = viewers_per_shard
        self._now_s = now_s
        self._asked: dict[str, tuple[float, int | None]] = {}
        self._handed_out: defaultdict[str, deque[float]] = defaultdict(deque)

    async def place(self, owner: str) -> str | None:
        """Where to open a view of a camera of ``owner``; None where no shard can be reached."""
        reachable = await self._processes.at_hand("shard")
        if reachable == [owner]:
            return owner
        # The others are asked only where it matters.
        if owner in reachable and (await self._viewers(owner) or 0) < self._viewers_per_shard:
            return self._hand_out(owner)
        counts = await asyncio.gather(*(self._viewers(name) for name in reachable))
        chosen = choose_shard(
            owner, dict(zip(reachable, counts, strict=True)), self._viewers_per_shard
        )
        return None if chosen is None else self._hand_out(chosen)

    def _hand_out(self, name: str) -> str:
        self._handed_out[name].append(self._now_s())
        return name

    async def _viewers(self, name: str) -> int | None:
        asked_s, count = self._asked.get(name, (float("-inf"), None))
        if self._now_s() - asked_s >= _FRESH_S:
            count = await self._ask(name)
            self._asked[name] = (self._now_s(), count)
        if count is None:
            return None
        opening = self._handed_out[name]
        while opening and self._now_s() - opening[0] > _OPENING_S:
            opening.popleft()
        return count + len(opening)

    async def _ask(self, name: str) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                load = await self._processes.client(name).call("live.load")
        except (ConnectionError, TimeoutError, ControlError):
            return None
        return int(load["viewers"])
