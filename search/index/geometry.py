"""Lines and regions that somebody draws, held against stored paths, many at once.

Where an object stands is the middle of its box's lower edge. Between two points of a path it went
straight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search.index.packed_paths import Ways
from search.index.questions import Line, Point, Region

Bools = NDArray[np.bool_]
Places = NDArray[np.float64]

# Segments at once, each against each edge of a region: some megabytes.
_AT_ONCE = 8192


def crossing(ways: Ways, line: Line) -> Bools:
    """Of each path, whether it goes over the line, in the direction that it asks for: ``forward``
    is from the left hand of who walks from its start to its end to the right, in the picture as it
    is shown. What touches the line and turns back does not cross it.
    """
    side = _side(ways.places, line.start, line.end)
    # From the last place beside the line, so that a stop upon it is one crossing.
    beside = np.flatnonzero(side)
    before, after = beside[:-1], beside[1:]
    over = (ways.path[before] == ways.path[after]) & (side[before] != side[after])
    if line.how is not None:
        over &= (side[after] < 0) == (line.how == "forward")
    before, after = before[over], after[over]
    edge = np.asarray([line.start]), np.asarray([line.end])
    met = _meet(ways.places[before], ways.places[after], *edge)
    return _any(ways, after[met])


def entering(ways: Ways, region: Region) -> Bools:
    """Of each path, whether it was within the region at some time."""
    corners = np.asarray(region.points, np.float64)
    lowest, highest = corners.min(axis=0), corners.max(axis=0)
    places = ways.places
    near = np.flatnonzero(((places >= lowest) & (places <= highest)).all(axis=1))
    found = _any(ways, near[_within(places[near], corners)])
    steps = np.flatnonzero(ways.path[:-1] == ways.path[1:])
    one, other = places[steps], places[steps + 1]
    passes = (np.maximum(one, other) >= lowest) & (np.minimum(one, other) <= highest)
    steps = steps[passes.all(axis=1) & ~found[ways.path[steps]]]
    for start in range(0, len(steps), _AT_ONCE):
        some = steps[start : start + _AT_ONCE]
        met = _meet(places[some], places[some + 1], corners, np.roll(corners, -1, axis=0))
        found |= _any(ways, some[met])
    return found


def _any(ways: Ways, places: NDArray[np.intp]) -> Bools:
    found = np.zeros(ways.count, bool)
    found[ways.path[places]] = True
    return found


def _side(points: Places, start: Point | Places, end: Point | Places) -> NDArray[np.int8]:
    """1: on the left hand of who walks along the line, -1: on the right, 0: upon it. Down is
    positive in pictures.
    """
    (x, y), (x1, y1), (x2, y2) = (np.moveaxis(np.asarray(p), -1, 0) for p in (points, start, end))
    turn = (y2 - y1) * (x - x1) - (x2 - x1) * (y - y1)
    return np.asarray(np.sign(turn), np.int8)


def _meet(a: Places, b: Places, c: Places, d: Places) -> Bools:
    """Of each straight line a–b, whether it has a point in common with any c–d."""
    a, b = a[:, None], b[:, None]
    c, d = c[None], d[None]
    first, second = _side(c, a, b), _side(d, a, b)
    third, fourth = _side(a, c, d), _side(b, c, d)
    met = (first != second) & (third != fourth)
    met |= (first == 0) & _between(c, a, b)
    met |= (second == 0) & _between(d, a, b)
    met |= (third == 0) & _between(a, c, d)
    met |= (fourth == 0) & _between(b, c, d)
    return np.asarray(met.any(axis=1))


def _between(point: Places, start: Places, end: Places) -> Bools:
    low, high = np.minimum(start, end), np.maximum(start, end)
    return np.asarray(((low <= point) & (point <= high)).all(axis=-1))


def _within(places: Places, corners: Places) -> Bools:
    """Even–odd rule."""
    x, y = places.T
    inside = np.zeros(len(places), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        # Of an edge that is all but level, infinity is an answer.
        with np.errstate(over="ignore"):
            reached = (x2 - x1) * (y - y1) / (y2 - y1) + x1
        inside ^= ((y1 > y) != (y2 > y)) & (x < reached)
    return inside
