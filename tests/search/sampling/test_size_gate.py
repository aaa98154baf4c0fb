"""Whether something moves, by the sizes of coded pictures."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from search.sampling.size_gate import HOLD_US, SizeGate

STEP_US = 40_000


class Camera:
    """Feeds a gate with 25 pictures a second, a keyframe every 50."""

    def __init__(self) -> None:
        self.gate = SizeGate()
        self.number = 0
        self.rng = random.Random(3)

    def send(self, seconds: float, mean: int, spread: float = 0.15) -> float:
        """Send pictures of about this size; gives the share of them with the gate open."""
        count = round(seconds * 25)
        opened = 0
        for _ in range(count):
            keyframe = self.number % 50 == 0
            size = 20_000 if keyframe else max(20, round(self.rng.gauss(mean, spread * mean)))
            opened += self.gate.push(size, keyframe, self.number * STEP_US)
            self.number += 1
        return opened / count


def test_a_still_scene_closes_it_and_a_walker_opens_it() -> None:
    camera = Camera()
    camera.send(30, 1000)
    assert camera.send(60, 1000) < 0.02
    assert camera.send(5, 2000) > 0.7
    camera.send(3, 1000)
    assert camera.send(30, 1000) < 0.02


def test_tiny_pictures_of_a_smart_encoder_may_double() -> None:
    camera = Camera()
    camera.send(30, 30)
    assert camera.send(30, 60) == 0
    assert camera.send(4, 600) > 0.7


def test_rain_that_stays_becomes_usual_and_so_does_its_end() -> None:
    camera = Camera()
    camera.send(60, 1000)
    assert camera.send(10, 3000) > 0.9
    camera.send(120, 3000)
    assert camera.send(30, 3000) < 0.05
    assert camera.send(5, 6000) > 0.7
    camera.send(200, 1000)
    assert camera.send(5, 2000) > 0.6


def test_once_settled_what_came_is_usual() -> None:
    camera = Camera()
    camera.send(30, 1000)
    assert camera.send(5, 3000) > 0.7
    camera.gate.settle()
    assert camera.send(10, 3000) < 0.1


def test_it_stays_open_for_a_while_after_the_last_large_picture() -> None:
    camera = Camera()
    camera.send(30, 1000, 0)
    camera.send(2, 4000, 0)
    after = camera.number * STEP_US
    while camera.gate.push(1000, False, camera.number * STEP_US):
        camera.number += 1
    assert HOLD_US * 0.9 <= camera.number * STEP_US - after <= HOLD_US * 3


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 24), st.booleans(), st.integers(-(1 << 62), 1 << 62)),
        max_size=200,
    )
)
def test_nothing_that_a_camera_sends_breaks_it(pictures: list[tuple[int, bool, int]]) -> None:
    gate = SizeGate()
    for size, keyframe, at_us in pictures:
        gate.push(size, keyframe, at_us)
    gate.settle()
