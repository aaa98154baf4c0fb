"""Files on their way into a store. The name of each tells its object, so that what a killed process
stored and never had a row for can be taken away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import sqlalchemy as sa
import structlog

from recorder.stores import Store, StoreError

_log = structlog.get_logger(__name__)

KeyWithoutRow = Callable[[str], Awaitable[str | None]]
"""By a file's name: the key of its object, or None where a row names that. Raises ValueError for a
name of another kind.
"""


async def take_back(staging: Path, store: Store, key_without_row: KeyWithoutRow) -> None:
    """Delete the objects of files that were left in the folder and have no row, and the files. What
    cannot be told now is left for the next start. Raises OSError.
    """
    for name in await asyncio.to_thread(_names, staging):
        try:
            key = await key_without_row(name)
            if key is not None:
                await store.delete([key])
        except ValueError:
            _log.warning("a foreign file among those on their way", folder=str(staging), name=name)
            continue
        except (StoreError, sa.exc.DBAPIError) as error:
            _log.warning("left for the next start", name=name, why=str(error))
            continue
        await asyncio.to_thread((staging / name).unlink, missing_ok=True)


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """A new file of these, one after the other."""
    # The file of an earlier try may share its blocks with an object of the store.
    path.unlink(missing_ok=True)
    with path.open("xb", buffering=0) as file:
        for piece in pieces:
            file.write(piece)


def unlink_all(paths: Iterable[Path]) -> None:
    """Their objects have rows."""
    for path in paths:
        path.unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return sorted(path.name for path in folder.iterdir())
