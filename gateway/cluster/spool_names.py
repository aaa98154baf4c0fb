"""What waits in a spool stays with this machine's shards when these are called differently.

A shard's spool is the folder of its name. A machine that joins a cluster, leaves it or is renamed
in it has other names for its shards (``shard-1``, ``shard-1.node-b``), and one that is given fewer
shards has fewer. The data directory is one machine's own: whatever shard's folder is in it was this
machine's, and what waits there for the store is taken over by a shard that runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from pathlib import Path

import structlog

from gateway.settings import Settings

_log = structlog.get_logger(__name__)

_SHARD = re.compile(r"(shard-\d+)(?:\..+)?")
_LOCK = ".lock"
_NAMES = ".names"


def keep_spools(settings: Settings) -> None:
    """Move what waits under former names to the shard of the same number, or else the first. To be
    called while no shard runs; one that does yet keeps what is its own. Raises OSError.

    The names are noted first, and each file is moved at once: whatever this is cut off by, the next
    start does the rest.
    """
    spool = settings.spool_directory
    running = [settings.name_here(f"shard-{number + 1}") for number in range(settings.shards.count)]
    for folder in sorted(spool.iterdir()) if spool.is_dir() else []:
        match = _SHARD.fullmatch(folder.name)
        if match is None or folder.name in running or not folder.is_dir():
            continue
        same = settings.name_here(match.group(1))
        _take_over(folder, spool / (same if same in running else running[0]))


def former_names(settings: Settings, shard: str) -> list[str]:
    """What a shard was called before, as far as its spool was another's. Raises OSError."""
    path = settings.spool_directory / shard / _NAMES
    names = path.read_text().split() if path.exists() else []
    return [name for name in names if name != shard]


def _take_over(folder: Path, other: Path) -> None:
    with (folder / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("a spool is still in use; taken over at the next start", spool=str(folder))
            return
        _note_names(folder, other)
        own = (_LOCK, _NAMES)
        paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in own]
        for path in paths:
            moved = other / path.relative_to(folder)
            moved.parent.mkdir(parents=True, exist_ok=True)
            if moved.exists():
                _log.error("two spools have a file of one name", spool=str(folder), name=path.name)
                continue
            path.rename(moved)
        _log.info("spool taken over", former=folder.name, shard=other.name, files=len(paths))
        _remove_empty(folder)


def _note_names(folder: Path, other: Path) -> None:
    other.mkdir(exist_ok=True)
    noted = [path.read_text() for path in (other / _NAMES, folder / _NAMES) if path.exists()]
    names = {folder.name, *" ".join(noted).split()}
    staged = other / f"{_NAMES}.new"
    staged.write_text("\n".join(sorted(names)) + "\n")
    staged.replace(other / _NAMES)


def _remove_empty(folder: Path) -> None:
    (folder / _LOCK).unlink()
    (folder / _NAMES).unlink(missing_ok=True)
    for below in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            below.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
