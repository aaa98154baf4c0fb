"""Faults of cameras, made: what each does to a good picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Damage = Callable[[Picture], Picture]
_RANDOM = np.random.default_rng(20)


def _picture(values: object) -> Picture:
    return np.clip(np.asarray(values), 0, 255).astype(np.uint8)


def noisy(picture: Picture, deviation: float) -> Picture:
    return _picture(picture + _RANDOM.normal(0, deviation, picture.shape))


def _cast(picture: Picture) -> Picture:
    return _picture(picture * np.array([0.7, 1.0, 1.2]) + np.array([0, 0, 25]))


def _half(picture: Picture) -> Picture:
    covered = picture.copy()
    covered[:, : picture.shape[1] * 5 // 8] = (90, 95, 92)
    return covered


def moved(across: int, down: int) -> Damage:
    def move(picture: Picture) -> Picture:
        size = (picture.shape[1], picture.shape[0])
        by = np.array([[1, 0, across], [0, 1, down]], dtype=np.float32)
        return _picture(cv2.warpAffine(picture, by, size, borderMode=cv2.BORDER_REFLECT))

    return move


# Of pictures that are 640 wide.
DAMAGES: dict[str, tuple[str, Damage]] = {
    "no light": ("black", lambda one: _picture(one * 0.03)),
    "out of focus": ("blurred", lambda one: _picture(cv2.GaussianBlur(one, (0, 0), 3))),
    "a bag": ("covered", lambda one: noisy(np.full_like(one, 80), 2)),
    "a board before most of it": ("covered", _half),
    "knocked a little": ("shifted", moved(40, 0)),
    "knocked aslant": ("shifted", moved(80, 20)),
    "turned away": ("shifted", moved(200, 0)),
    "a filter that is stuck": ("color_cast", _cast),
    "a failing sensor": ("noisy", lambda one: noisy(one, 16)),
}

# No fault of the camera's.
WEATHER: dict[str, Damage] = {
    "as it is": lambda one: one,
    "a dark day": lambda one: _picture(one * 0.45),
    "sun": lambda one: _picture(one * 1.35 + 10),
    "dusk": lambda one: noisy(_picture(one * 0.3), 2.5),
}


def jpeg(picture: Picture, quality: int = 80) -> bytes:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data.tobytes()


def scene(seed: int = 1) -> Picture:
    """A made street: walls, edges and patches, the same for a seed."""
    random = np.random.default_rng(seed)
    picture = np.full((360, 640, 3), 110, np.uint8)
    for _ in range(90):
        x, y = (int(one) for one in random.integers(0, (600, 330)))
        wide, high = (int(one) for one in random.integers(15, 140, 2))
        color = tuple(
            int(one) for one in random.integers(30, 220, 1).repeat(3) + random.integers(-20, 20, 3)
        )
        cv2.rectangle(picture, (x, y), (x + wide, y + high), color, -1)
    return noisy(picture, 1)
