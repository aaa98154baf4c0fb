"""The colour of a plate's ground, which says what kind of vehicle may carry it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from search.attributes.color_judging import ColorSeen, judge_color
from search.attributes.color_names import NAMES, Shares, shares_of_names
from search.objects import Picture
from search.passages import Color, ColorFound

# What light, dirt and shadow make of a ground, for what it was painted.
_GROUNDS = {
    Color.BLUE: (Color.BLUE, Color.PURPLE),
    Color.YELLOW: (Color.YELLOW, Color.ORANGE, Color.BROWN),
    Color.GREEN: (Color.GREEN, Color.CYAN),
}
_LEAST_GROUND = 0.22
"""The share of a plate that its ground has at least, between the characters and in the light."""


def plate_color(plates: Sequence[tuple[Picture, float]]) -> ColorFound:
    """Of straightened plates, each with its weight: blue, yellow, green, white or black.

    ``UNKNOWN`` where there is none, or none of them says.
    """
    return judge_color([ColorSeen(_ground(plate), weight) for plate, weight in plates])


def _ground(plate: Picture) -> Shares:
    height, width = plate.shape[:2]
    inside = plate[height // 8 : height * 7 // 8, width // 16 : width * 15 // 16]
    small = np.asarray(cv2.resize(inside, (64, 20), interpolation=cv2.INTER_AREA), np.uint8)
    # In poor light a plate's white is the brightest thing on it, and its colours as dark.
    brightest = max(32.0, float(np.percentile(small, 98)))
    lit = np.clip(small * (235.0 / brightest), 0, 255).astype(np.uint8).reshape(-1, 3)
    called = shares_of_names(lit, np.ones(len(lit), np.float32))
    ground = np.zeros(NAMES, np.float32)
    for color, as_well in _GROUNDS.items():
        ground[color] = sum(float(called[one]) for one in as_well)
    best = int(ground.argmax())
    if ground[best] < _LEAST_GROUND:
        grey = lit.max(axis=1).astype(np.float32)
        bright = float((grey > (np.percentile(grey, 5) + np.percentile(grey, 95)) / 2).mean())
        ground[:] = 0
        ground[Color.WHITE], ground[Color.BLACK] = bright, 1 - bright
    return np.asarray(ground / max(1e-6, float(ground.sum())), np.float32)
