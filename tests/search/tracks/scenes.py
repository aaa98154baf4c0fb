"""Pictures and detections made by hand, for tests of following."""

from __future__ import annotations

import numpy as np

from search.objects import CLASS_NUMBERS, Detections, Frame, ObjectClass, Picture

START_US = 1_790_000_000_000_000
WIDTH, HEIGHT = 640, 360

Found = tuple[ObjectClass, float, tuple[float, float, float, float]]
"""Class, score, box in pixels."""


def textured(width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A picture that has colours and is sharp everywhere."""
    return np.random.default_rng(5).integers(0, 255, (height, width, 3), np.uint8)


TEXTURE = textured()


def frame(seconds: float, picture: Picture = TEXTURE, *, monochrome: bool = False) -> Frame:
    """A picture so many seconds after the start."""
    return Frame("camera", START_US + round(seconds * 1_000_000), picture, monochrome)


def found(*objects: Found) -> Detections:
    """What a detector would say."""
    return Detections(
        np.array([box for _, _, box in objects], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in objects], np.float32),
        np.array([CLASS_NUMBERS[one] for one, _, _ in objects], np.uint8),
    )


def person(x: float, foot: float = 250, score: float = 0.8, height: float = 90) -> Found:
    """Somebody whose feet are at (x, foot)."""
    return ObjectClass.PERSON, score, (x - height / 6, foot - height, x + height / 6, foot)


def car(x: float, foot: float = 200, score: float = 0.8, kind: str = "car") -> Found:
    """A car, 120 pixels wide."""
    return ObjectClass(kind), score, (x - 60, foot - 70, x + 60, foot)
