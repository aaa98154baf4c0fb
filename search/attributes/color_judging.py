"""One colour out of what several pictures of an object showed, and how sure that is.

The confidence is the share of the object's pixels, over all its pictures, that are called so, less
what speaks against it: few pixels, little light, pictures that disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.attributes.color_names import Shares
from search.objects import Picture
from search.passages import Color, ColorFound
from search.picture_color import brightest

UNKNOWN_COLOR = ColorFound(Color.UNKNOWN, 0.0)
"""Looked for and not to be told: infra-red, monochrome, too dark."""

_DARK, _LIT = 42.0, 150.0
"""The brightest of a crop, 0 to 255, up to which black and dark blue are the same, and from which
there is light enough."""
_SECOND_SHARE = 0.22


@dataclass(frozen=True, slots=True, eq=False)
class ColorSeen:
    """What one picture showed: shares of names, and how much that picture counts, 0 to 1: by its
    light and its size.
    """

    shares: Shares
    weight: float


def light_of(crop: Picture) -> float:
    """How much light there is to tell colours by, 0 (none) to 1."""
    return float(np.clip((brightest(crop, 95) - _DARK) / (_LIT - _DARK), 0, 1))


def judge_color(seen: Sequence[ColorSeen]) -> ColorFound:
    """The colour that all pictures together speak for; ``UNKNOWN`` where none of them can."""
    weights = np.array([one.weight for one in seen], np.float32)
    if not len(seen) or float(weights.sum()) <= 0:
        return UNKNOWN_COLOR
    shares = np.stack([one.shares for one in seen])
    together = (weights @ shares) / weights.sum()
    order = np.argsort(-together)
    best, second = int(order[0]), int(order[1])
    total = float(together.sum())
    if total <= 0:
        return UNKNOWN_COLOR
    share = float(together[best]) / total
    agreeing = float(weights[shares.argmax(axis=1) == best].sum() / weights.sum())
    clearest = float(np.clip(weights.max(), 0, 1))
    confidence = share * (0.6 + 0.4 * agreeing) * (0.4 + 0.6 * clearest)
    near = float(together[second]) / total >= _SECOND_SHARE
    return ColorFound(Color(best), round(min(confidence, 0.99), 3), Color(second) if near else None)
