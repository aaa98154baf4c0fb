"""What happened in a region: passed through, left, taken, changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.change.difference import Kind
from search.change.region import Grid, Look, Region, RegionRefused
from search.change.watch import Change, Moment, RegionWatch

REGION = Region(((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
GRID = Grid.of(REGION, 640, 480)
EVERY_US = 2_000_000
Planes = NDArray[np.float32]
Paint = Callable[[Planes], None]


def street(seed: int = 3) -> Planes:
    """A pavement with some structure, in a little colour."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-12, 12, (GRID.height // 8 + 1, GRID.width // 8 + 1))
    luma = 120 + np.kron(coarse, np.ones((8, 8)))[: GRID.height, : GRID.width]
    planes = np.full((3, GRID.height, GRID.width), 128, np.float32)
    planes[0] = luma
    planes[1] += 4
    return planes


def thing(left: int, top: int, width: int, height: int, luma: float, tint: float = 0) -> Paint:
    def paint(planes: Planes) -> None:
        place = (slice(top, top + height), slice(left, left + width))
        planes[0][place] = luma
        planes[0][top : top + height : 4, left : left + width] += 25
        planes[1][place] += tint

    return paint  # fmt: skip


BIKE = thing(50, 36, 16, 12, 45, 12)


def walker(x: int) -> Paint:
    return thing(x, 10, 9, 40, 60)


class Day:
    """Looks at the street, one each two seconds."""

    def __init__(self, settle_s: float = 15) -> None:
        self.watch = RegionWatch(GRID, settle_s=settle_s)
        self.number = 0
        self.rng = np.random.default_rng(8)
        self.changes: list[Change] = []
        self.light: Callable[[Planes], Planes] = lambda luma: luma

    def see(self, *paints: Paint, looks: int = 1) -> None:
        for _ in range(looks):
            planes = street()
            for paint in paints:
                paint(planes)
            planes[0] = self.light(planes[0]) + self.rng.normal(0, 1.5, planes[0].shape)
            look = Look(self.number * EVERY_US, np.clip(planes, 0, 255).astype(np.uint8))
            self.changes += self.watch.push(look)
            self.number += 1

    def told(self) -> list[tuple[Kind, int, int]]:
        """Kind, and the looks at which each began and was over."""
        found = [one.moment for one in [*self.changes, *self.watch.finish()]]
        return [(one.kind, one.at_us // EVERY_US, one.after_us // EVERY_US) for one in found]


def test_nothing_happens_in_an_hour_of_slowly_changing_light() -> None:
    day = Day()
    for number in range(900):
        day.light = lambda luma, n=number: luma * (0.75 + 0.3 * np.sin(n / 300))
        day.see()
    assert day.told() == []


def test_somebody_walks_through() -> None:
    day = Day()
    day.see(looks=20)
    for x in range(20, 90, 12):
        day.see(walker(x))
    day.see(looks=20)
    ((kind, began, over),) = day.told()
    assert kind is Kind.MOVED and 20 <= began <= 22 and 24 <= over <= 27


def test_a_thing_is_left_and_later_taken() -> None:
    day = Day()
    day.see(looks=20)
    day.see(walker(40), looks=2)
    day.see(BIKE, looks=60)
    day.see(BIKE, walker(52), looks=3)
    day.see(looks=30)
    (left, began, stood), (taken, went, away) = day.told()
    assert (left, taken) == (Kind.APPEARED, Kind.GONE)
    assert 20 <= began <= 22 and stood == 22
    assert 82 <= went <= 85 and away == 85


def test_people_pass_in_front_of_what_is_left_there() -> None:
    day = Day()
    day.see(looks=10)
    day.see(BIKE, looks=30)
    for x in range(25, 85, 10):
        day.see(BIKE, walker(x))
    day.see(BIKE, looks=30)
    kinds = [kind for kind, _, _ in day.told()]
    assert kinds == [Kind.APPEARED, Kind.MOVED]


def test_the_light_is_switched_on_while_nobody_is_there() -> None:
    day = Day()
    day.see(looks=20)
    day.light = lambda luma: luma * 1.5 + 10
    day.see(looks=30)
    assert day.told() == []


def test_the_shadow_of_a_wall_creeps_across() -> None:
    day = Day()
    for number in range(300):
        edge = number / 4

        def shade(luma: Planes, edge: float = edge) -> Planes:
            across = np.arange(GRID.width, dtype=np.float32)[None, :]
            return luma * (1 - 0.35 / (1 + np.exp((across - edge) / 2)))

        day.light = shade
        day.see()
    assert [kind for kind, _, _ in day.told() if kind is not Kind.MOVED] == []


def test_the_camera_is_turned_and_nothing_is_said_to_be_taken() -> None:
    day = Day()
    day.see(BIKE, looks=20)
    other = street(9)[0] * 2.4 - 170
    day.light = lambda luma: np.roll(255 - other, 11, axis=1) * 0.8 + 0 * luma
    day.see(looks=40)
    assert day.told() == []


def test_a_thing_outside_the_region_is_nobodys_business() -> None:
    day = Day()
    day.see(looks=20)
    day.see(thing(2, 2, 16, 14, 30), looks=30)
    assert day.told() == []


def test_what_is_under_way_at_the_end_is_told_as_such() -> None:
    day = Day()
    day.see(looks=20)
    day.see(walker(45))
    (change,) = day.watch.finish()
    assert change.moment.kind is Kind.MOVED and not change.moment.lasts


def test_looks_in_between_tell_the_beginning_more_exactly() -> None:
    day = Day()
    day.see(looks=20)
    day.see(BIKE, looks=20)
    (change,) = day.changes
    start_us, end_us = change.window
    assert (start_us, end_us) == (19 * EVERY_US, 20 * EVERY_US)
    between = []
    for step in range(1, 10):
        planes = street()
        if step >= 7:
            BIKE(planes)
        between.append(Look(start_us + step * 200_000, planes.astype(np.uint8)))
    refined = change.refined(between)
    assert refined.before_us == start_us + 6 * 200_000
    assert refined.at_us == start_us + 7 * 200_000
    assert (refined.kind, refined.strength) == (Kind.APPEARED, change.moment.strength)


def test_half_of_a_pile_is_taken() -> None:
    day = Day()
    pile = [thing(42, 30, 12, 14, 50), thing(62, 30, 12, 14, 210)]
    day.see(*pile, looks=20)
    day.see(pile[0], looks=30)
    assert [kind for kind, _, _ in day.told()] == [Kind.GONE]


@pytest.mark.parametrize(
    "points",
    [
        (),
        ((0.1, 0.1), (0.2, 0.2)),
        ((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)),
        ((0.1, 0.1), (1.2, 0.1), (0.1, 0.9)),
        ((0.1, 0.1), (float("nan"), 0.1), (0.1, 0.9)),
        tuple((0.5, 0.5) for _ in range(40)),
    ],
)
def test_what_is_no_region_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(RegionRefused):
        Region(points)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30_000_000)), max_size=60))
@settings(max_examples=60)
def test_whatever_is_seen_moments_are_in_order_and_within_what_was_seen(
    looks: list[tuple[int, int]],
) -> None:
    watch = RegionWatch(GRID)
    scenes = [street(), street(), street(7), street() * 0, street() + 80]
    BIKE(scenes[1])
    at_us = 0
    moments: list[Moment] = []
    for which, step_us in looks:
        at_us += step_us
        planes = np.clip(scenes[which], 0, 255).astype(np.uint8)
        moments += [one.moment for one in watch.push(Look(at_us, planes))]
    moments += [one.moment for one in watch.finish()]
    for one in moments:
        assert 0 <= one.before_us <= one.at_us <= one.after_us <= at_us
        assert 0 <= one.strength <= 1
