"""What moves in a small picture, and what only seems to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from search.sampling.picture_gate import PictureGate, Verdict

HEIGHT, WIDTH = 90, 160
LOOK_US = 200_000
Luma = NDArray[np.uint8]


def scene() -> NDArray[np.float32]:
    """Structure at several scales."""
    rng = np.random.default_rng(2)
    shown = np.zeros((HEIGHT, WIDTH), np.float32)
    for size in (30, 10, 5):
        coarse = rng.uniform(-25, 25, (HEIGHT // size, -(-WIDTH // size)))
        shown += np.kron(coarse, np.ones((size, size)))[:HEIGHT, :WIDTH].astype(np.float32)
    return np.clip(shown + 110, 30, 220)


class Watching:
    """A gate that is shown one picture after the other, five a second."""

    def __init__(self, noise: float = 1.0) -> None:
        self.gate = PictureGate()
        self.noise = noise
        self.rng = np.random.default_rng(4)
        self.number = 0

    def see(self, picture: NDArray[np.float32], *, look_us: int = LOOK_US) -> Verdict:
        noisy = picture + self.rng.normal(0, self.noise, picture.shape)
        self.number += look_us
        return self.gate.look(np.clip(noisy, 0, 255).astype(np.uint8), self.number)

    def see_all(self, pictures: Iterable[NDArray[np.float32]]) -> Counter[Verdict]:
        return Counter(self.see(picture) for picture in pictures)


def with_thing(left: int, top: int = 40, brightness: float = 40) -> NDArray[np.float32]:
    shown = scene()
    shown[top : top + 16, left : left + 6] = brightness
    return shown


def lit(light: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> NDArray[np.float32]:
    across = np.tile(np.arange(WIDTH, dtype=np.float32), (HEIGHT, 1))
    return np.clip(scene() * light(across), 0, 255)


def test_a_walker_moves_and_an_empty_scene_is_still() -> None:
    watching = Watching()
    empty = watching.see_all([scene()] * 50)
    assert empty.pop(Verdict.ANOTHER_SCENE) == 1 and set(empty) == {Verdict.STILL}
    walking = watching.see_all(with_thing(x) for x in range(5, 150, 3))
    assert walking[Verdict.MOVING] > 40
    assert set(watching.see_all([scene()] * 20)) == {Verdict.STILL}


def test_a_walker_who_stops_lingers_and_moves_again() -> None:
    watching = Watching()
    watching.see_all([scene()] * 30)
    watching.see_all(with_thing(x) for x in range(5, 80, 3))
    waiting = watching.see_all([with_thing(80)] * 60)
    assert waiting[Verdict.LINGERING] > 30
    assert watching.see_all(with_thing(x) for x in range(80, 150, 3))[Verdict.MOVING] > 15


def test_what_is_left_is_background_in_the_end() -> None:
    watching = Watching()
    watching.see_all([scene()] * 10)
    for _ in range(200):
        watching.see(with_thing(80), look_us=1_000_000)
    assert set(watching.see_all([with_thing(80)] * 5)) == {Verdict.STILL}


def test_something_walks_even_where_it_is_dark_and_noisy() -> None:
    watching = Watching(noise=4)
    dark = scene() * 0.3
    seen = watching.see_all([dark] * 100)
    assert seen[Verdict.MOVING] == 0 and seen[Verdict.STILL] > 95
    walking = []
    for x in range(5, 150, 3):
        shown = dark.copy()
        shown[40:58, x : x + 8] = 85
        walking.append(shown)
    assert watching.see_all(walking)[Verdict.MOVING] > 30


def test_the_light_goes_up_and_down() -> None:
    watching = Watching()
    watching.see_all([scene()] * 10)
    seen = watching.see_all(lit(lambda x, n=n: x * 0 + 1 + 0.3 * np.sin(n / 5)) for n in range(100))
    assert seen[Verdict.MOVING] == 0


def test_a_shadow_of_a_cloud_passes() -> None:
    watching = Watching()
    watching.see_all([scene()] * 10)
    seen = watching.see_all(
        lit(lambda x, n=n: 0.75 + 0.25 * np.tanh((x - n * 4) / 20).astype(np.float32))
        for n in range(-20, 60)
    )
    assert seen[Verdict.MOVING] <= 2


def test_drops_of_rain_are_nothing_that_goes_on() -> None:
    watching = Watching()
    rng = np.random.default_rng(11)

    def rainy() -> NDArray[np.float32]:
        shown = scene()
        for _ in range(60):
            x, y = rng.integers(0, WIDTH - 2), rng.integers(0, HEIGHT - 9)
            shown[y : y + 9, x : x + 2] += 25
        return np.clip(shown, 0, 255)

    watching.see_all(rainy() for _ in range(150))
    assert watching.see_all(rainy() for _ in range(150))[Verdict.MOVING] <= 5


def test_leaves_become_usual_and_a_walker_in_front_of_other_things_is_still_seen() -> None:
    watching = Watching()
    rng = np.random.default_rng(12)
    leaves = np.kron(rng.uniform(-60, 60, (12, 20)), np.ones((3, 3))).astype(np.float32)

    def windy(x: int | None = None) -> NDArray[np.float32]:
        shown = scene() if x is None else with_thing(x, top=60)
        watching_s = watching.number / 1e6
        shift = round(2 * np.sin(watching_s * 2.3) + np.sin(watching_s * 5.1))
        shown[5:41, 20:80] += np.roll(leaves, shift, axis=1)
        return np.clip(shown, 0, 255)

    watching.see_all(windy() for _ in range(300))
    assert watching.see_all(windy() for _ in range(150))[Verdict.MOVING] <= 15
    assert watching.see_all(windy(x) for x in range(5, 150, 3))[Verdict.MOVING] > 30


def test_a_camera_that_is_turned_sees_another_scene_once() -> None:
    watching = Watching()
    watching.see_all([scene()] * 10)
    other = np.ascontiguousarray(np.roll(scene(), 37, axis=1)[::-1])
    assert watching.see(other) is Verdict.ANOTHER_SCENE
    assert watching.see(other) is Verdict.STILL


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-(10**12), 10**12)), max_size=8))
def test_no_pictures_break_it(looks: list[tuple[int, int]]) -> None:
    gate = PictureGate()
    rng = np.random.default_rng(1)
    pictures = [
        np.zeros((90, 160), np.uint8),
        np.full((90, 160), 255, np.uint8),
        rng.integers(0, 256, (90, 160), np.uint8),
        rng.integers(0, 256, (1, 160), np.uint8),
    ]
    for which, at_us in looks:
        assert gate.look(pictures[which], at_us) in Verdict
