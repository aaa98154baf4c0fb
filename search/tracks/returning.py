"""Who of those that were lost is the one that newly appeared: by reach, size and looks.

ByteTrack goes by overlap. Behind a lamp post, or from one keyframe to the next seconds later, a
walker's boxes do not overlap any more; but somebody is only so fast, and dressed as before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from search.objects import Picture
from search.tracks.appearance import looks_of
from search.tracks.crops import Box
from search.tracks.ongoing import Ongoing
from search.tracks.overlap import overlaps

SAME_SPOT = 0.4
"""Overlap with the last box of what stood there, from which a new box is that."""

_REACH_AT_ONCE = 0.7
_TALLER = 1.6
"""How much larger or smaller it may have become, at most, and per :data:`_TALLER_WITHIN_S`."""
_LIKELY = 0.8
"""The likeness of looks that count neither for nor against: those without colour."""
_NEVER = 1e6
_NOT_ENOUGH = 1.0


def returned(
    lost: Sequence[Ongoing],
    boxes: Sequence[Box],
    picture: Picture,
    at_us: int,
    heights_a_second: float,
) -> list[Ongoing | None]:
    """For each new box the lost object that it is, or None. Each object is given once.

    ``heights_a_second``: how fast such objects may be.
    """
    found: list[Ongoing | None] = [None] * len(boxes)
    if not lost or not boxes:
        return found
    costs = np.full((len(boxes), len(lost)), _NEVER)
    alike = overlaps(np.array(boxes, np.float32), np.array([one.box for one in lost], np.float32))
    looks: dict[int, NDArray[np.float32]] = {}
    for row, box in enumerate(boxes):
        for column, one in enumerate(lost):
            if one.still and alike[row, column] >= SAME_SPOT:
                costs[row, column] = 0.5 * (1 - alike[row, column])
                continue
            far = _far(one, box, at_us, heights_a_second)
            if far > 1:
                continue
            if row not in looks:
                looks[row] = looks_of(picture, box)
            costs[row, column] = 0.5 * far + _unlike(looks[row], one.appearance())
    for row, column in zip(*linear_sum_assignment(costs), strict=True):
        if costs[row, column] <= _NOT_ENOUGH:
            found[row] = lost[column]
    return found


def _far(one: Ongoing, box: Box, at_us: int, heights_a_second: float) -> float:
    """How far the box is from where the object may be by now; above 1: out of its reach."""
    seconds = (at_us - one.last_us) / 1e6
    height, height_now = one.box[3] - one.box[1], box[3] - box[1]
    if not 1 / _TALLER <= height_now / max(height, 1e-6) <= _TALLER:
        return 2.0
    speed_x, speed_y = one.velocity()
    lead = min(seconds, 2.0)  # people turn
    x = (one.box[0] + one.box[2]) / 2 + speed_x * lead
    y = one.box[3] + speed_y * lead
    across = ((box[0] + box[2]) / 2 - x) * one.aspect
    down = box[3] - y
    reach = (_REACH_AT_ONCE + heights_a_second * seconds) * max(height, height_now)
    return math.hypot(across, down) / reach


def _unlike(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """0 (the same looks) upwards; 1 for looks that are never one person's."""
    likeness = float(a @ b) if a.any() and b.any() else _LIKELY
    return (1 - likeness) / 0.35
