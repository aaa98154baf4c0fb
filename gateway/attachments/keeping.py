"""A file on its way into the store: announced, put, kept. A crash at any line leaves a row by which
:mod:`gateway.attachments.expiry` takes away what there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.attachments.examining import Examined, examine
from gateway.attachments.rows import object_key, thumbnail_key
from gateway.settings import Settings
from recorder.rows import RowWriter
from recorder.stores import Store

# Each takes a core, and up to 2 GiB for a large photo.
_turns = asyncio.Semaphore(2)


@contextlib.asynccontextmanager
async def staging(settings: Settings) -> AsyncIterator[Path]:
    """A folder for one file, on the disk of the data; gone afterwards."""
    folder = await asyncio.to_thread(_folder, settings.uploads_directory)
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


def _folder(parent: Path) -> tempfile.TemporaryDirectory[str]:
    parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True)


async def examine_in_turn(settings: Settings, source: Path, name: str) -> Examined:
    """As :func:`examine`, a few at a time."""
    async with _turns:
        return await asyncio.to_thread(examine, source, name, settings.attachments)


async def put(rows: RowWriter, store: Store, file_id: str, user_id: str, file: Examined) -> None:
    """Announce the file and store its objects; whoever calls has it kept, in the operation that
    belongs to it. Raises RowError, StoreError, OSError.
    """
    columns = {"id": file_id, "created_by": user_id, **file.columns}
    await rows.write("attachments.announce", columns=columns)
    if file.thumbnail is not None:
        await store.put(thumbnail_key(file_id), file.thumbnail)
    await store.put(object_key(file_id), file.path)
