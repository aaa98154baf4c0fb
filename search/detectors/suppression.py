"""One box for each object: candidates that overlap a surer one are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from search.objects import CLASS_NUMBERS, VEHICLES

MOST_CANDIDATES = 1000
"""The surest so many of a picture are looked at, so that a model gone wild costs little."""
MOST_OBJECTS = 300

_SAME_CLASS = 0.6
_SAME_VEHICLE = 0.8
_VEHICLE_NUMBERS = np.array(sorted(CLASS_NUMBERS[one] for one in VEHICLES), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a model proposes in one picture, row by row, in pixels of the model's input.

    ``boxes`` float32 [N, 4] left, top, right, bottom; ``scores`` float32 [N]; ``classes`` uint8 [N]
    by CLASS_NUMBERS.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.uint8]

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Candidates:
        return Candidates(self.boxes[rows], self.scores[rows], self.classes[rows])


def suppress(found: Candidates) -> Candidates:
    """The surest candidate of each object, surest first.

    Two of a class are one object when they share six tenths of what both cover; two vehicles of
    different classes (a car and a truck in one place) when they share eight tenths. Persons and
    what they ride are never taken for one another.
    """
    if not len(found.scores):
        return found
    surest = np.argsort(-found.scores, kind="stable")[:MOST_CANDIDATES]
    found = found[surest]
    found = found[_kept(found, found.classes, _SAME_CLASS)]
    groups = np.where(np.isin(found.classes, _VEHICLE_NUMBERS), _VEHICLE_NUMBERS[0], found.classes)
    return found[_kept(found, groups, _SAME_VEHICLE)[:MOST_OBJECTS]]


def _kept(found: Candidates, groups: NDArray[np.uint8], overlap: float) -> NDArray[np.intp]:
    corners = found.boxes.astype(np.float64)
    corners[:, 2:] -= corners[:, :2]
    choose: Any = cv2.dnn.NMSBoxesBatched  # takes arrays, though its stub knows only sequences
    kept = choose(corners, found.scores, groups.astype(np.int32), 0.0, overlap)
    return np.sort(np.asarray(kept, np.intp).reshape(-1))
