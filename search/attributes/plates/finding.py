"""Finds number plates in the crop of a vehicle, with their four corners.

The model is a RetinaFace with corners for its landmarks: for each cell of three grids it tells, of
two square priors, by how much the box and the corners are off, in shares of the prior's size. Its
corners come in the order right bottom, left bottom, left top, right top.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from search.attributes.looks import Box
from search.attributes.plates.session import open_session
from search.objects import Picture

_MODEL = Path(__file__).parents[2] / "models" / "clp_det.onnx"
_GRIDS = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))
_CENTRE_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_MEAN = np.array([104, 117, 123], np.float32)
_SIDE = 448
"""Crops are looked at with their longer side so long: a plate on a car is 60 pixels and up then."""
_NEAR_SIDE = 256
"""So long where it is known about where the plate is."""
_LARGEST_SCALE = 2.5
_LEAST_SCORE = 0.5
_OVERLAP = 0.4
_LEAST_PLATE_PIXELS = 24
"""A plate narrower than this in the crop itself has no characters to read."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundPlate:
    """``corners``: float32 [4, 2], pixels of the crop: left top, right top, right bottom, left
    bottom. ``score``: 0 to 1.
    """

    corners: NDArray[np.float32]
    score: float

    @property
    def width(self) -> float:
        """Of the plate, in pixels of the crop."""
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))


class PlateFinder:
    """Holds the model; one thread at a time."""

    def __init__(self, threads: int) -> None:
        self._session = open_session(_MODEL, threads)

    def find(self, crop: Picture, near: Box | None = None) -> list[FoundPlate]:
        """The plates in it, best first, at most three.

        ``near``: where a plate is expected, in shares of the crop; found there first, at a quarter
        of the cost, and everywhere else only if it is not.
        """
        if near is not None:
            found = self._find_near(crop, near)
            if found:
                return found
        return self._find(crop, _SIDE)

    def _find_near(self, crop: Picture, near: Box) -> list[FoundPlate]:
        height, width = crop.shape[:2]
        left, top = max(0, int(near[0] * width)), max(0, int(near[1] * height))
        right = max(left, min(width, int(near[2] * width)))
        bottom = max(top, min(height, int(near[3] * height)))
        corner = np.array([left, top], np.float32)
        return [
            FoundPlate(plate.corners + corner, plate.score)
            for plate in self._find(crop[top:bottom, left:right], _NEAR_SIDE)
        ]

    def _find(self, crop: Picture, side: int) -> list[FoundPlate]:
        height, width = crop.shape[:2]
        if min(height, width) < 16:
            return []
        scale = min(_LARGEST_SCALE, side / max(height, width))
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(crop, size, interpolation=way)
        # A whole number of the coarsest grid's cells, so that few different sizes come up.
        rows, columns = (-(-side // 32) * 32 for side in small.shape[:2])
        padded = np.zeros((1, 3, rows, columns), np.float32)
        padded[0, :, : small.shape[0], : small.shape[1]] = (
            small.astype(np.float32) - _MEAN
        ).transpose(2, 0, 1)
        boxes, scores, corners = (one[0] for one in self._session.run(None, {"image": padded}))
        return _decode(boxes, scores[:, 1], corners, rows, columns, scale)


def _decode(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    corners: NDArray[np.float32],
    rows: int,
    columns: int,
    scale: float,
) -> list[FoundPlate]:
    priors = _priors(rows, columns)
    likely = np.flatnonzero(scores >= _LEAST_SCORE)
    likely = likely[np.argsort(-scores[likely])][:50]
    prior = priors[likely]
    offsets = corners[likely].reshape(-1, 4, 2) * _CENTRE_VARIANCE
    points = prior[:, None, :2] + offsets * prior[:, None, 2:]
    middle = prior[:, :2] + boxes[likely, :2] * _CENTRE_VARIANCE * prior[:, 2:]
    size = prior[:, 2:] * np.exp(np.clip(boxes[likely, 2:] * _SIZE_VARIANCE, -4, 4))
    kept = _best_of_overlapping(middle - size / 2, middle + size / 2)
    found = []
    for place in kept[:3]:
        ordered = np.asarray(points[place][[2, 3, 0, 1]] / scale, np.float32)
        plate = FoundPlate(ordered, float(scores[likely[place]]))
        if plate.width >= _LEAST_PLATE_PIXELS and _sane(ordered):
            found.append(plate)
    return found


def _sane(corners: NDArray[np.float32]) -> bool:
    """Whether the corners are a plate's: convex, in order, wider than high."""
    if not np.isfinite(corners).all() or not cv2.isContourConvex(corners):
        return False
    across = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3])
    down = np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[2] - corners[1])
    wide, high = float(np.mean(across)), float(np.mean(down))
    return 4 < high < wide < 12 * high


def _best_of_overlapping(upper: NDArray[np.float32], lower: NDArray[np.float32]) -> list[int]:
    """Places of the boxes to keep, of those that overlap the first. Sorted best first."""
    kept: list[int] = []
    areas = np.prod(np.maximum(lower - upper, 0), axis=1)
    for place in range(len(upper)):
        if kept:
            common = np.minimum(lower[place], lower[kept]) - np.maximum(upper[place], upper[kept])
            shared = np.prod(np.maximum(common, 0), axis=1)
            if np.any(shared > _OVERLAP * (areas[place] + areas[kept] - shared)):
                continue
        kept.append(place)
    return kept


@lru_cache(maxsize=64)
def _priors(rows: int, columns: int) -> NDArray[np.float32]:
    """float32 [N, 4]: centre x, centre y, width, height in pixels, in the model's order."""
    parts = []
    for step, sides in _GRIDS:
        y, x = np.mgrid[0 : -(-rows // step), 0 : -(-columns // step)]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * step
        centres = np.repeat(centres, len(sides), axis=1)
        size = np.broadcast_to(np.array(sides)[None, :, None], centres.shape)
        parts.append(np.concatenate([centres, size], axis=-1).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)


def straighten(crop: Picture, plate: FoundPlate) -> Picture:
    """The plate as if seen from before it: 48 pixels high, or 96 where it may have two lines."""
    corners = plate.corners
    wide = max(
        float(np.linalg.norm(corners[1] - corners[0])),
        float(np.linalg.norm(corners[2] - corners[3])),
    )
    high = max(
        float(np.linalg.norm(corners[3] - corners[0])),
        float(np.linalg.norm(corners[2] - corners[1])),
    )
    height = 96 if wide < TWO_LINES * high else 48
    width = int(np.clip(round(height * wide / high), height, height * 5))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(corners, target)
    return np.asarray(
        cv2.warpPerspective(
            crop, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ),
        np.uint8,
    )


TWO_LINES = 2.35
"""Width by height below which a plate may have two lines: 440 × 220 mm, against 440 × 140."""
