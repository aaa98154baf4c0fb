"""The colours of what a person wears above and below the belt, by where these are on people.

Where a box holds no whole standing person (sitting, cut off by the picture's border, half hidden
behind a car), the parts move, and nothing is said of what cannot be in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.attributes.color_judging import ColorSeen, judge_color, light_of
from search.attributes.color_names import shares_of_names
from search.attributes.foreground import Cutout, cut_out
from search.attributes.looks import WITHIN_MARGIN, Look
from search.objects import Picture
from search.passages import ColorFound

_SIZE = (40, 96)
_STANDING = 1.55
"""Height by width from which on a box holds a whole person."""
_UPPER, _LOWER = (0.19, 0.46), (0.54, 0.84)
_UPPER_ONLY = (0.36, 0.92)
_RIDING_UPPER, _RIDING_LOWER = (0.22, 0.55), (0.58, 0.85)


def clothing_colors(
    looks: Sequence[Look], *, cut_below: bool = False
) -> tuple[ColorFound | None, ColorFound | None]:
    """Upper and lower. ``cut_below``: the picture ends at the person's waist or knees.

    A colour is None where that part is not in the pictures, ``UNKNOWN`` where it is and the light
    does not tell.
    """
    upper: list[ColorSeen] = []
    lower: list[ColorSeen] = []
    for crop, box in looks:
        cutout = cut_out(crop, box, _SIZE, spread=0.19, edges=0.08)
        if cutout is None:
            continue
        height = (box[3] - box[1]) * crop.shape[0]
        tall = height / max(1.0, (box[2] - box[0]) * crop.shape[1])
        standing = tall >= _STANDING and not cut_below
        light = light_of(crop)
        upper.append(_look_at(cutout, _UPPER if standing else _UPPER_ONLY, height, light))
        if standing:
            lower.append(_look_at(cutout, _LOWER, height, light))
    return (judge_color(upper) if upper else None, judge_color(lower) if lower else None)


def rider_colors(crop: Picture) -> tuple[ColorFound | None, ColorFound | None]:
    """Upper and lower of who sits on a two-wheeler, cut out with a margin of a tenth.

    Less sure below: legs are bent there, and mixed with the machine.
    """
    cutout = cut_out(crop, WITHIN_MARGIN, _SIZE, spread=0.19, edges=0.08)
    if cutout is None:
        return None, None
    light = light_of(crop)
    upper = _look_at(cutout, _RIDING_UPPER, crop.shape[0], light)
    lower = _look_at(cutout, _RIDING_LOWER, crop.shape[0], light)
    return judge_color([upper]), judge_color([ColorSeen(lower.shares, lower.weight * 0.5)])


def _look_at(
    cutout: Cutout, rows: tuple[float, float], height_pixels: float, light: float
) -> ColorSeen:
    first, last = (round(place * _SIZE[1]) for place in rows)
    pixels = cutout.pixels[first:last].reshape(-1, 3)
    weights = cutout.weights[first:last].ravel()
    size = float(np.clip((height_pixels - 12) / 60, 0.1, 1))
    return ColorSeen(shares_of_names(pixels, weights), size * light)
