"""The colour of a vehicle's body, among windows, tyres, lamps and shadow.

Paint that is a colour shows on a part of the vehicle only; glass, rubber and shadow are grey or
black on every vehicle. So a colour needs less of the vehicle to be its name than white does, and
white less than black.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.attributes.color_judging import ColorSeen, judge_color, light_of
from search.attributes.color_names import shares_of_names
from search.attributes.foreground import cut_out
from search.attributes.looks import Look
from search.passages import Color, ColorFound

_SIZE = (72, 56)
_ACHROMATIC = [Color.BLACK, Color.GREY, Color.WHITE]
# What a part of every vehicle shows whatever its paint is: glass and rubber, chrome and road.
_COUNTS = np.ones(len(Color), np.float32)
_COUNTS[Color.BLACK] = 0.45
_COUNTS[Color.GREY] = 0.7
_COUNTS[Color.WHITE] = 1.15
_COLORFUL = 1.9


def body_color(looks: Sequence[Look]) -> ColorFound | None:
    """The colour by all looks together; None where the vehicle is too small in each of them."""
    seen: list[ColorSeen] = []
    for crop, box in looks:
        cutout = cut_out(crop, box, _SIZE, spread=0.30, edges=0.0)
        if cutout is None:
            continue
        height = (box[3] - box[1]) * crop.shape[0]
        weights = (cutout.weights * _ROWS[:, None]).ravel()
        shares = _by_paint(shares_of_names(cutout.pixels.reshape(-1, 3), weights))
        size = float(np.clip((height - 8) / 50, 0.1, 1))
        seen.append(ColorSeen(shares, size * light_of(crop)))
    return judge_color(seen) if seen else None


def _by_paint(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    counted = shares * _COUNTS
    colorful = float(shares.sum() - shares[_ACHROMATIC].sum())
    counted[[one for one in Color if one not in _ACHROMATIC]] *= 1 + (_COLORFUL - 1) * min(
        1.0, colorful / 0.3
    )
    return np.asarray(counted / max(1e-6, float(counted.sum())), np.float32)


def _rows() -> NDArray[np.float32]:
    """Bonnet, doors and sides; less of the roof's sky and the road beneath."""
    down = (np.arange(_SIZE[1], dtype=np.float32) + 0.5) / _SIZE[1]
    return np.exp(-0.5 * ((down - 0.52) / 0.22) ** 2).astype(np.float32)


_ROWS = _rows()
