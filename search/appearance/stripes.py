"""The embedder that needs no model: how much of which colour, stripe by stripe from top to bottom.

Square roots of a histogram, so that the dot product of two is their Bhattacharyya coefficient. Each
pixel is shared among its neighbouring bins, because light moves colours a little and a hard border
between two bins would make the same coat two coats. The middle of the crop counts most: its edges
are street.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from search.objects import ObjectClass, Picture
from search.picture_color import is_monochrome

_HUES = 12
_SATURATIONS = 2
_GREYS = 6
_BINS = _HUES * _SATURATIONS + _GREYS
_WIDTH, _HEIGHT = 32, 72
_STRIPES = 6
_LEAST_SIDE = 8


class StripesEmbedder:
    """Implements :class:`search.appearance.embed.Embedder`, in about half a millisecond a crop."""

    kind = "stripes-1"
    size = _STRIPES * _BINS

    def embed(
        self, crops: Sequence[Picture], classes: Sequence[ObjectClass]
    ) -> NDArray[np.float32]:
        """See :meth:`search.appearance.embed.Embedder.embed`."""
        vectors = np.zeros((len(crops), self.size), np.float32)
        for row, crop in zip(vectors, crops, strict=True):
            if min(crop.shape[:2]) >= _LEAST_SIDE and not is_monochrome(crop):
                row[:] = _describe(crop)
        return vectors


def _describe(crop: Picture) -> NDArray[np.float32]:
    small = cv2.resize(crop, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2HSV)
    hue, saturation, value = (
        np.asarray(hsv[..., channel].ravel(), np.float32) for channel in range(3)
    )
    # What is nearly black has a hue by accident.
    chroma = saturation * np.clip(value * 4, 0, 1)
    colorful = np.clip((chroma - 0.10) / 0.20, 0, 1)
    vivid = np.clip((chroma - 0.35) / 0.30, 0, 1)
    shares = np.zeros(_STRIPES * _BINS)

    def count(bins: NDArray[np.intp], weights: NDArray[np.float32]) -> None:
        shares[:] += np.bincount(_FIRST_BIN + bins, weights * _MIDDLE, len(shares))

    lower_hue, upper_hue, hue_share = _between(hue * np.float32(_HUES / 360), _HUES, wraps=True)
    for band, weight in ((0, colorful * (1 - vivid)), (1, colorful * vivid)):
        count(band * _HUES + lower_hue, weight * (1 - hue_share))
        count(band * _HUES + upper_hue, weight * hue_share)
    dark, light, grey_share = _between(value * np.float32(_GREYS - 1), _GREYS, wraps=False)
    first_grey = _HUES * _SATURATIONS
    count(first_grey + dark, (1 - colorful) * (1 - grey_share))
    count(first_grey + light, (1 - colorful) * grey_share)
    vector = np.sqrt(shares)
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length, np.float32)


def _between(
    places: NDArray[np.float32], bins: int, *, wraps: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """The two bins that each place lies between, and how near it is to the second."""
    lower = np.floor(places).astype(np.intp)
    share = (places - lower).astype(np.float32)
    if wraps:
        return lower % bins, (lower + 1) % bins, share
    return np.clip(lower, 0, bins - 1), np.clip(lower + 1, 0, bins - 1), share


def _middle() -> NDArray[np.float32]:
    across = np.exp(-(((np.arange(_WIDTH) + 0.5) / _WIDTH - 0.5) ** 2) / (2 * 0.18**2))
    along = np.exp(-((((np.arange(_HEIGHT) + 0.5) / _HEIGHT - 0.5) / 0.48) ** 6))
    return np.outer(along, across).astype(np.float32).ravel()


_MIDDLE = _middle()
_FIRST_BIN = (np.arange(_HEIGHT * _WIDTH) // (_HEIGHT * _WIDTH // _STRIPES) * _BINS).astype(np.intp)
