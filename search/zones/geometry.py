"""Which side of a line, inside which region: plane geometry on shares of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from search.zones.zone import Point


def side(a: Point, b: Point, point: Point) -> float:
    """Above 0: to the right of the way from ``a`` to ``b`` as it is seen in the picture; below 0:
    to its left. Twice the area of the triangle."""
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def crossings(start: Point, end: Point, line: Sequence[Point]) -> int:
    """How often the straight way from ``start`` to ``end`` crosses a polyline, net: each crossing
    from its left to its right counts 1, each back −1."""
    net = 0
    for a, b in pairwise(line):
        from_right, to_right = side(a, b, start) >= 0, side(a, b, end) >= 0
        if from_right == to_right:
            continue
        if (side(start, end, a) >= 0) != (side(start, end, b) >= 0):
            net += 1 if to_right else -1
    return net


def inside(point: Point, corners: Sequence[Point]) -> bool:
    """Is the point in the polygon? By the even-odd rule, where its sides cross each other."""
    x, y = point
    within = False
    before = corners[-1]
    for corner in corners:
        (x0, y0), (x1, y1) = before, corner
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
            within = not within
        before = corner
    return within


def distance(point: Point, line: Sequence[Point]) -> float:
    """To the nearest point of a polyline."""
    return min(_to_segment(point, a, b) for a, b in pairwise(line))


def _to_segment(point: Point, a: Point, b: Point) -> float:
    (x, y), (x0, y0), (x1, y1) = point, a, b
    length = (x1 - x0) ** 2 + (y1 - y0) ** 2
    share = 0.0
    if length > 0:
        share = min(1.0, max(0.0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length))
    return math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0))


def degrees_apart(a: float, b: float) -> float:
    """The angle between two headings, 0 to 180."""
    return abs((a - b + 180) % 360 - 180)
