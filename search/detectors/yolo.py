"""YOLO-style models: what their one output means, told by its shape and the model's metadata.

Three forms are known. *Raw*: a row per cell of 4 numbers for the box (middle, width, height) and
one score per class, cells first or last (Ultralytics v8 and later). *With objectness*: the same
with a fifth number before the classes that multiplies them (v5, v7). *Ended*: boxes that the model
itself has chosen, left, top, right, bottom, score, class (v10, 26, exports with NMS; or with the
picture's number before them and class before score, as v7 has it).
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.detectors.classes import COCO, NO_CLASS, numbers_of
from search.detectors.interface import ModelRefused
from search.detectors.letterbox import InputForm
from search.detectors.suppression import Candidates

FOLLOWED = 0.25
"""Told from this score on, as their makers show it."""
GREY = 114

_STRIDES = ((8, 16, 32), (16, 32), (4, 8, 16, 32), (8, 16, 32, 64))
_MOST_CLASSES = 2000
_LONGEST_METADATA = 1 << 18
_LARGEST_NAMES_FILE_BYTES = 1 << 16


class Layout(enum.Enum):
    """What the output's rows are."""

    RAW = "raw"
    OBJECTNESS = "objectness"
    ENDED = "ended"
    ENDED_NUMBERED = "ended, numbered"


EXPECTED = (
    "expected a detector: one output [pictures, 4 + classes, cells] or its transpose, "
    "[pictures, boxes, 6] of chosen boxes, or NanoDet's six maps"
)


def input_form(width: int, height: int) -> InputForm:
    """Red first, 0 to 1, grey around."""
    part = 1 / 255
    return InputForm(
        width, height, (part, part, part), (0.0, 0.0, 0.0), red_first=True, margin=GREY
    )


def names_of(metadata: Mapping[str, str], model: Path) -> tuple[str, ...] | None:
    """The names of a model's classes, by number; None where nothing tells them.

    From a text file beside it, a name a line, called as the model with ``.names`` after it; else
    from the model's metadata (``names``, as Ultralytics writes it: a dict or list in Python's or
    JSON's notation). Raises ModelRefused for names that cannot be read, or a model whose metadata
    say that it is no detector.
    """
    task = metadata.get("task", "detect")
    if task != "detect":
        raise ModelRefused(f"{model}: is a model for {task[:40]!r}; only detectors are of use here")
    beside = model.with_name(model.name + ".names")
    try:
        with beside.open("rb") as file:
            text = file.read(_LARGEST_NAMES_FILE_BYTES + 1)
    except OSError:
        return _parse_names(metadata["names"], model) if "names" in metadata else None
    try:
        lines = text.decode("utf-8-sig").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise ModelRefused(f"{beside}: is not UTF-8 text, a class a line") from error
    if len(text) > _LARGEST_NAMES_FILE_BYTES or not 0 < len(lines) <= _MOST_CLASSES:
        raise ModelRefused(f"{beside}: expected 1 to {_MOST_CLASSES} names, one a line")
    return tuple(line.strip() for line in lines)


def side_of(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width for which a model of open size was exported; None where nothing tells."""
    try:
        sides = ast.literal_eval(metadata.get("imgsz", "")[:100])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if isinstance(sides, int):
        sides = [sides, sides]
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        return None
    return (sides[0], sides[1]) if all(type(side) is int for side in sides) else None


class YoloReader:
    """Reads outputs of one layout for the classes that are looked for."""

    def __init__(
        self, layout: Layout, names: tuple[str, ...], *, cells_last: bool, score: float
    ) -> None:
        self._layout = layout
        self._cells_last = cells_last
        self._score = score
        self._numbers = numbers_of(names)
        self._wanted = np.flatnonzero(self._numbers != NO_CLASS)

    def candidates(
        self, outputs: Sequence[NDArray[np.float32]], row: int, form: InputForm
    ) -> Candidates:
        """What the model proposes in one picture of the batch."""
        output = outputs[0]
        if self._layout is Layout.ENDED_NUMBERED:
            mine = output[output[:, 0] == row]
            return self._ended(mine[:, 1:5], mine[:, 6], mine[:, 5])
        if self._layout is Layout.ENDED:
            return self._ended(output[row, :, :4], output[row, :, 4], output[row, :, 5])
        return self._raw(output[row] if self._cells_last else output[row].T)

    def _ended(
        self,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        columns: NDArray[np.float32],
    ) -> Candidates:
        valid = (columns >= 0) & (columns < len(self._numbers))
        numbers = self._numbers[np.where(valid, columns, 0).astype(np.intp)]
        rows = valid & (numbers != NO_CLASS) & ~(scores < self._score) | np.isnan(columns)
        return Candidates(boxes[rows], scores[rows], numbers[rows])

    def _raw(self, values: NDArray[np.float32]) -> Candidates:
        first_class = 5 if self._layout is Layout.OBJECTNESS else 4
        scores = values[first_class:]
        wanted = scores[self._wanted]
        best = wanted.max(axis=0)
        told = best * values[4] if self._layout is Layout.OBJECTNESS else best
        # Not `told >= score`: what is no number must be seen by who checks the candidates.
        cells = np.flatnonzero(~(told < self._score))
        # Surer of being a horse than a person: then it is a horse, which nobody looks for.
        cells = cells[~(best[cells] < scores[:, cells].max(axis=0))]
        middle, half = values[:2, cells].T, values[2:4, cells].T / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        columns = self._wanted[wanted[:, cells].argmax(axis=0)]
        return Candidates(boxes, told[cells], self._numbers[columns])


def read_layout(
    outputs: Sequence[NDArray[np.float32]],
    names: tuple[str, ...] | None,
    form: InputForm,
    model: Path,
) -> tuple[Layout, bool, tuple[str, ...]]:
    """Layout, whether cells are the last axis, and class names, from what a model really gave.

    ``outputs`` is of one grey picture. Raises ModelRefused for what is no such output.
    """
    shapes = ", ".join(f"[{' × '.join(str(side) for side in one.shape)}]" for one in outputs)
    if len(outputs) != 1:
        raise ModelRefused(f"{model}: gives {shapes or 'nothing'}; {EXPECTED}")
    shape = outputs[0].shape
    if len(shape) == 2 and shape[1] == 7:
        return Layout.ENDED_NUMBERED, False, _needed(names, model)
    if len(shape) != 3:
        raise ModelRefused(f"{model}: gives {shapes}; {EXPECTED}")
    counts = {anchors * cells for cells in _cell_counts(form) for anchors in (1, 3)}
    for cells_last in (True, False):
        cells, values = (shape[2], shape[1]) if cells_last else (shape[1], shape[2])
        if cells in counts and values > 4:
            layout, told = _raw_layout(values, cells, names, form, model)
            _check_raw(outputs[0] if cells_last else outputs[0].swapaxes(1, 2), layout, model)
            return layout, cells_last, told
    if shape[2] == 6:
        return Layout.ENDED, False, _needed(names, model)
    raise ModelRefused(
        f"{model}: gives {shapes} for a picture of {form.width}×{form.height}; {EXPECTED}"
    )


def _raw_layout(
    values: int, cells: int, names: tuple[str, ...] | None, form: InputForm, model: Path
) -> tuple[Layout, tuple[str, ...]]:
    if names is None and values in (4 + len(COCO), 5 + len(COCO)):
        names = COCO
    names = _needed(names, model)
    if values == 4 + len(names):
        return Layout.RAW, names
    if values == 5 + len(names):
        if cells in _cell_counts(form):
            raise ModelRefused(
                f"{model}: looks like YOLOX, which takes pictures otherwise; {EXPECTED}"
            )
        return Layout.OBJECTNESS, names
    raise ModelRefused(
        f"{model}: has {len(names)} class names and {values} values a cell, expected "
        f"{4 + len(names)}; export it again"
    )


def _check_raw(output: NDArray[np.float32], layout: Layout, model: Path) -> None:
    scores = output[:, 4:]
    if scores.size and (scores.min() < -0.01 or scores.max() > 1.01):
        raise ModelRefused(
            f"{model}: class scores go from {scores.min():.3g} to {scores.max():.3g}, expected 0 "
            "to 1; export it with the sigmoid"
        )
    if output[:, :4].max() <= 2:
        raise ModelRefused(
            f"{model}: boxes are shares of the picture, expected pixels of the model's input; "
            f"{EXPECTED}"
        )


def _cell_counts(form: InputForm) -> set[int]:
    return {
        sum(-(-form.width // stride) * -(-form.height // stride) for stride in strides)
        for strides in _STRIDES
    }


def _needed(names: tuple[str, ...] | None, model: Path) -> tuple[str, ...]:
    if names is None:
        raise ModelRefused(
            f"{model}: nothing says what its classes are called; write their names, one a line, "
            f"into {model.name}.names beside it"
        )
    return names


def _parse_names(text: str, model: Path) -> tuple[str, ...]:
    refusal = ModelRefused(
        f"{model}: its metadata's 'names' cannot be read ({text[:60]!r}); expected a list, or a "
        "dict from 0 on, of class names"
    )
    if len(text) > _LONGEST_METADATA:
        raise refusal
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise refusal from None
    if isinstance(names, dict):
        try:
            by_number = {int(number): name for number, name in names.items()}
        except (ValueError, TypeError, OverflowError):
            raise refusal from None
        if sorted(by_number) != list(range(len(names))):
            raise refusal
        names = [by_number[number] for number in range(len(names))]
    if (
        not isinstance(names, list | tuple)
        or not 0 < len(names) <= _MOST_CLASSES
        or not all(isinstance(name, str) for name in names)
    ):
        raise refusal
    return tuple(names)
