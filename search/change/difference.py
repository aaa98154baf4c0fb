"""Where two looks at a region differ by more than light and noise, and what made the difference."""

from __future__ import annotations

import enum
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from search.change.region import Look

Mask = NDArray[np.uint8]

_LEAST_CONTRAST = 9.0
_SURROUNDINGS_SHARE = 0.55
_DARK = np.float32(8.0)
_STEPS = 64.0
_LOGARITHMS = np.log(np.arange(256, dtype=np.float32) + _DARK)
_LEAST_TINT = 9.0
_TELLING = 0.2
_INTERIOR_COUNTS = 0.5
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_RING = np.ones((7, 7), np.uint8)


class Kind(enum.StrEnum):
    """What happened in the region."""

    MOVED = "moved"
    """Something passed through, or was in front; all was as before afterwards."""
    APPEARED = "appeared"
    """A thing was left there."""
    GONE = "gone"
    """A thing that was there was taken away."""
    CHANGED = "changed"
    """It looks different from then on, and it cannot be told which of the two."""


def differences(now: Look, before: Look) -> Mask:
    """1 where they differ: brightness by more than other light explains, or colour."""
    differ = _unexplained(now.planes[0], before.planes[0]) > _LEAST_CONTRAST
    for index in (1, 2):
        tint = now.planes[index].astype(np.int16) - before.planes[index]
        differ |= np.abs(tint - np.int16(np.median(tint))) > _LEAST_TINT
    mask = differ.view(np.uint8)
    # Single pixels are noise: half of what is around them must differ too.
    return (cv2.blur(mask * np.uint8(9), (3, 3)) >= 5).astype(np.uint8) & mask


def nearer_to(look: Look, one: Look, other: Look, where: Mask) -> float:
    """How much more ``look`` is like ``one`` than like ``other`` there: 1 the same as ``one``, 0
    the same as ``other``.
    """
    there = where.astype(bool)
    planes = look.planes[:, there].astype(np.float32)
    to_one = float(np.abs(planes - one.planes[:, there]).mean())
    to_other = float(np.abs(planes - other.planes[:, there]).mean())
    return to_other / (to_one + to_other) if to_one + to_other else 1.0


def kind_of(before: Look, after: Look, where: Mask) -> Kind:
    """What a lasting difference in one place is. A thing has an outline, and is unlike what is
    around it: where that came it appeared, where it went the thing is gone.
    """
    outline = cv2.dilate(where, _NEIGHBOURS) - cv2.erode(where, _NEIGHBOURS)
    score = math.log((_edges(after, outline) + 2.0) / (_edges(before, outline) + 2.0))
    around = cv2.dilate(where, _RING) - cv2.dilate(where, _NEIGHBOURS)
    if around.any():
        unlike_after = _unlike(after, where, np.asarray(around, np.uint8))
        unlike_before = _unlike(before, where, np.asarray(around, np.uint8))
        score += _INTERIOR_COUNTS * math.log((unlike_after + 4.0) / (unlike_before + 4.0))
    if score > _TELLING:
        return Kind.APPEARED
    return Kind.GONE if score < -_TELLING else Kind.CHANGED


def places(mask: Mask, least_area: int) -> list[Mask]:
    """The separate places of a mask that are large enough, as masks; the largest first."""
    count, labels = cv2.connectedComponents(cv2.dilate(mask, _NEIGHBOURS), connectivity=8)
    own = np.where(mask > 0, np.asarray(labels, np.int32), np.int32(0))
    areas = np.bincount(own.ravel(), minlength=count)
    areas[0] = 0
    numbers = sorted(np.flatnonzero(areas >= least_area), key=lambda one: -int(areas[one]))
    return [(own == number).astype(np.uint8) for number in numbers]


def _unexplained(now: NDArray[np.uint8], before: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much brightness differs from what it was under the light of now: all around it brighter
    or darker by one factor, which most of the surroundings agree on. A thing is the fewer of them,
    and the edge of a shadow stays one.
    """
    ratio = _LOGARITHMS[now] - _LOGARITHMS[before]
    steps = np.clip(np.round(ratio * _STEPS + 128), 0, 255).astype(np.uint8)
    size = max(3, round(_SURROUNDINGS_SHARE * min(now.shape)) | 1)
    light = np.exp((np.asarray(cv2.medianBlur(steps, size), np.float32) - 128) / _STEPS)
    expected = (before + _DARK) * light - _DARK
    return np.asarray(np.abs(now - expected) / np.maximum(light, 1.0), np.float32)


def _edges(look: Look, outline: NDArray[np.generic]) -> float:
    luma = look.planes[0]
    across = np.asarray(cv2.Sobel(luma, cv2.CV_32F, 1, 0), np.float32)
    down = np.asarray(cv2.Sobel(luma, cv2.CV_32F, 0, 1), np.float32)
    return float(np.hypot(across, down)[outline.astype(bool)].mean()) / 4


def _unlike(look: Look, one: Mask, other: Mask) -> float:
    here = look.planes[:, one.astype(bool)].mean(axis=1)
    there = look.planes[:, other.astype(bool)].mean(axis=1)
    return float(np.linalg.norm(here - there))
