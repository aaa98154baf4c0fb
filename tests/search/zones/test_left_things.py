"""Things put down and left, in pictures with noise, people and changing light."""

from __future__ import annotations

import numpy as np

from search.objects import Picture
from search.zones.left_things import Box, LeftThing, LeftThings

CORNERS = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
BAG = (300, 200, 330, 230)
RANDOM = np.random.default_rng(3)
PLACE = np.full((360, 640, 3), 110, np.uint8)
PLACE[:, ::40] = 90


def picture(*, bag: bool = False, person_at: int | None = None, light: int = 0) -> Picture:
    """A yard with sensor noise."""
    now = PLACE.astype(np.int16)
    if bag:
        now[BAG[1] : BAG[3], BAG[0] : BAG[2]] = (30, 40, 200)
    if person_at is not None:
        now[120:240, person_at : person_at + 40] = (20, 20, 30)
    now += RANDOM.normal(0, 4, now.shape).astype(np.int16) + light
    return np.clip(now, 0, 255).astype(np.uint8)


def box_of(person_at: int) -> Box:
    """The detector's box of that person."""
    return person_at / 640, 120 / 360, (person_at + 40) / 640, 240 / 360


class Yard:
    """Feeds one watcher, a picture a second."""

    def __init__(self, seconds: float = 20) -> None:
        self.watching = LeftThings(CORNERS, seconds)
        self.at_s = 0
        self.new: list[tuple[int, LeftThing]] = []
        self.gone: list[tuple[int, LeftThing]] = []

    def show(self, count: int, *, covered: list[Box] | None = None, **what: object) -> None:
        for _ in range(count):
            self.at_s += 1
            shown = picture(**what)  # type: ignore[arg-type]
            new, gone = self.watching.update(self.at_s * 1_000_000, shown, covered or [])
            self.new += [(self.at_s, one) for one in new]
            self.gone += [(self.at_s, one) for one in gone]


def test_a_bag_that_stays_is_told_once_and_so_is_its_going() -> None:
    yard = Yard()
    yard.show(10)
    yard.show(60, bag=True)
    ((at_s, bag),) = yard.new
    assert 28 <= at_s <= 36
    left, top, right, bottom = bag.box
    assert abs(left - 300 / 640) < 0.02 and abs(bottom - 230 / 360) < 0.03
    assert abs(right - 330 / 640) < 0.02 and abs(top - 200 / 360) < 0.03
    yard.show(5)
    assert [one for _, one in yard.gone] == [bag]
    yard.show(60)
    assert len(yard.new) == 1


def test_a_bag_that_is_picked_up_soon_is_nothing() -> None:
    yard = Yard()
    yard.show(10)
    yard.show(12, bag=True)
    yard.show(40)
    assert yard.new == []


def test_somebody_who_stands_there_is_no_thing_and_hides_none() -> None:
    yard = Yard()
    yard.show(10)
    yard.show(60, person_at=200, covered=[box_of(200)])
    assert yard.new == []
    yard.show(30, bag=True)
    for at in range(150, 500, 10):
        yard.show(1, bag=True, person_at=at, covered=[box_of(at)])
    yard.show(10, bag=True)
    assert len(yard.new) == 1 and yard.gone == []


def test_what_stood_there_and_is_taken_away_is_not_left() -> None:
    yard = Yard()
    yard.show(10, bag=True)
    yard.show(60)
    assert yard.new == []


def test_light_that_changes_is_no_thing() -> None:
    yard = Yard()
    yard.show(10)
    yard.show(60, light=50)
    for step in range(60):
        yard.show(1, light=50 - step)
    assert yard.new == []


def test_keyframes_seconds_apart_are_enough() -> None:
    watching, new = LeftThings(CORNERS, 60), []
    for step in range(40):
        new += watching.update(step * 5_000_000, picture(bag=step > 4), [])[0]
    assert len(new) == 1


def test_a_change_of_resolution_begins_anew() -> None:
    yard = Yard()
    yard.show(10)
    yard.show(40, bag=True)
    square = np.full((400, 400, 3), 110, np.uint8)
    new, gone = yard.watching.update((yard.at_s + 1) * 1_000_000, square, [])
    assert new == [] and len(gone) == 1
