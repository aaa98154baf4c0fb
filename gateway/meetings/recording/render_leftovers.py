"""Folders of renderings that nobody goes on with: drawn minutes, voices, footage that was fetched.

A rendering that was put off, or whose server was stopped or killed, goes on with the minutes that
are there; so rows decide, not how it ended. What failed, was made, was ordered in another layout,
or is of a recording that retention has taken, leaves nothing on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.meeting_tables import meeting_recordings

_GOING = ".going"
_table = meeting_recordings.c


def render_folder(folder: Path, recording_id: str, layout: str) -> Path:
    """Where a recording is made in a layout: another one begins from nothing."""
    return folder / f"{recording_id}-{layout}"


async def clear_leftovers(engine: AsyncEngine, folder: Path) -> None:
    """Delete every folder in ``folder`` but those of renderings that are ordered or being made, by
    whichever server. What cannot be deleted is left to the next call. Raises DBAPIError.
    """
    names = await asyncio.to_thread(_names, folder)
    if not names:
        return
    living = sa.select(_table.id, _table.render_layout).where(
        _table.render_state.in_(("queued", "running")), _table.removed_us.is_(None)
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(living)).all()
    keep = {render_folder(folder, row.id, row.render_layout).name for row in rows}
    for name in names:
        if name not in keep:
            await asyncio.to_thread(_delete, folder / name)


def _names(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [one.name for one in folder.iterdir() if one.is_dir()]
    return []


def _delete(path: Path) -> None:
    going = path
    # Another server may be ordered to make it anew at this moment: it gets a folder of its own.
    if not path.name.endswith(_GOING):
        going = path.with_name(path.name + _GOING)
        shutil.rmtree(going, ignore_errors=True)
        try:
            path.rename(going)
        except OSError:
            return
    shutil.rmtree(going, ignore_errors=True)
