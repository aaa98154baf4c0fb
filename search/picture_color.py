"""Whether a picture has colour, and how bright it is.

Infra-red pictures are grey, or of one tint throughout. What is grey in a crop may be a grey car on
grey asphalt by day; the whole frame says more than the crop does
(:attr:`search.objects.Frame.monochrome`), and who has it asks it first.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from search.objects import Picture

_GREYISH = 2.0
"""By how much a and b of CIELAB spread where there is no colour: noise of coding alone. A walker in
black on asphalt has a face, and spreads by seven."""


def is_monochrome(picture: Picture) -> bool:
    """Without colour: every pixel grey, or all of one tint, as far as coding lets one tell."""
    small: NDArray[Any] = picture
    if max(picture.shape[:2]) > 96:
        scale = 96 / max(picture.shape[:2])
        small = cv2.resize(
            picture,
            (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))),
            interpolation=cv2.INTER_AREA,
        )
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    away = np.zeros(lab.shape[0] * lab.shape[1], np.float32)
    for channel in (1, 2):
        values = lab[..., channel].ravel()
        np.maximum(away, np.abs(values - _percentile(values, 50)), out=away)
    return _percentile(away, 98) < _GREYISH


def brightest(picture: Picture, percent: float) -> float:
    """The value (0 to 255) of its brightest channel below which ``percent`` of its pixels lie."""
    step = max(1, max(picture.shape[:2]) // 64)
    blue, green, red = (picture[::step, ::step, channel] for channel in range(3))
    return _percentile(np.maximum(np.maximum(blue, green), red).ravel(), percent)


def _percentile(values: NDArray[Any], percent: float) -> float:
    """As numpy's, in a third of its time: it is asked for twice in each crop."""
    place = percent / 100 * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    sorted_there = np.partition(values, (below, above))
    low, high = float(sorted_there[below]), float(sorted_there[above])
    return low + (high - low) * (place - below)
