"""The one writer of vectors, on a thread of its own: LanceDB blocks, and takes a second to load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from search.index.vectors import VectorWriter

_T = TypeVar("_T")


class VectorThread:
    """Loads and opens what it writes with when it is first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="vectors")
        self._writer: VectorWriter | None = None

    async def add(self, kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        """See :data:`gateway.analysis.keeping.AddVectors`. Raises OSError, or what LanceDB does as
        OSError.
        """
        await self.run(lambda writer: _add(writer, kind, items))

    async def run(self, work: Callable[[VectorWriter], _T]) -> _T:
        """Have the writer do something."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(self._opened()))

    async def close(self) -> None:
        """Finish what was begun, and let others write."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._close)
        self._executor.shutdown(wait=False)

    def _opened(self) -> VectorWriter:
        if self._writer is None:
            from search.index.vectors import VectorStoreBusy, VectorWriter

            try:
                self._writer = VectorWriter(self._directory)
            except VectorStoreBusy as error:
                raise OSError(str(error)) from error
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _add(writer: VectorWriter, kind: str, items: Sequence[Mapping[str, Any]]) -> None:
    import numpy as np

    from search.index.vectors import VectorItem
    from search.objects import ObjectClass

    writer.add(
        kind,
        [
            VectorItem(
                item["id"],
                item["camera_id"],
                ObjectClass(item["class"]),
                np.frombuffer(item["vector"], np.float32),
            )
            for item in items
        ],
    )
