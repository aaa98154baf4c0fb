"""What a meeting keeps in the store beside its recordings: files that were handed out, pictures of
roll calls. The object is complete before the row that names it is written; what a crash leaves
between the two is an object that nobody names.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from recorder.stores import Store

STORE_PREFIX = "meetings/"
_PIECE_BYTES = 1024 * 1024


async def keep(store: Store, key: str, data: bytes) -> None:
    """Put an object of a few megabytes. Raises StoreError, OSError."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory)
    try:
        path = Path(folder.name) / "object"
        await asyncio.to_thread(path.write_bytes, data)
        await store.put(key, path)
    finally:
        await asyncio.to_thread(folder.cleanup)


async def pieces(store: Store, key: str, size_bytes: int) -> AsyncIterator[bytes]:
    """An object, piece by piece. Raises StoreError."""
    for at in range(0, size_bytes, _PIECE_BYTES):
        yield await store.read(key, at, min(_PIECE_BYTES, size_bytes - at))
