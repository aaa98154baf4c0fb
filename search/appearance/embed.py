"""What an object looks like, as a vector of length one: the interface, and which embedder is used.

Vectors compare by their dot product, and only with vectors of the same :attr:`Embedder.kind`. They
tell clothing and paint apart, not faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.objects import ObjectClass, Picture
from search.passages import Passage


class Embedder(Protocol):
    """``kind`` names the space of its vectors, which have ``size`` numbers each."""

    kind: str
    size: int

    def embed(
        self, crops: Sequence[Picture], classes: Sequence[ObjectClass]
    ) -> NDArray[np.float32]:
        """One row for each crop, float32 [N, size], of length one.

        ``classes``: what each crop shows. A row of zeros, which is like nothing at all, stands for
        a crop that cannot be compared: without colour (infra-red, black and white), or smaller
        than 8 × 8 pixels. See :func:`comparable`.
        """
        ...


class EmbedderRefused(Exception):
    """The configured model is no embedder; the message says what is wrong and what to do."""


def comparable(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows [N, size] of an embedder's answer mean something: bool [N]."""
    return np.asarray(np.any(vectors, axis=1), np.bool_)


def embed_passages(embedder: Embedder, passages: Sequence[Passage]) -> None:
    """Give each passage the vector of what it looks like, and the vector's kind.

    It is the mean over the passage's evidence: people turn, and the mean of five looks finds them
    again more often than the best look does. Passages without colour are given none. What is
    looked for by a single crop needs that crop with a margin of a tenth, as these have.
    """
    looks = [
        (passage, crop)
        for passage in passages
        if not passage.monochrome
        for crop in ([one.crop for one in passage.evidence] or [passage.crop])
    ]
    vectors = embedder.embed(
        [crop for _, crop in looks], [passage.object_class for passage, _ in looks]
    )
    sums: dict[int, NDArray[np.float32]] = {}
    for (passage, _), vector in zip(looks, vectors, strict=True):
        sums[id(passage)] = sums.get(id(passage), 0) + vector
    for passage in passages:
        total = sums.get(id(passage))
        length = 0.0 if total is None else float(np.linalg.norm(total))
        if total is not None and length > 0:
            passage.vector = np.asarray(total / length, np.float32)
            passage.vector_kind = embedder.kind


def load_embedder(model: Path | None, threads: int) -> Embedder:
    """The embedder to use: the ONNX model at ``model``, else stripes of colours.

    Raises :class:`EmbedderRefused` where the model is no such thing.
    """
    if model is None:
        from search.appearance.stripes import StripesEmbedder

        return StripesEmbedder()
    from search.appearance.model_embedder import ModelEmbedder

    return ModelEmbedder(model, threads)
