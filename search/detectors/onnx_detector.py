"""A detector that runs an ONNX model: pictures in, through the model in batches, objects out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.detectors.batches import detect_in_batches
from search.detectors.classes import may_also_be
from search.detectors.interface import DetectionFailed
from search.detectors.letterbox import InputForm, Placed, fill, fitted
from search.detectors.session import Session
from search.detectors.suppression import Candidates, suppress
from search.objects import NO_DETECTIONS, Detections, ObjectClass, Picture


class OutputReader(Protocol):
    """Knows what a family of models means by its outputs."""

    def candidates(
        self, outputs: Sequence[NDArray[np.float32]], row: int, form: InputForm
    ) -> Candidates:
        """What is proposed in one picture of a batch of that form, of the classes looked for.

        What is no number (a NaN score) is among them.
        """


class OnnxDetector:
    """A :class:`search.detectors.interface.Detector`."""

    def __init__(
        self,
        session: Session,
        form: InputForm,
        reader: OutputReader,
        *,
        classes: frozenset[ObjectClass],
        score: float,
        batch: int,
        rows: int | None,
        any_size: bool,
    ) -> None:
        """``batch``: pictures at once; ``rows``: what the model's input has, None for as many;
        ``any_size``: the form is the largest that is used, for pictures that fill it."""
        self._session = session
        self._form = form
        self._reader = reader
        self._classes = classes
        self._score = score
        self._batch = batch
        self._rows = rows
        self._any_size = any_size
        self._input = np.zeros(0, np.float32)

    @property
    def name(self) -> str:
        return self._session.name

    @property
    def classes(self) -> frozenset[ObjectClass]:
        return self._classes

    @property
    def possible(self) -> Mapping[ObjectClass, tuple[ObjectClass, ...]]:
        return may_also_be(self._classes)

    @property
    def score(self) -> float:
        return self._score

    @property
    def provider(self) -> str:
        return self._session.provider

    @property
    def batch(self) -> int:
        return self._batch

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        return detect_in_batches(pictures, self._batch, self._form_of, self._detect_batch)

    def _form_of(self, picture: Picture) -> InputForm:
        return fitted(picture, self._form) if self._any_size else self._form

    def _detect_batch(self, pictures: Sequence[Picture], form: InputForm) -> list[Detections]:
        shape = (self._rows or len(pictures), 3, form.height, form.width)
        size = math.prod(shape)
        if len(self._input) < size:
            self._input = np.zeros(size, np.float32)
        given = self._input[:size].reshape(shape)
        places = fill(pictures, form, given)
        outputs = self._session.run(given)
        return [self._read(outputs, row, form, placed) for row, placed in enumerate(places)]

    def _read(
        self, outputs: Sequence[NDArray[np.float32]], row: int, form: InputForm, placed: Placed
    ) -> Detections:
        proposed = self._reader.candidates(outputs, row, form)
        if not len(proposed.scores):
            return NO_DETECTIONS
        if not (np.isfinite(proposed.scores).all() and np.isfinite(proposed.boxes).all()):
            raise DetectionFailed(
                f"{self.name} gave what is no number on {self.provider}; check the model file, "
                "or use one exported without 16-bit numbers"
            )
        kept = suppress(proposed)
        boxes = placed.boxes_back(kept.boxes)
        seen = (boxes[:, 2] - boxes[:, 0] >= 1) & (boxes[:, 3] - boxes[:, 1] >= 1)
        return Detections(boxes[seen], np.minimum(kept.scores[seen], 1), kept.classes[seen])
