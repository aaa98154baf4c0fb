"""How boxes lie on each other. Boxes are float arrays [N, 4]: left, top, right, bottom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]

_BEHIND = 0.4


def common_areas(a: Boxes, b: Boxes) -> Boxes:
    """[len(a), len(b)]: the area that each pair has in common."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def areas(boxes: Boxes) -> Boxes:
    """[N]: each box's area."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float32)


def overlaps(a: Boxes, b: Boxes) -> Boxes:
    """[len(a), len(b)]: intersection over union."""
    common = common_areas(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)


def overlap_of(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two boxes (left, top, right, bottom): intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(sizes) - both)


def hidden_shares(boxes: Boxes) -> Boxes:
    """[N]: which share of each box shows others: those who stand before it (whose lower edge is
    lower), and for less those behind it, who look out beside it.
    """
    if len(boxes) < 2:
        return np.zeros(len(boxes), np.float32)
    weight = np.where(boxes[None, :, 3] > boxes[:, None, 3], 1.0, _BEHIND)
    np.fill_diagonal(weight, 0)
    covered = (common_areas(boxes, boxes) * weight).sum(axis=1)
    return np.asarray(np.minimum(1.0, covered / np.maximum(areas(boxes), 1e-9)), np.float32)


def riders(wheelers: Boxes, people: Boxes) -> list[int]:
    """For each two-wheeler the person who sits on it, -1 for none.

    Somebody sits on it whose middle is above it, whose lower edge lies within its height (feet on
    the pedals), and of whom a fifth is in common with it. Who pushes it or stands beside it has
    their feet on the ground, at its lower edge, and their middle mostly off its own.
    """
    found = [-1] * len(wheelers)
    if not len(wheelers) or not len(people):
        return found
    common = common_areas(wheelers, people) / np.maximum(areas(people)[None, :], 1e-9)
    for row, wheeler in enumerate(wheelers):
        width, height = wheeler[2] - wheeler[0], wheeler[3] - wheeler[1]
        middle = (people[:, 0] + people[:, 2]) / 2
        sits = (
            (common[row] >= 0.2)
            & (middle > wheeler[0] + 0.1 * width)
            & (middle < wheeler[2] - 0.1 * width)
            & (people[:, 1] < wheeler[1] + 0.2 * height)
            & (people[:, 3] > wheeler[1] + 0.2 * height)
            & (people[:, 3] < wheeler[3] + 0.1 * height)
        )
        if sits.any():
            found[row] = int(np.where(sits, common[row], 0).argmax())
    return found
