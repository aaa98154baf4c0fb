"""Which looks at an object are kept: large, sharp, whole, well believed, and spread in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from search.objects import Picture
from search.passages import Evidence

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; pixels or shares, as said where it is used."""

EVIDENCE_KEPT = 5
SHOWN_PIXELS = 256
"""The longer side of the crop that is shown and stored."""
EVIDENCE_PIXELS = 1024
"""The longer side of evidence: a plate on a vehicle that fills this is still 100 pixels wide."""
EVIDENCE_APART_US = 400_000
"""Pictures nearer to each other than this show the same: the better one stays."""
MARGIN = 0.1

_LARGE_PIXELS = 160.0
"""From this height or width on, more size tells nothing more about an object."""
_SHARPNESS_SIDE = 64
_SHARP = 120.0
"""The Laplacian's variance of a crop 64 pixels high that counts as half sharp."""
_SHARPER_AT_MOST = 1.15
"""A look is not cut out to see whether it is sharper than the sharpest by more than this."""
_EDGE = 0.006
"""A box that ends this near to the picture's border is probably cut off by it."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at an object, cut out at full resolution. ``box``: in the picture, as shares."""

    at_us: int
    value: float
    crop: Picture
    box: Box
    box_in_crop: Box
    confidence: float
    monochrome: bool


def worth(box: Box, picture_height: int, picture_width: int, score: float, hidden: float) -> float:
    """How good a look can be before its sharpness is known, 0 to 1; nearly free.

    ``box`` as shares; ``hidden``: the share of it that other objects stand before.
    """
    left, top, right, bottom = box
    pixels = max((right - left) * picture_width, (bottom - top) * picture_height)
    size = min(1.0, pixels / _LARGE_PIXELS)
    whole = 1.0
    if left < _EDGE or right > 1 - _EDGE:
        whole *= 0.6
    if top < _EDGE or bottom > 1 - _EDGE:
        whole *= 0.7
    return float(size * whole * score * (1.0 - 0.8 * hidden))


def sharpness(crop: Picture) -> float:
    """0 (flat or blurred) to 1, from the variance of the Laplacian at a fixed size."""
    height, width = crop.shape[:2]
    scale = _SHARPNESS_SIDE / max(height, width)
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    small = cv2.resize(crop, size, interpolation=cv2.INTER_AREA) if scale < 1 else crop
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S, ksize=1))
    variance = float(deviation[0, 0]) ** 2
    return variance / (variance + _SHARP)


def cut(picture: Picture, box: Box, longest: int) -> tuple[Picture, Box]:
    """The object with a margin, its longer side at most ``longest`` pixels, and where in it the
    object is (shares of the crop). ``box`` as shares of the picture. The crop is a copy.
    """
    crop, inside = _around(picture, box)
    return _at_most(crop, longest), inside


def _around(picture: Picture, box: Box) -> tuple[Picture, Box]:
    """The same at full size, and no copy."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    across, down = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left = min(max(0, int(x0 - across)), width - 1)
    top = min(max(0, int(y0 - down)), height - 1)
    right = max(left + 1, min(width, math.ceil(x1 + across)))
    bottom = max(top + 1, min(height, math.ceil(y1 + down)))
    inside = (
        (x0 - left) / (right - left),
        (y0 - top) / (bottom - top),
        (x1 - left) / (right - left),
        (y1 - top) / (bottom - top),
    )
    return picture[top:bottom, left:right], inside


def _at_most(crop: Picture, longest: int) -> Picture:
    """A copy, its longer side at most ``longest`` pixels."""
    height, width = crop.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return crop.copy()
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)


class Looks:
    """The best few looks at one object. Bounded: :data:`EVIDENCE_KEPT` crops, no whole picture."""

    __slots__ = ("_kept", "_sharpest")

    def __init__(self) -> None:
        self._sharpest = 0.0
        self._kept: list[Look] = []

    @property
    def best(self) -> Look:
        """The best of all. There is one from the first offer on."""
        return max(self._kept, key=lambda look: look.value)

    @property
    def pixels_bytes(self) -> int:
        """What the kept crops take in memory."""
        return sum(look.crop.nbytes for look in self._kept)

    def offer(
        self, picture: Picture, at_us: int, box: Box, score: float, hidden: float, monochrome: bool
    ) -> None:
        """Keep this look if it is better than one that is kept, or there is room."""
        value = worth(box, picture.shape[0], picture.shape[1], score, hidden)
        rival = self._rival(at_us)
        if rival is not None and value * self._sharpest * _SHARPER_AT_MOST <= rival.value:
            return
        crop, inside = _around(picture, box)
        sharp = sharpness(crop)
        self._sharpest = min(1.0, max(self._sharpest, sharp))
        value *= sharp
        if rival is not None:
            if value <= rival.value:
                return
            self._kept.remove(rival)
        self._kept.append(
            Look(at_us, value, _at_most(crop, EVIDENCE_PIXELS), box, inside, score, monochrome)
        )

    def drop_worst(self) -> bool:
        """Forget the worst look. False: it is the only one, and stays."""
        if len(self._kept) < 2:
            return False
        self._kept.remove(min(self._kept, key=lambda look: look.value))
        return True

    def evidence(self) -> list[Evidence]:
        """All that is kept, best first."""
        return [
            Evidence(look.at_us, look.crop, look.box_in_crop, look.confidence, look.box)
            for look in sorted(self._kept, key=lambda look: -look.value)
        ]

    def _rival(self, at_us: int) -> Look | None:
        """Whose place a new look would take: that of its moment, else the worst of a full list."""
        for look in self._kept:
            if abs(at_us - look.at_us) < EVIDENCE_APART_US:
                return look
        if len(self._kept) < EVIDENCE_KEPT:
            return None
        return min(self._kept, key=lambda look: look.value)


def shown_crop(look: Look) -> Picture:
    """The look as it is shown and stored: its longer side at most :data:`SHOWN_PIXELS`."""
    height, width = look.crop.shape[:2]
    scale = SHOWN_PIXELS / max(height, width)
    if scale >= 1:
        return look.crop
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(look.crop, size, interpolation=cv2.INTER_AREA), np.uint8)
