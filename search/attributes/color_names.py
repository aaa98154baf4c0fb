"""From pixels to the twelve names of colours that people use.

Every colour has shares of names rather than one name: what lies between red and orange is a little
of both, and a coat of a thousand such pixels shall be red or orange with the other as its second,
not half of each. Names live in CIELAB by lightness, chroma and hue, looked up in a table of 32
steps each of blue, green and red.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from search.passages import Color

NAMES = len(Color)
_STEPS = 32

Shares = NDArray[np.float32]
"""float32 [13]: how much of each :class:`search.passages.Color`, by its number; sums to 1 or 0."""

# Hue in degrees of CIELAB from which on a colour of middle lightness has the name, and how many
# degrees it takes to turn from the name before.
_HUES = (
    (Color.RED, 8.0, 12.0),
    (Color.ORANGE, 52.0, 10.0),
    (Color.YELLOW, 78.0, 10.0),
    (Color.GREEN, 110.0, 14.0),
    (Color.CYAN, 182.0, 20.0),
    (Color.BLUE, 232.0, 20.0),
    (Color.PURPLE, 305.0, 12.0),
    (Color.PINK, 338.0, 14.0),
)


def shares_of_names(pixels: NDArray[np.uint8], weights: NDArray[np.float32]) -> Shares:
    """What the pixels [N, 3] (blue, green, red) are called, each counting by its weight [N]."""
    total = float(weights.sum())
    if total <= 0:
        return np.zeros(NAMES, np.float32)
    steps = (pixels >> 3).astype(np.intp)
    places = (steps[:, 0] * _STEPS + steps[:, 1]) * _STEPS + steps[:, 2]
    return np.asarray((weights @ _table()[places]) / np.float32(total), np.float32)


@cache
def _table() -> NDArray[np.float32]:
    """float32 [32768, 13]: the shares of names of each step of blue, green and red."""
    middle = ((np.arange(_STEPS) + 0.5) / _STEPS).astype(np.float32)
    colors = np.stack(np.meshgrid(middle, middle, middle, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = cv2.cvtColor(colors[None], cv2.COLOR_BGR2LAB)[0]
    lightness = lab[:, 0]
    chroma = np.asarray(np.hypot(lab[:, 1], lab[:, 2]), np.float32)
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) % 360
    named = np.zeros((len(colors), NAMES), np.float32)

    # Shade is bluish out of doors: blue must be more than a tinge to be a colour.
    bluish = _near(hue, 265, 45)
    least = np.asarray(9 + 4 * bluish + 6 * _rise(lightness, 70, 95) * (1 - bluish), np.float32)
    colorful = _rise(chroma, least, least + 9.0) * _rise(lightness, 6, 20)
    grey = 1 - colorful
    black, white = 1 - _rise(lightness, 20, 36), _rise(lightness, 68, 82)
    named[:, Color.BLACK] = grey * black
    named[:, Color.WHITE] = grey * white
    named[:, Color.GREY] = grey * (1 - black - white)

    by_hue = _by_hue(hue) * colorful[:, None]
    highest = colors.max(axis=1)
    saturation = (highest - colors.min(axis=1)) / highest
    _darken(by_hue, lightness, chroma, saturation)
    return named + by_hue


def _by_hue(hue: NDArray[np.float32]) -> NDArray[np.float32]:
    found = np.zeros((len(hue), NAMES), np.float32)
    for place, (color, begin, soft) in enumerate(_HUES):
        _, end, end_soft = _HUES[(place + 1) % len(_HUES)]
        width = (end - begin) % 360
        into = (hue - begin + 180) % 360 - 180
        over = (hue - begin - width + 180) % 360 - 180
        found[:, color] += _rise(into, -soft / 2, soft / 2) * (
            1 - _rise(over, -end_soft / 2, end_soft / 2)
        )
    # Purple and pink lie opposite to green: what wraps around the circle is counted once.
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6), np.float32)


def _darken(
    by_hue: NDArray[np.float32],
    lightness: NDArray[np.float32],
    chroma: NDArray[np.float32],
    saturation: NDArray[np.float32],
) -> None:
    """Names that depend on lightness: brown is dark or dull orange, pink is light red."""

    def turn(old: Color, new: Color, share: NDArray[np.float32]) -> None:
        by_hue[:, new] += by_hue[:, old] * share
        by_hue[:, old] *= 1 - share

    # Orange in the shade keeps its saturation, which brown has not.
    bright = np.maximum(
        _rise(lightness, 48, 62), _rise(saturation, 0.7, 0.82) * _rise(lightness, 28, 40)
    )
    dull = 1 - np.maximum(_rise(chroma, 38, 58), _rise(saturation, 0.78, 0.88))
    turn(Color.ORANGE, Color.BROWN, np.maximum(1 - bright, dull))
    khaki = (1 - _rise(lightness, 60, 78)) * (1 - _rise(chroma, 26, 40))
    mustard = (1 - _rise(lightness, 50, 66)) * (1 - _rise(chroma, 45, 65))
    turn(Color.YELLOW, Color.BROWN, np.maximum(khaki, mustard))
    turn(Color.RED, Color.BROWN, (1 - _rise(lightness, 30, 45)) * (1 - _rise(chroma, 26, 42)))
    turn(Color.RED, Color.PINK, _rise(lightness, 60, 72) * (1 - _rise(chroma, 60, 80)))
    turn(Color.PINK, Color.RED, (1 - _rise(lightness, 30, 45)) * 0.6)
    turn(Color.PURPLE, Color.PINK, _rise(lightness, 62, 75) * 0.7)
    turn(Color.PINK, Color.PURPLE, (1 - _rise(lightness, 30, 48)) * 0.4)
    # Navy and bottle green are black to whoever sees them at ten metres.
    for color in (Color.BLUE, Color.GREEN, Color.PURPLE, Color.BROWN, Color.RED):
        turn(color, Color.BLACK, (1 - _rise(lightness, 8, 20)) * (1 - _rise(chroma, 18, 32)))


def _rise(
    values: NDArray[np.float32],
    begin: float | NDArray[np.float32],
    end: float | NDArray[np.float32],
) -> NDArray[np.float32]:
    """0 before ``begin``, 1 from ``end`` on, smooth between."""
    place = np.clip((values - begin) / (np.asarray(end) - begin), 0, 1)
    return np.asarray(place * place * (3 - 2 * place), np.float32)


def _near(hue: NDArray[np.float32], middle: float, width: float) -> NDArray[np.float32]:
    away = np.abs((hue - middle + 180) % 360 - 180)
    return np.asarray(1 - np.clip(away / width, 0, 1), np.float32)
