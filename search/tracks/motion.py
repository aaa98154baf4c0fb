"""What a path says: its few telling points, where it went, and how fast."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.passages import Direction, PathPoint, SpeedClass

PATH_POINTS = 48
"""No path is longer, however long its passage."""
PATH_TOLERANCE = 0.01
"""How far a thinned path may be off, as a share of the picture."""

_STAYED_HEIGHTS = 0.6
"""Who ends nearer than this many own heights to where they began, stayed."""
_STAYED_SHARE = 0.03
"""And so does whoever moved less than this share of the picture's height: boxes tremble."""
_SLOW, _MEDIUM, _FAST = 0.12, 1.2, 3.0
"""Own heights a second: from here on slow (people walk at 0.5 to 1), medium, fast."""
_WINDOW_MS = 800
"""Speed is measured over at least this long: boxes tremble."""
_ENDS = 3
"""How many points of each end are averaged for the direction."""

_CLOCKWISE = (
    Direction.UP,
    Direction.UP_RIGHT,
    Direction.RIGHT,
    Direction.DOWN_RIGHT,
    Direction.DOWN,
    Direction.DOWN_LEFT,
    Direction.LEFT,
    Direction.UP_LEFT,
)


def foot(point: PathPoint) -> tuple[float, float]:
    """Where it touches the ground: the middle of the box's lower edge."""
    return (point.left + point.right) / 2, point.bottom


def thin(points: Sequence[PathPoint], most: int = PATH_POINTS) -> list[PathPoint]:
    """Few points that say the same: between them, each edge of the box is at most
    :data:`PATH_TOLERANCE` off, more only where ``most`` points do not suffice. The first and the
    last stay.
    """
    tolerance = PATH_TOLERANCE
    kept = _simplified(points, tolerance)
    while len(kept) > most:
        tolerance *= 1.5
        kept = _simplified(kept, tolerance)
    return kept


def _simplified(points: Sequence[PathPoint], tolerance: float) -> list[PathPoint]:
    """Douglas and Peucker's way, with the box where it would be at that moment as measure."""
    if len(points) < 3:
        return list(points)
    keep = {0, len(points) - 1}
    open_spans = [(0, len(points) - 1)]
    while open_spans:
        start, end = open_spans.pop()
        worst, worst_at = 0.0, -1
        for index in range(start + 1, end):
            off = _off(points[start], points[end], points[index])
            if off > worst:
                worst, worst_at = off, index
        if worst > tolerance:
            keep.add(worst_at)
            open_spans += [(start, worst_at), (worst_at, end)]
    return [points[index] for index in sorted(keep)]


def _off(a: PathPoint, b: PathPoint, c: PathPoint) -> float:
    span = b.after_ms - a.after_ms
    share = (c.after_ms - a.after_ms) / span if span else 0.0
    return max(
        abs(a.left + (b.left - a.left) * share - c.left),
        abs(a.top + (b.top - a.top) * share - c.top),
        abs(a.right + (b.right - a.right) * share - c.right),
        abs(a.bottom + (b.bottom - a.bottom) * share - c.bottom),
    )


def direction(points: Sequence[PathPoint], aspect: float) -> Direction:
    """Where it went from its first points to its last; ``aspect``: the picture's width / height."""
    if len(points) < 2:
        return Direction.STAYED
    ends = min(_ENDS, len(points) // 2)
    x0, y0 = _mean_foot(points[:ends])
    x1, y1 = _mean_foot(points[-ends:])
    across, down = (x1 - x0) * aspect, y1 - y0
    if math.hypot(across, down) < max(_STAYED_SHARE, _STAYED_HEIGHTS * _height(points)):
        return Direction.STAYED
    eighth = round(math.degrees(math.atan2(across, -down)) / 45) % 8
    return _CLOCKWISE[eighth]


def speed(points: Sequence[PathPoint], aspect: float) -> SpeedClass:
    """The usual speed while it moved (median over windows), in own heights a second.

    Who comes straight at the camera seems slower than they are: there is no depth in a picture.
    """
    speeds: list[float] = []
    start = 0
    for end in range(1, len(points)):
        if points[end].after_ms - points[start].after_ms < _WINDOW_MS and end < len(points) - 1:
            continue
        a, b = points[start], points[end]
        seconds = (b.after_ms - a.after_ms) / 1000
        height = max((a.bottom - a.top + b.bottom - b.top) / 2, 1e-3)
        (x0, y0), (x1, y1) = foot(a), foot(b)
        if seconds > 0:
            speeds.append(math.hypot((x1 - x0) * aspect, y1 - y0) / height / seconds)
        start = end
    moving = sorted(one for one in speeds if one >= _SLOW)
    if not moving or len(moving) * 5 < len(speeds):
        return SpeedClass.STILL
    usual = moving[len(moving) // 2]
    if usual < _MEDIUM:
        return SpeedClass.SLOW
    return SpeedClass.MEDIUM if usual < _FAST else SpeedClass.FAST


def _mean_foot(points: Sequence[PathPoint]) -> tuple[float, float]:
    feet = [foot(point) for point in points]
    return sum(x for x, _ in feet) / len(feet), sum(y for _, y in feet) / len(feet)


def _height(points: Sequence[PathPoint]) -> float:
    heights = sorted(point.bottom - point.top for point in points)
    return heights[len(heights) // 2]
