"""Decoding times out of presentation times: RTP carries only the latter (RFC 6184 §5.1)."""

from __future__ import annotations

import heapq
from collections import deque

_DEPTH_LIMIT = 16


class DecodingTimes:
    """Gives each picture, taken in decoding order, a decoding time.

    With a reorder depth of d, the n-th picture is decoded when the (n-d)-th is shown; so no picture
    is shown before it is decoded, and times never decrease. ``needed_depth`` is the depth that the
    pictures so far really needed: above ``depth`` the declaration was wrong.
    """

    __slots__ = ("_last", "_recent", "_waiting", "depth", "needed_depth")

    def __init__(self, depth: int) -> None:
        self.depth = min(depth, _DEPTH_LIMIT)
        self.needed_depth = 0
        self._waiting: list[int] = []
        self._last = -1
        self._recent: deque[int] = deque(maxlen=_DEPTH_LIMIT)

    def decoding_time(self, pts: int) -> int:
        """The decoding time of the next picture; above the last one by at least 1."""
        recent = self._recent
        if recent and pts < recent[-1]:
            later = sum(1 for other in recent if other > pts)
            self.needed_depth = max(self.needed_depth, later)
        recent.append(pts)
        if not self.depth:
            dts = pts
        else:
            waiting = self._waiting
            heapq.heappush(waiting, pts)
            dts = heapq.heappop(waiting) if len(waiting) > self.depth else 0
        self._last = dts if dts > self._last else self._last + 1
        return self._last
