"""A region of a camera's picture, and how it looked at an instant: small, with its surroundings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from search.sampling.decoding import plane_of

POINTS_LIMIT = 32
LARGEST_SIDE = 112
_SMALLEST_SIDE = 12
# What is around tells whether the light changed, or the camera was turned.
_AROUND, _LEAST_AROUND = 0.5, 0.04
_LEAST_AREA = 0.0002

Points = tuple[tuple[float, float], ...]


class RegionRefused(ValueError):
    """These points are no region. The message says what to draw."""


@dataclass(frozen=True, slots=True)
class Region:
    """A polygon, in shares of the picture's width and height (0 to 1).

    Raises RegionRefused unless it has 3 to ``POINTS_LIMIT`` points within the picture and is at
    least some fifty pixels of a small picture large.
    """

    points: Points

    def __post_init__(self) -> None:
        if not 3 <= len(self.points) <= POINTS_LIMIT:
            raise RegionRefused(f"draw a region with 3 to {POINTS_LIMIT} corners")
        if not all(0 <= value <= 1 for point in self.points for value in point):
            raise RegionRefused("a region's corners are shares of the picture, 0 to 1")
        if _area(self.points) < _LEAST_AREA:
            raise RegionRefused("the region is too small to tell anything: draw it larger")

    @property
    def around(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of what is looked at: the region and what is around it."""
        across, down = zip(*self.points, strict=True)
        left, right, top, bottom = min(across), max(across), min(down), max(down)
        width = max((right - left) * _AROUND, _LEAST_AROUND)
        height = max((bottom - top) * _AROUND, _LEAST_AROUND)
        return (
            max(0.0, left - width),
            max(0.0, top - height),
            min(1.0, right + width),
            min(1.0, bottom + height),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How the region and what is around it looked. ``planes``: uint8, 3 × height × width:
    brightness and the two colour differences.
    """

    at_us: int
    planes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Grid:
    """The small size at which a region is looked at, the same for all pictures of a search,
    whatever theirs is.
    """

    region: Region
    width: int
    height: int
    inside: NDArray[np.uint8] = field(repr=False, compare=False)

    @classmethod
    def of(cls, region: Region, picture_width: int, picture_height: int) -> Grid:
        """For pictures of this size. Never larger than the pictures themselves."""
        left, top, right, bottom = region.around
        width, height = (right - left) * picture_width, (bottom - top) * picture_height
        scale = min(1.0, LARGEST_SIDE / max(width, height))
        columns = max(_SMALLEST_SIDE, math.ceil(width * scale))
        rows = max(_SMALLEST_SIDE, math.ceil(height * scale))
        corners = [
            (round((x - left) / (right - left) * 256 * columns - 128),
             round((y - top) / (bottom - top) * 256 * rows - 128))
            for x, y in region.points
        ]  # fmt: skip
        inside = np.zeros((rows, columns), np.uint8)
        cv2.fillPoly(inside, [np.array(corners, np.int32)], (1,), shift=8)
        return cls(region, columns, rows, inside)

    def look(self, frame: VideoFrame, at_us: int) -> Look:
        """What a decoded picture shows of it."""
        left, top, right, bottom = self.region.around
        planes = np.empty((3, self.height, self.width), np.uint8)
        for index in range(3):
            plane = plane_of(frame, index)
            rows, columns = plane.shape
            part = plane[
                int(top * rows) : max(int(top * rows) + 1, math.ceil(bottom * rows)),
                int(left * columns) : max(int(left * columns) + 1, math.ceil(right * columns)),
            ]
            planes[index] = cv2.resize(
                np.ascontiguousarray(part), (self.width, self.height), interpolation=cv2.INTER_AREA
            )
        return Look(at_us, planes)


def _area(points: Sequence[tuple[float, float]]) -> float:
    following = [*points[1:], points[0]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True))) / 2
