"""Which pixels of a crop are the object, and which the street around it. Cheap, and never sure.

What stands at the crop's edges is street; colours that are common there and rare in the middle
count less, and the middle counts most. A coat as grey as the street keeps a share, because nothing
else than it stands in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from search.attributes.looks import Box
from search.objects import Picture
from search.picture_color import brightest

_LEAST_TRUST = 0.12
_STREET_COUNTS = 0.8
_BRIGHT, _BRIGHTER = 220.0, 0.9
_GREY_STREET = 0.28
"""By how much the channels of a grey street may differ, in shares of its brightest."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """An object at a fixed size. ``pixels``: uint8 [height, width, 3], the object's box filling it.
    ``weights``: float32 [height, width], 0 to 1: how surely a pixel is the object.
    """

    pixels: Picture
    weights: NDArray[np.float32]


def cut_out(
    crop: Picture, box: Box, size: tuple[int, int], *, spread: float, edges: float
) -> Cutout | None:
    """The object of ``box`` (shares of the crop) at ``size`` (width, height).

    ``spread``: how wide its middle is, ``edges``: how much of either side of its box is street, as
    shares of its width. None where fewer than 6 pixels of
    it are there.
    """
    height, width = crop.shape[:2]
    left, top = max(0, round(box[0] * width)), max(0, round(box[1] * height))
    right, bottom = min(width, round(box[2] * width)), min(height, round(box[3] * height))
    if right - left < 6 or bottom - top < 6:
        return None
    pixels = np.asarray(
        cv2.resize(crop[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), np.uint8
    )
    street = _around(crop, (left, top, right, bottom), pixels, edges)
    trust = _trust(pixels, street)
    across = (np.arange(size[0], dtype=np.float32) + 0.5) / size[0]
    middle = np.exp(-0.5 * ((across - _middle(trust)) / spread) ** 2)
    return Cutout(_in_daylight(pixels, crop, street), np.asarray(trust * middle, np.float32))


def _trust(pixels: Picture, street: Picture) -> NDArray[np.float32]:
    """Per pixel: by how much more common its colour is in the middle than around the object."""
    rows, columns = pixels.shape[:2]
    inside = pixels[rows // 8 : rows * 7 // 8, columns // 4 : columns * 3 // 4].reshape(-1, 3)
    bins = _bins(pixels.reshape(-1, 3))
    share = 1 - _STREET_COUNTS * _histogram(street)[bins] / (_histogram(inside)[bins] + 1e-6)
    trust = np.clip(share.reshape(rows, columns), _LEAST_TRUST, 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(trust, (3, 3), 0), np.float32)


def _middle(trust: NDArray[np.float32]) -> float:
    """Where across the box the object stands, as a share: an arm stretched out moves its box."""
    rows, columns = trust.shape
    weights = np.maximum(trust[rows // 6 : rows * 9 // 10] - 2 * _LEAST_TRUST, 0).sum(axis=0)
    total = float(weights.sum())
    if total <= 0:
        return 0.5
    # The median: it is the trunk, whatever an arm does.
    place = int(np.searchsorted(np.cumsum(weights), total / 2))
    return float(np.clip((place + 0.5) / columns, 0.3, 0.7))


def _in_daylight(pixels: Picture, crop: Picture, street: Picture) -> Picture:
    """What the colours would be by plain daylight.

    Asphalt and concrete are nearly grey: a tinge of theirs is the light's. A street that is a
    colour (grass, brick) is no measure of it. How bright the light is, the brightest of the crop
    tells; no crop is made as bright as it could be, for not every one holds something white.
    """
    gains = np.ones(3, np.float32)
    if len(street):
        middle = np.median(street, axis=0).astype(np.float32)
        lightest, darkest = float(middle.max()), float(middle.min())
        if lightest >= 25 and lightest - darkest <= _GREY_STREET * lightest:
            gains = np.float32(middle.mean()) / middle
    white = max(1.0, brightest(crop, 98))
    gains = gains * np.float32(np.clip(_BRIGHT / white, 1, 3) ** _BRIGHTER)
    return np.asarray(np.clip(pixels * gains, 0, 255), np.uint8)


def _around(
    crop: Picture, box: tuple[int, int, int, int], pixels: Picture, edges: float
) -> Picture:
    """The street [N, 3]: what the crop holds beside the object, and its box at its sides."""
    left, top, right, bottom = box
    step = max(1, max(crop.shape[:2]) // 96)
    strips = [crop[top:bottom, :left], crop[top:bottom, right:]]
    if edges:
        edge = max(1, round(pixels.shape[1] * edges))
        strips += [pixels[:, :edge], pixels[:, -edge:]]
    else:
        strips += [crop[:top], crop[bottom:]]
    return np.concatenate([strip[::step, ::step].reshape(-1, 3) for strip in strips])


def _bins(pixels: Picture) -> NDArray[np.intp]:
    steps = (pixels >> 5).astype(np.intp)
    return np.asarray((steps[:, 0] * 8 + steps[:, 1]) * 8 + steps[:, 2], np.intp)


def _histogram(pixels: Picture) -> NDArray[np.float32]:
    """How common each colour is, softened so that a neighbouring step is no stranger."""
    counts = np.bincount(_bins(pixels), minlength=512).astype(np.float32).reshape(8, 8, 8)
    for _ in range(3):  # each turn softens the last axis and brings it to the front
        counts = np.tensordot(_SOFTEN, counts, axes=(1, 2))
    return np.asarray(counts.ravel() / max(1, len(pixels)), np.float32)


def _softening() -> NDArray[np.float32]:
    """Half of each step stays, a quarter goes to either side; none is lost at the ends."""
    matrix = 0.5 * np.eye(8) + 0.25 * (np.eye(8, k=1) + np.eye(8, k=-1))
    matrix[0, 0] = matrix[7, 7] = 0.75
    return matrix.astype(np.float32)


_SOFTEN = _softening()
