"""Boxes of objects in the newest pictures, for whoever watches a camera with them drawn in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any


class Boxes:
    """Made for a camera only while somebody asks. A slow reader gets the newest, not all."""

    def __init__(self) -> None:
        self._readers: dict[str, set[_Reader]] = {}

    def watched(self) -> Iterable[str]:
        """Cameras whose boxes somebody wants."""
        return list(self._readers)

    def show(self, camera_id: str, boxes: Mapping[str, Any]) -> None:
        """The newest of a camera: ``{at_us, boxes: [{passage_id, class, box, confidence}]}``."""
        for reader in self._readers.get(camera_id, ()):
            reader.put(boxes)

    async def of(self, camera_id: str) -> AsyncIterator[Mapping[str, Any]]:
        """Those of one camera as they come, each newer than the last."""
        reader = _Reader()
        self._readers.setdefault(camera_id, set()).add(reader)
        try:
            while True:
                yield await reader.take()
        finally:
            readers = self._readers[camera_id]
            readers.discard(reader)
            if not readers:
                del self._readers[camera_id]


class _Reader:
    def __init__(self) -> None:
        self._newest: Mapping[str, Any] | None = None
        self._told_us = 0
        self._wake = asyncio.Event()

    def put(self, boxes: Mapping[str, Any]) -> None:
        if boxes["at_us"] is not None and boxes["at_us"] > self._told_us:
            self._newest = boxes
            self._wake.set()

    async def take(self) -> Mapping[str, Any]:
        while self._newest is None:
            self._wake.clear()
            await self._wake.wait()
        newest, self._newest = self._newest, None
        self._told_us = newest["at_us"]
        return newest
