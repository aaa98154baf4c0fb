"""NanoDet with Generalised Focal Loss heads: three maps of scores, three of box distances.

A box is told as four distances from its cell's middle, each as a distribution over eleven steps of
the cell's size (Li et al., Generalized Focal Loss, 2020, §3).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.detectors.classes import COCO, NO_CLASS, numbers_of
from search.detectors.letterbox import InputForm
from search.detectors.suppression import Candidates

FOLLOWED = 0.35
"""Told from this score on, as its makers show it: below, it proposes much that is nothing."""
STRIDES = (8, 16, 32)
STEPS = 11

_MEAN = (103.53, 116.28, 123.675)
_DEVIATION = (57.375, 57.12, 58.395)


def input_form(width: int, height: int) -> InputForm:
    """Blue first, normalised by ImageNet's mean and deviation."""
    return InputForm(
        width,
        height,
        scale=(1 / _DEVIATION[0], 1 / _DEVIATION[1], 1 / _DEVIATION[2]),
        offset=(
            -_MEAN[0] / _DEVIATION[0],
            -_MEAN[1] / _DEVIATION[1],
            -_MEAN[2] / _DEVIATION[2],
        ),
        red_first=False,
        margin=0,
    )


def is_nanodet(shapes: Sequence[tuple[int, ...]], width: int, height: int) -> bool:
    """Whether outputs [pictures, cells, values] are the six maps of COCO's 80 classes."""
    expected = [
        (cells, values) for cells in _cells(width, height) for values in (len(COCO), 4 * STEPS)
    ]
    return sorted(shape[1:] for shape in shapes) == sorted(expected)


class NanoDetReader:
    """Reads the six maps, whatever their order, for the classes that are looked for."""

    def __init__(self, score: float) -> None:
        self._score = score
        self._numbers = numbers_of(COCO)
        self._wanted = np.flatnonzero(self._numbers != NO_CLASS)
        self._steps = np.arange(STEPS, dtype=np.float32)

    def candidates(
        self, outputs: Sequence[NDArray[np.float32]], row: int, form: InputForm
    ) -> Candidates:
        """What the model proposes in one picture of the batch."""
        counts = _cells(form.width, form.height)
        by_shape = {output.shape[1:]: output[row] for output in outputs}
        scores = np.concatenate([by_shape[count, len(COCO)] for count in counts])
        wanted = scores[:, self._wanted]
        best = wanted.max(axis=1)
        # Not `best >= score`: what is no number must be seen by who checks the candidates.
        cells = np.flatnonzero(~(best < self._score))
        surest = scores[cells].max(axis=1)
        cells = cells[~(best[cells] < surest)]
        distances = np.concatenate([by_shape[count, 4 * STEPS] for count in counts])[cells]
        bins = distances.reshape(-1, 4, STEPS)
        shares = np.exp(bins - bins.max(axis=2, keepdims=True))
        centres, strides = _places(form.width, form.height)
        reach = (shares @ self._steps) / shares.sum(axis=2) * strides[cells, None]
        middles = centres[cells]
        boxes = np.concatenate([middles - reach[:, :2], middles + reach[:, 2:]], axis=1)
        columns = self._wanted[wanted[cells].argmax(axis=1)]
        return Candidates(boxes, best[cells], self._numbers[columns])


def _cells(width: int, height: int) -> list[int]:
    return [-(-width // stride) * -(-height // stride) for stride in STRIDES]


@functools.lru_cache(maxsize=32)
def _places(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The middle [cells, 2] and the stride [cells] of each cell."""
    maps = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: -(-height // stride), : -(-width // stride)]
        maps.append((np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5) * stride)
    strides = np.repeat(np.array(STRIDES, np.float32), _cells(width, height))
    return np.concatenate(maps).astype(np.float32), strides
