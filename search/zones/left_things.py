"""Things that were put down in a region and left there, whatever they are.

No detector knows all that is dumped or forgotten; so this goes by the picture: a patch that became
different from how the place looks, and has been the same since. Patches under people and vehicles
are not looked at while those are there. A patch that has fewer edges than what was there before
is a thing taken away, not one left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from search.objects import Picture
from search.zones.zone import Point

Box = tuple[float, float, float, float]
Grey = NDArray[np.float32]
Colors = NDArray[np.float32]
"""[height, width, 3]."""

LOOK_EVERY_US = 900_000
"""More often than this says nothing more about what stands still."""

_WIDTH = 192
_DIFFERENT = 22.0
"""Levels of 256, in the most different colour: more than sensor grain after smoothing."""
_SAME = 12.0
_SMALLEST = 14
"""Pixels of the small picture: 2 × 7 of 192 × 108, a bag at forty metres."""
_LIGHT_CHANGED = 0.35
"""When so much of the region differs at once, it is the light: the place is learnt anew."""
_LEARN_S = 60.0
"""How fast the look of the place follows slow changes."""
_AROUND = 0.1


@dataclass(slots=True)
class LeftThing:
    """A thing that stands there. ``box``: shares of the picture."""

    box: Box
    since_us: int


@dataclass(slots=True)
class _Learnt:
    place: Colors
    """How it looks there."""
    recent: Colors
    """How it looked a moment ago."""
    still_s: Grey
    """For how long each pixel has been different from the place, and the same."""
    told: list[LeftThing] = field(default_factory=list)


class LeftThings:
    """Watches one region. Holds four small pictures; :meth:`update` costs about 0.2 ms."""

    def __init__(self, corners: Sequence[Point], seconds: float) -> None:
        """``seconds``: how long a thing stands before it is told."""
        self._corners = corners
        self._seconds = max(seconds, 2.0)
        self._learnt: _Learnt | None = None
        self._mask: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self._last_us = 0

    def update(
        self, at_us: int, picture: Picture, covered: Sequence[Box]
    ) -> tuple[list[LeftThing], list[LeftThing]]:
        """Take a picture; ``covered``: where people and vehicles are now (shares).

        Gives the things that have stood there for long enough, each once, and those of them that
        are gone.
        """
        elapsed_us = at_us - self._last_us
        if self._learnt is not None and 0 <= elapsed_us < LOOK_EVERY_US:
            return [], []
        self._last_us = at_us
        small = _small(picture)
        if self._learnt is None or small.shape != self._learnt.place.shape or elapsed_us < 0:
            gone = self._learnt.told if self._learnt is not None else []
            self._mask = _filled(self._corners, small.shape[:2])
            self._learnt = _Learnt(small, small.copy(), np.zeros(small.shape[:2], np.float32))
            return [], gone
        free = self._mask & ~_under(covered, small.shape[:2])
        return self._compare(self._learnt, small, free, min(elapsed_us / 1e6, self._seconds / 2))

    def _compare(
        self, learnt: _Learnt, small: Colors, free: NDArray[np.bool_], seconds: float
    ) -> tuple[list[LeftThing], list[LeftThing]]:
        differs = (_apart(small, learnt.place) > _DIFFERENT) & free
        if differs.sum() > _LIGHT_CHANGED * max(1, int(free.sum())):
            learnt.place, learnt.recent = small, small.copy()
            learnt.still_s[:] = 0
            gone, learnt.told = learnt.told, []
            return [], gone
        same = _apart(small, learnt.recent) < _SAME
        still = differs & same
        learnt.still_s[still] += seconds
        learnt.still_s[free & ~still] = 0
        learnt.recent[free] = small[free]
        follow = free & ~differs
        rate = min(1.0, seconds / _LEARN_S)
        learnt.place[follow] += rate * (small[follow] - learnt.place[follow])
        gone = [thing for thing in learnt.told if self._is_gone(thing, learnt, free, differs)]
        learnt.told = [thing for thing in learnt.told if thing not in gone]
        return self._new(learnt, small), gone

    def _new(self, learnt: _Learnt, small: Colors) -> list[LeftThing]:
        long_enough = (learnt.still_s >= self._seconds).astype(np.uint8)
        if int(long_enough.sum()) < _SMALLEST:
            return []
        height, width = small.shape[:2]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(long_enough, connectivity=8)
        found: list[LeftThing] = []
        for label in range(1, count):
            left, top, across, down, size = (int(one) for one in stats[label])
            box = (
                left / width,
                top / height,
                (left + across) / width,
                (top + down) / height,
            )
            if size < _SMALLEST or any(_overlap(box, thing.box) for thing in learnt.told):
                continue
            patch = labels == label
            if _edges(small, patch) <= _edges(learnt.place, patch):
                learnt.place[patch] = small[patch]  # taken away: this is how it looks from now on
                learnt.still_s[patch] = 0
                continue
            thing = LeftThing(box, self._last_us - round(self._seconds * 1e6))
            learnt.told.append(thing)
            found.append(thing)
        return found

    @staticmethod
    def _is_gone(
        thing: LeftThing, learnt: _Learnt, free: NDArray[np.bool_], differs: NDArray[np.bool_]
    ) -> bool:
        height, width = learnt.place.shape[:2]
        rows = slice(int(thing.box[1] * height), max(1, round(thing.box[3] * height)))
        columns = slice(int(thing.box[0] * width), max(1, round(thing.box[2] * width)))
        seen = free[rows, columns]
        if seen.mean() < 0.7:
            return False  # somebody stands before it
        return bool(differs[rows, columns].sum() < 0.2 * seen.sum())


def _small(picture: Picture) -> Colors:
    height, width = picture.shape[:2]
    size = (_WIDTH, max(16, round(_WIDTH * height / width)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32)


def _apart(a: Colors, b: Colors) -> Grey:
    """How different each pixel is, in its most different colour: [height, width]."""
    return np.asarray(np.abs(a - b).max(axis=2), np.float32)


def _filled(corners: Sequence[Point], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    points = np.array([(x * shape[1], y * shape[0]) for x, y in corners], np.int32)
    cv2.fillPoly(mask, [points], 1)
    return mask.astype(np.bool_)


def _under(boxes: Sequence[Box], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where somebody is, and a tenth around."""
    mask = np.zeros(shape, np.bool_)
    height, width = shape[0], shape[1]
    for left, top, right, bottom in boxes:
        across, down = _AROUND * (right - left), _AROUND * (bottom - top)
        rows = slice(max(0, int((top - down) * height)), int((bottom + down) * height) + 1)
        columns = slice(max(0, int((left - across) * width)), int((right + across) * width) + 1)
        mask[rows, columns] = True
    return mask


def _edges(picture: Colors, patch: NDArray[np.bool_]) -> float:
    """How strong the edges along the patch's outline are."""
    around = cv2.dilate(patch.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=1)
    inner = cv2.erode(patch.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=1)
    outline = (around - inner).astype(np.bool_)
    x = cv2.Sobel(picture, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return float(np.sqrt(x**2 + y**2).max(axis=2)[outline].mean())


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
