"""An embedder from an ONNX file: OSNet and what is shaped like it, trained to tell people apart.

Pictures go in as red, green, blue from 0 to 1, less ImageNet's mean, by its deviation, as high and
wide as the model asks for; one vector for each comes out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from search.appearance.embed import EmbedderRefused
from search.objects import ObjectClass, Picture
from search.picture_color import is_monochrome

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_BATCH = 16
_LEAST_SIDE = 8
_LARGEST_SIDE = 1024
_LARGEST_VECTOR = 4096


class ModelEmbedder:
    """Implements :class:`search.appearance.embed.Embedder`.

    ``kind`` is the file's name and the beginning of its SHA-256: another file under the same name
    is another space.
    """

    def __init__(self, model: Path, threads: int) -> None:
        """Raises :class:`EmbedderRefused`."""
        import onnxruntime

        try:
            content = model.read_bytes()
        except OSError as error:
            raise EmbedderRefused(
                f"the appearance model {model} cannot be read: {error.strerror}; "
                "check the path in the search settings"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime documents no exception of its own
            raise EmbedderRefused(
                f"{model} is no model that can be run ({_first_line(error)}); "
                "give an ONNX file such as OSNet exported with torchreid"
            ) from None
        self._input, self._height, self._width = _picture_input(self._session, model)
        self.kind = f"{model.stem[:40]}-{hashlib.sha256(content).hexdigest()[:12]}"
        probe = self._run(np.zeros((1, 3, self._height, self._width), np.float32), model)
        if probe.ndim != 2 or len(probe) != 1 or not 8 <= probe.shape[1] <= _LARGEST_VECTOR:
            raise EmbedderRefused(
                f"{model} answers a picture with numbers of the shape {probe.shape}: an embedder "
                "answers with one vector, [1, size]"
            )
        self.size = int(probe.shape[1])

    def embed(
        self, crops: Sequence[Picture], classes: Sequence[ObjectClass]
    ) -> NDArray[np.float32]:
        """See :meth:`search.appearance.embed.Embedder.embed`."""
        vectors = np.zeros((len(crops), self.size), np.float32)
        usable = [
            number
            for number, crop in enumerate(crops)
            if min(crop.shape[:2]) >= _LEAST_SIDE and not is_monochrome(crop)
        ]
        for start in range(0, len(usable), _BATCH):
            rows = usable[start : start + _BATCH]
            found = self._run(np.stack([self._prepare(crops[row]) for row in rows]))
            lengths = np.linalg.norm(found, axis=1, keepdims=True)
            vectors[rows] = found / np.maximum(lengths, 1e-12)
        return vectors

    def _prepare(self, crop: Picture) -> NDArray[np.float32]:
        resized = cv2.resize(crop, (self._width, self._height), interpolation=cv2.INTER_LINEAR)
        scaled = resized[..., ::-1].astype(np.float32) / np.float32(255)
        return np.asarray(((scaled - _MEAN) / _DEVIATION).transpose(2, 0, 1), np.float32)

    def _run(self, pictures: NDArray[np.float32], model: Path | None = None) -> NDArray[np.float32]:
        try:
            answer: NDArray[np.float32] = self._session.run(None, {self._input: pictures})[0]
        except Exception as error:  # as above
            if model is None:
                raise
            raise EmbedderRefused(
                f"{model} cannot be run on a picture ({_first_line(error)})"
            ) from None
        return answer


def _picture_input(session: Any, model: Path) -> tuple[str, int, int]:
    inputs = session.get_inputs()
    shape = inputs[0].shape if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
        raise EmbedderRefused(
            f"{model} takes {[(one.type, one.shape) for one in inputs]}: an embedder takes one "
            "picture, tensor(float) [batch, 3, height, width]"
        )
    height, width = (one if isinstance(one, int) else 0 for one in shape[2:])
    if not height and not width:
        height, width = 256, 128
    if not (_LEAST_SIDE <= height <= _LARGEST_SIDE and _LEAST_SIDE <= width <= _LARGEST_SIDE):
        raise EmbedderRefused(f"{model} takes pictures of {width}×{height}: that is no crop's size")
    return str(inputs[0].name), height, width


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
