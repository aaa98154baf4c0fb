"""Which keyframes of recorded footage are worth a look: all of a short stretch; of a long one those
at which something moved, and some in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALL_UP_TO = 2_000
EVERY_US = 10_000_000
# Groups of pictures this much larger than is usual hold movement, somewhere in the picture.
_MORE = 1.15
# Where they hardly differ in size, size tells nothing.
_ALIKE = 1.1


@dataclass(frozen=True, slots=True)
class Group:
    """A group of pictures by its index: when it begins, how long it lasts, and what the pictures
    after the keyframe take.
    """

    at_us: int
    duration_us: int
    between_bytes: int

    @property
    def rate(self) -> float:
        """Bytes a second between keyframes."""
        return self.between_bytes * 1e6 / max(self.duration_us, 1)


def worth_a_look(groups: Sequence[Group]) -> list[bool]:
    """For each group, in order of time, whether its keyframe is to be looked at. The one after a
    group that moved is: it shows what became of it.
    """
    if len(groups) <= ALL_UP_TO:
        return [True] * len(groups)
    rates = sorted(group.rate for group in groups)
    usual, high = rates[len(rates) // 2], rates[len(rates) * 9 // 10]
    if high < usual * _ALIKE:
        return [True] * len(groups)
    chosen: list[bool] = []
    looked_us, moved = None, False
    for group in groups:
        moves = group.rate > usual * _MORE
        due = looked_us is None or group.at_us - looked_us >= EVERY_US
        chosen.append(moves or moved or due)
        if chosen[-1]:
            looked_us = group.at_us
        moved = moves
    return chosen
