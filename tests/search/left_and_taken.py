"""A street on which a bag is left, and later taken by somebody who passes in front of it."""

from __future__ import annotations

import numpy as np

from camera_adapters.stream import AccessUnit, Track
from search.objects import Picture
from tests.search.coded import coded

FPS = 10
LEFT_S, TAKEN_S, LASTS_S = 21.3, 50.4, 72
REGION = [[0.4, 0.5], [0.7, 0.5], [0.7, 0.9], [0.4, 0.9]]


def left_and_taken() -> tuple[Track, list[AccessUnit]]:
    """Coded, a keyframe each 2 s."""
    rng = np.random.default_rng(2)
    street = np.kron(rng.integers(90, 130, (12, 16, 1), np.uint8), np.ones((20, 20, 3), np.uint8))
    left, taken = round(LEFT_S * FPS), round(TAKEN_S * FPS)
    pictures: list[Picture] = []
    for number in range(LASTS_S * FPS):
        picture = street.copy()
        if left <= number < taken:
            picture[170:200, 160:190] = (30, 20, 140)
        if taken - 15 <= number < taken + 15:
            x = 60 + (number - taken + 15) * 6
            picture[100:210, x : x + 30] = (60, 60, 60)
        noise = rng.integers(-2, 3, picture.shape[:2])[..., None]
        pictures.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
    return coded(pictures, fps=FPS, gop=20)
