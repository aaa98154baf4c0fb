"""Objects as files below a directory: each is complete and durable before its name exists."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from recorder.durable import sync_folder
from recorder.stores import DirectoryStoreConfig, ObjectStat, StoreError

_T = TypeVar("_T")
_THREADS = 8
_INCOMING = ".incoming"
_ABANDONED_S = 3600.0
_LIST_BATCH = 1000


class DirectoryStore:
    """See :class:`~recorder.stores.Store`.

    A file of the same file system is linked, so that an upload copies nothing. Unfinished files lie
    in ``.incoming``; :meth:`check` removes those that a dead process left there.
    """

    def __init__(self, config: DirectoryStoreConfig) -> None:
        self._root = config.path
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="directory-store")

    async def put(self, key: str, path: Path) -> None:
        """See :meth:`Store.put`."""
        await self._run(self._put, key, path)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """See :meth:`Store.read`."""
        return await self._run(self._read, key, offset, length)

    async def delete(self, keys: Sequence[str]) -> None:
        """See :meth:`Store.delete`."""
        await self._run(self._delete, list(keys))

    async def stat(self, key: str) -> ObjectStat | None:
        """See :meth:`Store.stat`."""
        return await self._run(self._stat, key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See :meth:`Store.list`."""
        walk = self._walk(prefix)
        while batch := await self._run(_take, walk, _LIST_BATCH):
            for item in batch:
                yield item

    async def free_bytes(self) -> int | None:
        """See :meth:`Store.free_bytes`."""
        return await self._run(self._free_bytes)

    async def check(self) -> None:
        """See :meth:`Store.check`."""
        await self._run(self._check)

    async def close(self) -> None:
        """See :meth:`Store.close`."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, function, *arguments)
        except OSError as error:
            raise _store_error(self._root, error) from error

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not all(parts) or any(part in (".", "..") or "\0" in part for part in parts):
            raise StoreError("failed", f"{key!r} is not a key")
        return self._root.joinpath(*parts)

    def _put(self, key: str, source: Path) -> None:
        target = self._path(key)
        self._make_folders(target.parent)
        temporary = self._temporary()
        try:
            try:
                os.link(source, temporary)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                    raise
                shutil.copyfile(source, temporary)
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(target)
        finally:
            # rename(2) leaves both names when they are links to one file: a repeated put.
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        sync_folder(target.parent)

    def _temporary(self) -> Path:
        folder = self._root / _INCOMING
        if not folder.is_dir():
            self._make_folders(folder)
        return folder / secrets.token_hex(8)

    def _make_folders(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            if folder == self._root:
                break
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True, parents=folder == self._root)
            sync_folder(folder.parent)

    def _read(self, key: str, offset: int, length: int) -> bytes:
        with self._path(key).open("rb", buffering=0) as file:
            pieces = []
            while length > 0:
                piece = os.pread(file.fileno(), length, offset)
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _delete(self, keys: Sequence[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                folders.add(path.parent)
        for folder in folders:
            # Whoever deletes beside us may have taken it away, empty.
            with contextlib.suppress(FileNotFoundError):
                sync_folder(folder)
        for folder in folders:
            # A day's folder goes with its last segment, and so may one above it that lost another;
            # a put that races makes it anew.
            with contextlib.suppress(OSError):
                while folder != self._root:
                    folder.rmdir()
                    folder = folder.parent

    def _stat(self, key: str) -> ObjectStat | None:
        try:
            return ObjectStat(key, self._path(key).stat().st_size)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _walk(self, prefix: str) -> Iterator[ObjectStat]:
        # Only the deepest whole folder of the prefix is walked.
        folder = "/".join(prefix.split("/")[:-1])
        yield from self._walk_folder(self._path(folder) if folder else self._root, prefix)

    def _walk_folder(self, folder: Path, prefix: str) -> Iterator[ObjectStat]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name + "/" * entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in found:
            key = Path(entry.path).relative_to(self._root).as_posix()
            if entry.is_dir(follow_symlinks=False):
                if key == _INCOMING:
                    continue
                if (key + "/").startswith(prefix) or prefix.startswith(key + "/"):
                    yield from self._walk_folder(Path(entry.path), prefix)
            elif key.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):
                    yield ObjectStat(key, entry.stat().st_size)

    def _free_bytes(self) -> int:
        usage = os.statvfs(self._root)
        return usage.f_bavail * usage.f_frsize

    def _check(self) -> None:
        probe = self._temporary()
        try:
            probe.write_bytes(b"gridsight")
            if probe.read_bytes() != b"gridsight":
                raise StoreError("failed", f"{self._root} does not give back what was written")
        finally:
            with contextlib.suppress(FileNotFoundError):
                probe.unlink()
        for leftover in (self._root / _INCOMING).iterdir():
            with contextlib.suppress(FileNotFoundError):
                # The change time, since a link has its file's time of modification.
                if time.time() - leftover.stat().st_ctime > _ABANDONED_S:
                    leftover.unlink()


def _take(walk: Iterator[ObjectStat], count: int) -> list[ObjectStat]:
    batch = []
    for item in walk:
        batch.append(item)
        if len(batch) == count:
            break
    return batch


def _store_error(root: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StoreError("full", f"the store's directory {root} is full ({reason})")
        case errno.ENOENT:
            return StoreError("not_found", f"no such file: {error.filename}")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return StoreError(
                "denied", f"the store's directory {root} cannot be written ({reason}): check rights"
            )
        case _:
            return StoreError("failed", f"the store's directory {root} fails: {reason}")
