"""Whether something moves, told from the sizes of coded pictures alone: integers, no decoding."""

from __future__ import annotations

HOLD_US = 1_500_000
_WARM_UP_UNITS = 12
# So long what is usual is learned several times as fast: the first pictures are like no others.
_LEARNING_UNITS = 400
_LEARNING_TIMES = 8
# Sizes are kept in 1/256 byte, so that slow averages of small pictures still move.
_SHIFT = 8
# A picture of a still scene is a few dozen bytes with some encoders: twice nothing is nothing.
_LEAST_BYTES = 48 << _SHIFT
_BASE_TIME_MS = 60_000
_SPREAD_TIME_MS = 20_000
_LONGEST_STEP_MS = 2_000


class SizeGate:
    """One camera's gate: opens when pictures between keyframes grow beyond what is usual here.

    What is usual is the median of the last minute or so, with its spread, so that noise, rain and a
    busy road become usual; it is the small picture's part to see what moves in them. A gate is open
    while it warms up. It costs about a microsecond a picture.
    """

    __slots__ = ("_base", "_fast", "_last_us", "_open_until_us", "_seen", "_spread")

    def __init__(self) -> None:
        self._seen = 0
        self._fast = 0
        self._base = 0
        self._spread = 0
        self._last_us = 0
        self._open_until_us = 0

    def push(self, size_bytes: int, keyframe: bool, at_us: int) -> bool:
        """Take the next coded picture; say whether something moves, or did within ``HOLD_US``.

        ``at_us``: when it was captured. Keyframes tell nothing: how large they are is how rich the
        scene is.
        """
        if keyframe:
            return self._seen < _WARM_UP_UNITS or at_us < self._open_until_us
        size = size_bytes << _SHIFT
        if self._seen < _WARM_UP_UNITS:
            self._warm_up(size, at_us)
            return True
        step_ms = (at_us - self._last_us) // 1000
        self._last_us = at_us
        if step_ms < 0:
            # Time ran backwards: what was open until then is so no more.
            self._open_until_us = 0
            step_ms = 0
        elif step_ms > _LONGEST_STEP_MS:
            step_ms = _LONGEST_STEP_MS
        # Over some sixteen pictures, which levels out patterns of B-frames and layers; slow senders
        # get half of that.
        fast = self._fast = self._fast + ((size - self._fast) >> (4 if step_ms < 80 else 3))
        base, spread = self._base, self._spread
        margin = 3 * spread
        if margin < base >> 2:
            margin = base >> 2
        if fast > base + margin + _LEAST_BYTES:
            self._open_until_us = at_us + HOLD_US
        difference = fast - base
        if self._seen < _LEARNING_UNITS:
            self._seen += 1
            step_ms *= _LEARNING_TIMES
        step = base * step_ms // _BASE_TIME_MS + 1
        self._base = base + step if difference > 0 else base - step
        # The three quarters' quantile of the difference, whatever its distribution.
        step = spread * step_ms // (4 * _SPREAD_TIME_MS) + 1
        self._spread = spread + 3 * step if abs(difference) > spread else max(spread - step, 0)
        return at_us < self._open_until_us

    def settle(self) -> None:
        """Take what comes now for usual: it was looked at, and nothing moves."""
        if self._seen >= _WARM_UP_UNITS:
            self._base = self._fast
            self._open_until_us = 0

    def _warm_up(self, size: int, at_us: int) -> None:
        self._seen += 1
        self._last_us = at_us
        self._fast += (size - self._fast) // self._seen
        self._spread += (abs(size - self._fast) - self._spread) // self._seen
        self._base = self._fast
        # What moved while it warmed up shall not be taken for usual at once.
        self._open_until_us = at_us + HOLD_US
