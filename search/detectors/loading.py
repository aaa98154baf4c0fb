"""From a file to a detector that is warm: what kind of model it is, found by running it once."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.detectors import letterbox, nanodet, yolo
from search.detectors.classes import COCO, known_classes
from search.detectors.interface import DetectionFailed, Detector, ModelRefused
from search.detectors.letterbox import InputForm
from search.detectors.onnx_detector import OnnxDetector, OutputReader
from search.detectors.session import Session, open_session

DEFAULT_MODEL = "nanodet_g_qdq.onnx"
LARGEST_BATCH = 16
"""So many pictures go through a model at once where it takes any number."""

_SIDES = range(64, 2049)
_USUAL_SIDE = 640
_GREY = 114


def load_detector(
    model: Path | None,
    *,
    threads: int,
    provider: str = "auto",
    score: float | None = None,
) -> Detector:
    """A warm detector from a file; None is the one that gridsight brings.

    ``threads`` of the CPU at most; ``provider`` as :func:`search.detectors.session.open_session`
    has it; ``score`` from which an object is told, None for what suits such models. Raises
    ModelRefused with a message that says what is wrong and what to do.
    """
    if threads < 1:
        raise ValueError("a detector needs a thread")
    if score is not None and not 0 < score < 1:
        raise ModelRefused(f"a score of {score} is none: choose one between 0 and 1")
    if model is None:
        model = Path(str(importlib.resources.files("search") / "models" / DEFAULT_MODEL))
    if model.suffix.lower() in (".pt", ".engine"):
        from search.detectors.ultralytics_model import load_ultralytics

        return load_ultralytics(model, threads=threads, provider=provider, score=score)
    return _load_onnx(open_session(model, threads=threads, provider=provider), model, score)


def _load_onnx(session: Session, model: Path, score: float | None) -> Detector:
    height, width = input_size(session, model)
    rows = session.shape[0]
    fixed = rows if isinstance(rows, int) else None
    outputs = _first_run(session, fixed or 1, width, height, model)
    form: InputForm
    reader: OutputReader
    if nanodet.is_nanodet([output.shape for output in outputs], width, height):
        score = score or nanodet.FOLLOWED
        names: tuple[str, ...] = COCO
        form = nanodet.input_form(width, height)
        reader = nanodet.NanoDetReader(score)
    else:
        score = score or yolo.FOLLOWED
        form = yolo.input_form(width, height)
        told = yolo.names_of(session.metadata, model)
        layout, cells_last, names = yolo.read_layout(outputs, told, form, model)
        reader = yolo.YoloReader(layout, names, cells_last=cells_last, score=score)
    detector = OnnxDetector(
        session,
        form,
        reader,
        classes=known_classes(names, model),
        score=score,
        batch=_batch(session, fixed, width, height),
        rows=fixed,
        any_size=_takes_any_size(session, fixed or 1, outputs, width, height),
    )
    try:
        detector.detect([np.full((height, width, 3), _GREY, np.uint8)])
    except DetectionFailed as error:
        raise ModelRefused(f"{model}: fails at a plain grey picture: {error}") from error
    return detector


def input_size(session: Session, model: Path) -> tuple[int, int]:
    """Height and width of the pictures that the model is to be given."""
    shape = session.shape
    told = f"[{', '.join('?' if side is None else str(side) for side in shape)}]"
    if len(shape) != 4 or shape[1] != 3:
        raise ModelRefused(
            f"{model}: takes {told}, expected pictures [pictures, 3, height, width]; "
            "export it with the colours before height and width"
        )
    if session.provider == "tensorrt" and not all(isinstance(side, int) for side in shape):
        raise ModelRefused(
            f"{model}: takes {told}, but TensorRT would build for minutes at each new number of "
            "pictures; export it with batch=8 and without dynamic, or choose cuda"
        )
    asked = yolo.side_of(session.metadata) or (_USUAL_SIDE, _USUAL_SIDE)
    height, width = (
        declared if isinstance(declared, int) else usual
        for declared, usual in zip(shape[2:], asked, strict=True)
    )
    batch = shape[0]
    if height not in _SIDES or width not in _SIDES:
        raise ModelRefused(
            f"{model}: takes pictures of {width}×{height}, expected sides from {_SIDES[0]} to "
            f"{_SIDES[-1]}"
        )
    if isinstance(batch, int) and not 1 <= batch <= LARGEST_BATCH:
        raise ModelRefused(
            f"{model}: takes {batch} pictures at once, expected 1 to {LARGEST_BATCH}, or any "
            "number; export it with batch=1 or dynamic=True"
        )
    return height, width


def _first_run(
    session: Session, rows: int, width: int, height: int, model: Path
) -> list[NDArray[np.float32]]:
    grey = np.full((rows, 3, height, width), _GREY / 255, np.float32)
    try:
        outputs = session.run(grey)
    except DetectionFailed as error:
        raise ModelRefused(f"{model}: {error}; {yolo.EXPECTED}") from error
    if not all(np.isfinite(output).all() for output in outputs):
        raise ModelRefused(
            f"{model}: gives what is no number (NaN or infinity) for a plain grey picture; the "
            "file is damaged, or its 16-bit numbers overflow: export it again"
        )
    return outputs


def _takes_any_size(
    session: Session,
    rows: int,
    outputs: Sequence[NDArray[np.float32]],
    width: int,
    height: int,
) -> bool:
    """Whether a model that declares open sides also runs on flat pictures, the same way.

    ``outputs``: what it gave for the whole size.
    """
    if any(isinstance(side, int) for side in session.shape[2:]):
        return False
    flat = max(letterbox.SIZE_STEP, height // 2 // letterbox.SIZE_STEP * letterbox.SIZE_STEP)
    try:
        again = session.run(np.full((rows, 3, flat, width), _GREY / 255, np.float32))
    except DetectionFailed:
        return False
    share = flat / height
    return all(
        after.ndim == before.ndim
        and all(
            new in (old, round(old * share))
            for new, old in zip(after.shape, before.shape, strict=True)
        )
        for after, before in zip(again, outputs, strict=True)
    )


def _batch(session: Session, fixed: int | None, width: int, height: int) -> int:
    """How many pictures at once a model really looks at.

    Exports with NMS may look at the first one alone. So the second must come out of the model as it
    does in the first place, and as something.
    """
    if fixed == 1:
        return 1
    pictures = np.random.default_rng(0).random((fixed or 2, 3, height, width), np.float32)
    if fixed:
        pictures[1] = pictures[0]
    try:
        together = session.run(pictures)
        first = together if fixed else session.run(pictures[1:])
    except DetectionFailed:
        return 1
    for both, one in zip(together, first, strict=True):
        if both.ndim < 3 or both.shape != (len(pictures), *one.shape[1:]) or not one[0].any():
            return 1
        # In order of size: of boxes that are equally sure, either may come first.
        second, expected = np.sort(both[1], axis=None), np.sort(one[0], axis=None)
        if not np.allclose(second, expected, rtol=0.01, atol=0.001 * float(np.abs(one).max())):
            return 1
    return fixed or LARGEST_BATCH
