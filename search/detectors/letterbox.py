"""Pictures of any size into the one size that a model takes, and its boxes back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from search.objects import Picture

SIZE_STEP = 32
"""Sides of a model's input are multiples of its coarsest stride."""


@dataclass(frozen=True, slots=True)
class InputForm:
    """What a model takes: [pictures, 3, height, width], each value ``value * scale + offset``.

    ``scale`` and ``offset`` are per plane in the order in which the model has the planes: red,
    green, blue where ``red_first``. Around the picture is the grey ``margin`` (0 to 255).
    """

    width: int
    height: int
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    red_first: bool
    margin: int


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a picture lies in the model's input: pixels there = pixels here * ratio + shift."""

    width: int
    height: int
    ratio_x: float
    ratio_y: float
    left: int
    top: int

    def boxes_back(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes [N, 4] of the model's input as those of the picture, clipped to it."""
        shift = np.array([self.left, self.top] * 2, np.float32)
        ratio = np.array([self.ratio_x, self.ratio_y] * 2, np.float32)
        limits = np.array([self.width, self.height] * 2, np.float32)
        placed: NDArray[np.float32] = (boxes - shift) / ratio
        return np.minimum(np.maximum(placed, np.float32(0)), limits)


def place(picture: Picture, form: InputForm) -> Placed:
    """Where the picture goes: as large as fits, its shape kept, in the middle."""
    height, width = picture.shape[:2]
    if not height or not width:
        raise ValueError(f"a picture of {width}×{height} pixels has nothing in it")
    ratio = min(form.width / width, form.height / height)
    inner_width = min(form.width, max(1, round(width * ratio)))
    inner_height = min(form.height, max(1, round(height * ratio)))
    return Placed(
        width,
        height,
        inner_width / width,
        inner_height / height,
        (form.width - inner_width) // 2,
        (form.height - inner_height) // 2,
    )


def fitted(picture: Picture, form: InputForm) -> InputForm:
    """For models that take any size: as much of the form as the picture fills, in steps of 32."""
    placed = place(picture, form)
    width, height = placed.width * placed.ratio_x, placed.height * placed.ratio_y
    return replace(
        form,
        width=-(-round(width) // SIZE_STEP) * SIZE_STEP,
        height=-(-round(height) // SIZE_STEP) * SIZE_STEP,
    )


def fill(pictures: Sequence[Picture], form: InputForm, into: NDArray[np.float32]) -> list[Placed]:
    """Write pictures into the first rows of ``into`` [≥ N, 3, height, width], float32."""
    places = []
    for number, picture in enumerate(pictures):
        placed = place(picture, form)
        right = form.width - placed.left - round(placed.width * placed.ratio_x)
        bottom = form.height - placed.top - round(placed.height * placed.ratio_y)
        inner = (form.width - placed.left - right, form.height - placed.top - bottom)
        small = picture if picture.shape[1::-1] == inner else cv2.resize(picture, inner)
        if placed.left or placed.top or right or bottom:
            sides = (placed.top, bottom, placed.left, right)
            grey = (form.margin,) * 3
            small = cv2.copyMakeBorder(small, *sides, cv2.BORDER_CONSTANT, value=grey)
        planes = cv2.split(small)
        for plane, scale, offset, row in zip(
            planes[::-1] if form.red_first else planes,
            form.scale,
            form.offset,
            into[number],
            strict=True,
        ):
            cv2.addWeighted(plane, scale, plane, 0, offset, dst=row, dtype=cv2.CV_32F)
        places.append(placed)
    return places
