"""Reading recorded segments for a package, and comparing each with what was recorded.

The recorder computes a segment's SHA-256 while it is recorded and keeps it in the index. A package
is only worth something if what it copies is still that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

from camera_adapters.stream import Track
from gateway.footage.reader import FootageReader, Located
from recorder.segments import Run

_WHOLE_BYTES_LIMIT = 64 * 1024 * 1024
_READ_BYTES = 4 * 1024 * 1024
_KEPT = 2


class CheckedReader:
    """Reads through a FootageReader. ``matches`` tells of each stored segment that was read
    whether it is what was recorded.
    """

    def __init__(self, reader: FootageReader) -> None:
        self._reader = reader
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._turn = asyncio.Lock()
        self.matches: dict[str, bool] = {}

    def tracks(self, run: Run) -> tuple[Track, ...]:
        """The run's tracks, in the order of its file."""
        return self._reader.tracks(run)

    async def read(self, located: Located, offset: int, length: int) -> bytes:
        """Exactly these bytes of the segment. Raises FootageGone or FootageUnreadable."""
        segment = located.segment
        if segment.state != "stored" or located.shard is not None:
            return await self._reader.read(located, offset, length)
        async with self._turn:
            whole = self._kept.get(segment.id)
            if whole is None and segment.id not in self.matches:
                whole = await self._check(located)
        if whole is not None:
            return whole[offset : offset + length]
        return await self._reader.read(located, offset, length)

    async def check(self, located: Located) -> None:
        """Compare it, if it was not read yet."""
        async with self._turn:
            if located.segment.state == "stored" and located.segment.id not in self.matches:
                await self._check(located)

    async def _check(self, located: Located) -> bytes | None:
        """Compare; gives the segment's bytes, unless it is too large to be kept."""
        segment = located.segment
        digest = hashlib.sha256()
        parts = []
        for offset in range(0, segment.size_bytes, _READ_BYTES):
            length = min(_READ_BYTES, segment.size_bytes - offset)
            part = await self._reader.read(located, offset, length)
            await asyncio.to_thread(digest.update, part)
            if segment.size_bytes <= _WHOLE_BYTES_LIMIT:
                parts.append(part)
        self.matches[segment.id] = digest.digest() == segment.sha256
        if not parts:
            return None
        whole = self._kept[segment.id] = b"".join(parts)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return whole
