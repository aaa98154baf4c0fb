"""Models of Ultralytics' own kinds, ``.pt`` and TensorRT's ``.engine``: gridsight[ultralytics].

A ``.pt`` file holds Python objects, and loading it runs what is in it: only files that one trusts
as one trusts a program. An ONNX file holds none, and needs none of this.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from search.detectors.batches import detect_in_batches
from search.detectors.classes import NO_CLASS, known_classes, may_also_be, numbers_of
from search.detectors.interface import DetectionFailed, ModelRefused
from search.detectors.session import check_file
from search.detectors.suppression import Candidates, suppress
from search.detectors.yolo import FOLLOWED
from search.objects import NO_DETECTIONS, Detections, ObjectClass, Picture

LARGEST_BATCH = 16

_GREY = 114
_LONGEST_METADATA_BYTES = 1 << 20
# It must neither ask its maker for updates or weights, nor install what it misses.
_ENVIRONMENT = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def load_ultralytics(
    model: Path, *, threads: int, provider: str, score: float | None
) -> UltralyticsDetector:
    """A warm detector from a ``.pt`` or ``.engine`` file.

    ``provider``: ``auto``, ``cpu`` or ``cuda`` for ``.pt``; ``auto`` or ``tensorrt`` for
    ``.engine``. ``threads`` bounds torch in the whole process. Raises ModelRefused.
    """
    engine = model.suffix.lower() == ".engine"
    if provider not in ("auto", "tensorrt") if engine else provider not in ("auto", "cpu", "cuda"):
        raise ModelRefused(
            f"{model}: a {model.suffix} file does not run on {provider!r}: choose auto, or export "
            "the model as ONNX"
        )
    check_file(model)
    torch, yolo_class = _import(model)
    torch.set_num_threads(threads)
    has_cuda = bool(torch.cuda.is_available())
    if not has_cuda and (engine or provider == "cuda"):
        raise ModelRefused(
            f"{model}: needs CUDA, and torch finds none here; choose cpu and a .pt or ONNX file"
        )
    batch, batch_fixed = _engine_batch(model) if engine else (LARGEST_BATCH, False)
    try:
        loaded = yolo_class(str(model))
        task = loaded.task
        names = tuple(str(name) for _, name in sorted(loaded.names.items()))
    except Exception as error:  # unpickling raises anything
        raise ModelRefused(
            f"{model}: ultralytics cannot load it (cut off, or no such model?): {error}"
        ) from error
    if task != "detect":
        raise ModelRefused(f"{model}: is a model for {task!r}; only detectors are of use here")
    if not engine and not all(torch.isfinite(one).all() for one in loaded.model.parameters()):
        raise ModelRefused(f"{model}: has weights that are no numbers; it is damaged")
    detector = UltralyticsDetector(
        model.stem,
        loaded,
        names,
        classes=known_classes(names, model),
        provider="tensorrt" if engine else "cuda" if has_cuda and provider != "cpu" else "cpu",
        score=score or FOLLOWED,
        batch=batch,
        batch_fixed=batch_fixed,
    )
    try:
        detector.detect([np.full((360, 640, 3), _GREY, np.uint8)])
    except DetectionFailed as error:
        raise ModelRefused(f"{model}: fails at a plain grey picture: {error}") from error
    return detector


class UltralyticsDetector:
    """A :class:`search.detectors.interface.Detector`."""

    def __init__(
        self,
        name: str,
        loaded: Any,
        names: tuple[str, ...],
        *,
        classes: frozenset[ObjectClass],
        provider: str,
        score: float,
        batch: int,
        batch_fixed: bool,
    ) -> None:
        self._name = name
        self._loaded = loaded
        self._numbers = numbers_of(names)
        self._wanted = [int(one) for one in np.flatnonzero(self._numbers != NO_CLASS)]
        self._classes = classes
        self._provider = provider
        self._score = score
        self._batch = batch
        self._batch_fixed = batch_fixed

    @property
    def name(self) -> str:
        return self._name

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
        return self._provider

    @property
    def batch(self) -> int:
        return self._batch

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        if not all(picture.size for picture in pictures):
            raise ValueError("an empty picture has nothing in it")
        # Pictures of one shape together: they go in as flat as they are, others as squares.
        return detect_in_batches(
            pictures, self._batch, lambda picture: picture.shape, self._detect_batch
        )

    def _detect_batch(self, pictures: list[Picture], _: tuple[int, ...]) -> list[Detections]:
        missing = self._batch - len(pictures) if self._batch_fixed else 0
        try:
            results = self._loaded.predict(
                pictures + pictures[-1:] * missing,
                conf=self._score,
                classes=self._wanted,
                device="cpu" if self._provider == "cpu" else 0,
                batch=len(pictures) + missing,
                verbose=False,
            )
        except Exception as error:  # torch's and ultralytics' own, of no common base
            message = f"{self._name} failed on {self._provider}: {error}"
            raise DetectionFailed(message) from error
        return [self._read(result.boxes) for result in results[: len(pictures)]]

    def _read(self, boxes: Any) -> Detections:
        if boxes is None or not len(boxes):
            return NO_DETECTIONS
        values = boxes.data.float().cpu().numpy()
        if not np.isfinite(values).all():
            raise DetectionFailed(f"{self._name} gave what is no number on {self._provider}")
        kept = suppress(
            Candidates(values[:, :4], values[:, 4], self._numbers[values[:, 5].astype(np.intp)])
        )
        return Detections(kept.boxes, kept.scores, kept.classes)


def _import(model: Path) -> tuple[Any, Any]:
    """Torch and ultralytics' YOLO, kept from reaching outwards."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if importlib.util.find_spec("ultralytics") is None or importlib.util.find_spec("torch") is None:
        raise ModelRefused(
            f"{model}: {model.suffix} files need ultralytics: install gridsight[ultralytics], or "
            f"export the model where it is: yolo export model={model.name} format=onnx"
        )
    try:
        import torch

        from search.detectors.torchvision_operator import declare_missing

        declare_missing()
        from ultralytics import YOLO
    except Exception as error:  # a broken installation shows itself in any way
        raise ModelRefused(f"{model}: ultralytics does not start: {error}") from error
    return torch, YOLO


def _engine_batch(model: Path) -> tuple[int, bool]:
    """Pictures at once, and whether neither more nor fewer, from what ultralytics wrote before the
    engine: a length of four bytes, then JSON."""
    refusal = ModelRefused(
        f"{model}: does not begin as an engine of ultralytics does; build it by: yolo export "
        "format=engine"
    )
    with model.open("rb") as file:
        length = int.from_bytes(file.read(4), sys.byteorder)
        if not 2 <= length <= _LONGEST_METADATA_BYTES:
            raise refusal
        try:
            metadata = json.loads(file.read(length))
        except (ValueError, RecursionError):
            raise refusal from None
    batch = metadata.get("batch") if isinstance(metadata, dict) else None
    if type(batch) is not int or not 1 <= batch <= 4 * LARGEST_BATCH:
        raise refusal
    arguments = metadata.get("args")
    dynamic = bool(arguments.get("dynamic")) if isinstance(arguments, dict) else False
    return batch, not dynamic
