"""Whether the process before this one ended what was under way, or was killed.

Live pictures are noted as looked at soon after they were; objects in them are handed on up to a
minute later. A process that is killed in between leaves a minute of each camera that is called
looked at, and whose passages nobody has. So what stops cleanly leaves a file that says so, and
where there is none the last minute is taken back, to be looked for in recorded footage.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from gateway.analysis.turns import UNDER_WAY_US
from recorder.rows import RowWriter

_NAME = "stopped-cleanly"


async def take_back_unless_clean(folder: Path, rows: RowWriter, owner: str | None = None) -> bool:
    """Before the first picture: whether it stopped cleanly; from now on it did not. May be
    repeated. ``owner``: the analyst whose cameras were looked at, where there are several: those
    that it lost meanwhile were taken back then. Raises OSError, and what the writer raises.
    """
    clean = await asyncio.to_thread((folder / _NAME).exists)
    if not clean:
        lost = {"under_way_us": UNDER_WAY_US, "cause": "failed"}
        if owner is None:
            await rows.write("analysis.undo_live", **lost)
        else:
            await rows.write("analysis.undo_own", owner=owner, **lost)
    await asyncio.to_thread(_remove, folder)
    return clean


async def note_clean(folder: Path) -> None:
    """After the last write: nothing is under way. Raises OSError."""
    await asyncio.to_thread((folder / _NAME).touch)


def _remove(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _NAME).unlink(missing_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
