"""Vectors that one machine keeps, asked for by the others over the control channel.

A list of numbers goes as bytes: 65,536 answers of a question are then 1 MiB, and quickly read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.control.channel import ControlClient, ControlError
from search.index.likeness import OwnVectors
from search.objects import ObjectClass

if TYPE_CHECKING:
    from search.index.vectors import Near, Vector

_WRONG = "wrong_vector"


class AskedVectors:
    """Answers what :class:`VectorsElsewhere` asks, from the folder of this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._vectors: OwnVectors | None = None

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """For the control channel."""
        return {"vectors.nearest": self._nearest, "vectors.find": self._find}

    async def _nearest(
        self,
        kind: str,
        vector: bytes,
        start_us: int,
        end_us: int,
        limit: int,
        camera_ids: list[str] | None,
        classes: list[str] | None,
        ids: bytes | None,
    ) -> dict[str, bytes]:
        import numpy as np

        vectors = await self._opened()
        try:
            found = await vectors.nearest(
                kind,
                np.frombuffer(vector, np.float32),
                start_us=start_us,
                end_us=end_us,
                limit=limit,
                camera_ids=camera_ids,
                classes=None if classes is None else [ObjectClass(one) for one in classes],
                ids=None if ids is None else np.frombuffer(ids, np.int64).tolist(),
            )
        except ValueError as error:
            raise ControlError(_WRONG, str(error)) from None
        return {
            "ids": np.array([one.passage_id for one in found], np.int64).tobytes(),
            "likeness": np.array([one.likeness for one in found], np.float64).tobytes(),
        }

    async def _find(self, kind: str, ids: bytes) -> dict[str, bytes]:
        import numpy as np

        vectors = await self._opened()
        found = await vectors.find_many(kind, np.frombuffer(ids, np.int64).tolist())
        return {
            "ids": np.array(list(found), np.int64).tobytes(),
            "vectors": b"".join(one.astype(np.float32).tobytes() for one in found.values()),
        }

    async def _opened(self) -> OwnVectors:
        if self._vectors is None:
            self._vectors = await asyncio.to_thread(own_vectors, self._directory)
        return self._vectors


class VectorsElsewhere:
    """See :class:`search.index.likeness.Vectors`: those of one process, which may be on another
    machine. Both raise what the control channel does.
    """

    unanswered: Collection[str] = ()

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    async def nearest(
        self,
        kind: str,
        vector: Vector,
        *,
        start_us: int,
        end_us: int,
        limit: int,
        camera_ids: Collection[str] | None = None,
        classes: Collection[ObjectClass] | None = None,
        ids: Collection[int] | None = None,
    ) -> list[Near]:
        """Raises ValueError for a vector of another size, too."""
        import numpy as np

        from search.index.vectors import Near

        try:
            found = await self._client.call(
                "vectors.nearest",
                kind=kind,
                vector=vector.astype(np.float32).tobytes(),
                start_us=start_us,
                end_us=end_us,
                limit=limit,
                camera_ids=None if camera_ids is None else list(camera_ids),
                classes=None if classes is None else [str(one) for one in classes],
                ids=None if ids is None else np.array(list(ids), np.int64).tobytes(),
            )
        except ControlError as error:
            if error.code == _WRONG:
                raise ValueError(str(error)) from None
            raise
        numbers = np.frombuffer(found["ids"], np.int64).tolist()
        likeness = np.frombuffer(found["likeness"], np.float64).tolist()
        return [Near(*one) for one in zip(numbers, likeness, strict=True)]

    async def find_many(self, kind: str, ids: Collection[int]) -> dict[int, Vector]:
        """Those that this process has."""
        import numpy as np

        asked = np.array(list(ids), np.int64).tobytes()
        found = await self._client.call("vectors.find", kind=kind, ids=asked)
        numbers = np.frombuffer(found["ids"], np.int64).tolist()
        if not numbers:
            return {}
        vectors = np.frombuffer(found["vectors"], np.float32).reshape(len(numbers), -1)
        return dict(zip(numbers, vectors, strict=True))


def own_vectors(directory: Path) -> OwnVectors:
    """Those in a folder. It takes a second to load, once: call it in a thread."""
    from search.index.vectors import VectorReader

    return OwnVectors(VectorReader(directory))
