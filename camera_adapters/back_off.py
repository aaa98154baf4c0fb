"""How long a source waits between its attempts: longer each time, and very long once refused."""

from __future__ import annotations

import random

REFUSED_WAIT_S = 30 * 60
REFUSALS_LIMIT = 2
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0
# A connection that delivered for this long was a good one: its loss starts the back-off anew.
_GOOD_RUN_S = 20.0


class BackOff:
    """Of one source. Knows no clock: durations are passed in and given back."""

    __slots__ = ("_refusals", "_wait_s")

    def __init__(self) -> None:
        self._refusals = 0
        self._wait_s = _FIRST_WAIT_S

    def succeeded(self) -> None:
        """Pictures come: the password is good."""
        self._refusals = 0

    def delivered(self, for_s: float) -> None:
        """A connection that brought pictures ended after so long."""
        if for_s > _GOOD_RUN_S:
            self._wait_s = _FIRST_WAIT_S

    def after(self, *, refused: bool, own_s: float | None = None) -> tuple[float, bool]:
        """The seconds until the next attempt, and whether they are that many because name or
        password were refused REFUSALS_LIMIT times: cameras lock out who tries on.

        ``own_s`` is what the attempt knows better.
        """
        self._refusals = self._refusals + 1 if refused else 0
        if self._refusals >= REFUSALS_LIMIT:
            # One more try then, not two: the camera may still count.
            self._refusals = REFUSALS_LIMIT - 1
            return float(REFUSED_WAIT_S), True
        if own_s is not None:
            return own_s, False
        delay_s = self._wait_s * random.uniform(0.5, 1.5)
        self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)
        return delay_s, False
