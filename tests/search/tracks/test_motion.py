"""What a path says: few points that tell the same, where to, how fast."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from search.passages import Direction, PathPoint, SpeedClass
from search.tracks import motion

SHARES = st.floats(0, 1, allow_nan=False, width=32)


@st.composite
def paths(draw: st.DrawFn) -> list[PathPoint]:
    """Any way of any box, in the order of time."""
    steps = draw(st.lists(st.integers(1, 20_000), min_size=1, max_size=200))
    at, points = 0, []
    for step in steps:
        left, right = sorted((draw(SHARES), draw(SHARES)))
        top, bottom = sorted((draw(SHARES), draw(SHARES)))
        points.append(PathPoint(at, left, top, right, bottom))
        at += step
    return points


def walk(
    dx: float, dy: float, *, seconds: float = 10, height: float = 0.2, tremble: float = 0.0
) -> list[PathPoint]:
    """From the middle of the picture by (dx, dy) shares a second, five pictures a second."""
    points = []
    for step in range(int(seconds * 5) + 1):
        at = step / 5
        x, y = 0.5 + dx * at, 0.5 + dy * at + tremble * (-1) ** step
        points.append(PathPoint(int(at * 1000), x - 0.03, y - height, x + 0.03, y))
    return points


@given(paths())
def test_a_thinned_path_keeps_both_ends_and_is_short_enough(points: list[PathPoint]) -> None:
    thinned = motion.thin(points)
    assert len(thinned) <= motion.PATH_POINTS
    assert thinned[0] == points[0] and thinned[-1] == points[-1]
    times = [point.after_ms for point in thinned]
    assert times == sorted(times)
    assert set(thinned) <= set(points)


@given(st.lists(st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)), max_size=40))
def test_no_point_that_is_left_out_was_far_from_the_thinned_path(
    steps: list[tuple[float, float]],
) -> None:
    x, y, points = 0.5, 0.5, [PathPoint(0, 0.5, 0.5, 0.55, 0.6)]
    for number, (dx, dy) in enumerate(steps, 1):
        x, y = x + dx, y + dy
        points.append(PathPoint(number * 200, x, y, x + 0.05, y + 0.1))
    thinned = motion.thin(points)
    if len(thinned) == motion.PATH_POINTS:
        return
    for point in points:
        after = next(index for index, kept in enumerate(thinned) if kept.after_ms >= point.after_ms)
        b = thinned[after]
        a = thinned[max(0, after - 1)]
        share = (point.after_ms - a.after_ms) / max(1, b.after_ms - a.after_ms)
        assert abs(a.left + (b.left - a.left) * share - point.left) <= motion.PATH_TOLERANCE + 1e-6


def test_eight_ways_and_staying() -> None:
    ways = {
        (0, -1): Direction.UP,
        (1, -1): Direction.UP_RIGHT,
        (1, 0): Direction.RIGHT,
        (1, 1): Direction.DOWN_RIGHT,
        (0, 1): Direction.DOWN,
        (-1, 1): Direction.DOWN_LEFT,
        (-1, 0): Direction.LEFT,
        (-1, -1): Direction.UP_LEFT,
    }
    for (dx, dy), way in ways.items():
        assert motion.direction(walk(dx * 0.04, dy * 0.04), aspect=1.0) is way
    assert motion.direction(walk(0, 0, tremble=0.02), aspect=1.0) is Direction.STAYED


@given(st.floats(0, 2 * math.pi), st.floats(1.2, 2.4))
def test_a_way_is_told_as_it_looks_on_the_screen(angle: float, aspect: float) -> None:
    """Shares across a wide picture are longer than shares down it."""
    points = walk(math.sin(angle) * 0.04 / aspect, -math.cos(angle) * 0.04)
    eighth = round(math.degrees(angle) / 45) % 8
    if abs((math.degrees(angle) / 45) % 1 - 0.5) > 0.05:
        assert motion.direction(points, aspect) == eighth + 1


def test_speed_is_told_in_own_heights() -> None:
    """A walker far away crosses fewer pixels than one near by, and walks no slower."""
    near = walk(0.14, 0, seconds=3, height=0.2)
    far = walk(0.035, 0, seconds=3, height=0.05)
    assert motion.speed(near, 1.0) is motion.speed(far, 1.0) is SpeedClass.SLOW
    assert motion.speed(walk(0.13, 0, seconds=3, height=0.06), 1.0) is SpeedClass.MEDIUM
    assert motion.speed(walk(0.13, 0, seconds=3, height=0.03), 1.0) is SpeedClass.FAST


def test_a_trembling_box_stands_still() -> None:
    assert motion.speed(walk(0, 0, tremble=0.004), 1.0) is SpeedClass.STILL


def test_who_parked_after_driving_was_driving() -> None:
    """Its speed is that of its moving, however long it stood afterwards."""
    driving = walk(0.1, 0, seconds=4, height=0.08)
    end = driving[-1]
    stood = [
        PathPoint(4000 + 200 * n, end.left, end.top, end.right, end.bottom) for n in range(1, 600)
    ]
    assert motion.speed(motion.thin(driving + stood), 1.0) is SpeedClass.MEDIUM
