"""Which box of this picture is which object of the pictures before: ByteTrack, told real times.

Zhang et al., ByteTrack, 2022: where each object should be by now, by a Kalman filter of constant
speed; believed boxes are given to objects first, doubtful ones to those that are left. Boxes
are compared as shares of the picture times 1000, so that a camera that changes its resolution
goes on with the same objects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

NOT_TRACKED = -1

_BUFFER = 0.3
"""Boxes are compared grown by this share of their size to each side: at 5 pictures a second a
walker's boxes may just not overlap."""
_LIKE_ENOUGH = 0.05
"""Half of ByteTrack's tenth of overlap: here heights and a score are factors, too."""
_MEASURED = 0.1
"""Variance of a measured side; only what it is beside the next two matters."""
_DRIFT = 0.01
_SPEED_UNKNOWN = 1.0
_USUAL_WITHIN_S = 0.004
"""A picture that comes so near to its usual time comes at its usual time."""

# Columns of what is known of an object. The four sides of a box are filtered alike, so that one
# variance of place, one covariance and one variance of speed stand for all of them.
_SIDES, _SPEEDS, _VARIANCES = slice(0, 4), slice(4, 8), slice(8, 11)
_PLACE, _BOTH, _SPEED, _UNSEEN_S, _COLUMNS = 8, 9, 10, 11, 12

_Floats = NDArray[np.float64]
_Rows = NDArray[np.intp]


class Association:
    """Numbers the objects of one camera, of one kind that is never taken for another kind."""

    def __init__(self, *, usual_fps: float, begins_at: float, lost_after_s: float) -> None:
        """``usual_fps``: how often something moving is looked at; ``begins_at``: the score from
        which a new object is believed (lower ones continue known objects only);
        ``lost_after_s``: how long an unseen object is looked for."""
        self._usual_fps = usual_fps
        self._begins_at = begins_at
        self._lost_after_s = lost_after_s
        self._last_s = 0.0
        self._known: _Floats = np.empty((0, _COLUMNS))
        self._numbers = np.empty(0, np.int64)
        self._next = 0

    def look_for(self, seconds: float) -> None:
        """From now on, look for unseen objects for this long (pictures come more seldom)."""
        self._lost_after_s = seconds

    def update(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], at_s: float
    ) -> NDArray[np.int64]:
        """The number of each row's object, :data:`NOT_TRACKED` for rows that are none.

        ``boxes`` [N, 4] as shares × 1000; ``at_s`` is later than in the call before.
        """
        if len(self._known):
            self._go_on(at_s - self._last_s)
        self._last_s = at_s
        numbers = np.full(len(scores), NOT_TRACKED, np.int64)
        if not len(scores):
            return numbers
        measured = boxes.astype(np.float64)
        believed = scores >= self._begins_at
        if len(self._known):
            alike = _alikeness(self._known[:, _SIDES], measured) * scores
            free = np.arange(len(self._known))
            for rows in (np.flatnonzero(believed), np.flatnonzero(~believed)):
                if len(rows) and len(free):
                    one, other = _pairs(alike[free[:, None], rows])
                    numbers[rows[other]] = self._numbers[free[one]]
                    self._correct(free[one], measured[rows[other]])
                    free = np.delete(free, one)
        self._begin(np.flatnonzero(believed & (numbers == NOT_TRACKED)), measured, numbers)
        return numbers

    def _go_on(self, elapsed_s: float) -> None:
        """Where everything should be by now; forget what was unseen for too long."""
        known = self._known
        known[:, _UNSEEN_S] += elapsed_s
        keep = known[:, _UNSEEN_S] <= self._lost_after_s
        if not keep.all():
            known = self._known = known[keep]
            self._numbers = self._numbers[keep]
        steps = elapsed_s * self._usual_fps
        known[:, _SIDES] += steps * known[:, _SPEEDS]
        if abs(elapsed_s - 1 / self._usual_fps) <= _USUAL_WITHIN_S:
            drift = (_DRIFT, 0.0, _DRIFT)
        else:  # a random acceleration, the same all the while
            drift = (_DRIFT * steps**4 / 4, _DRIFT * steps**3 / 2, _DRIFT * steps**2)
        forth = np.array([[1, 0, 0], [2 * steps, 1, 0], [steps**2, steps, 1]])
        known[:, _VARIANCES] = known[:, _VARIANCES] @ forth + drift

    def _correct(self, rows: _Rows, measured: _Floats) -> None:
        """These objects were seen: place and speed by as much as is known less well."""
        known = self._known[rows]
        gains = known[:, _PLACE:_SPEED] / (known[:, _PLACE, None] + _MEASURED)
        off = measured - known[:, _SIDES]
        known[:, _SIDES] += gains[:, :1] * off
        known[:, _SPEEDS] += gains[:, 1:] * off
        known[:, _SPEED] -= gains[:, 1] * known[:, _BOTH]
        known[:, _PLACE:_SPEED] *= 1 - gains[:, :1]
        known[:, _UNSEEN_S] = 0
        self._known[rows] = known

    def _begin(self, rows: _Rows, measured: _Floats, numbers: NDArray[np.int64]) -> None:
        """New objects. They are numbered in the first picture of them, not, as ByteTrack has it,
        in the second: of those who pass fast, the first may be the best, and is one of two."""
        if not len(rows):
            return
        fresh = np.zeros((len(rows), _COLUMNS))
        fresh[:, _SIDES] = measured[rows]
        fresh[:, _PLACE] = fresh[:, _SPEED] = _SPEED_UNKNOWN
        numbers[rows] = np.arange(self._next, self._next + len(rows))
        self._next += len(rows)
        self._known = np.concatenate([self._known, fresh])
        self._numbers = np.concatenate([self._numbers, numbers[rows]])


def _alikeness(some: _Floats, others: _Floats) -> _Floats:
    """[len(some), len(others)], 0 to 1: overlap of the grown boxes (Yang et al., C-BIoU, 2023),
    times that of their heights (Yang et al., Hybrid-SORT, 2024): who walk past each other cover
    each other's boxes, but are seldom as tall and stand where the other does.
    """
    some, others = _grown(some)[:, None], _grown(others)[None]
    low = np.minimum(some[..., 2:], others[..., 2:]) - np.maximum(some[..., :2], others[..., :2])
    np.maximum(low, 0, out=low)
    one, other = some[..., 2:] - some[..., :2], others[..., 2:] - others[..., :2]
    common = low[..., 0] * low[..., 1]
    union = one[..., 0] * one[..., 1] + other[..., 0] * other[..., 1] - common
    height = one[..., 1] + other[..., 1] - low[..., 1]
    # What lies apart has a common height of 0 or a common area of 0: the product is 0.
    return np.asarray(common * low[..., 1] / np.maximum(union * height, 1e-9), np.float64)


def _grown(boxes: _Floats) -> _Floats:
    around = _BUFFER * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - around, boxes[:, 2:] + around], axis=1)


def _pairs(alike: _Floats) -> tuple[_Rows, _Rows]:
    """The pairs that are most alike together, without those that are not alike enough."""
    rows, columns = linear_sum_assignment(alike, maximize=True)
    enough = alike[rows, columns] >= _LIKE_ENOUGH
    return rows[enough], columns[enough]
