"""What the spool's threads do with its disk. Everything here blocks."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path

from camera_adapters.stream import GapCause
from recorder.spool_file import WriteFailure

_GATHER_LIMIT = 1000  # buffers in one writev: Linux allows 1024


def write_all(descriptor: int, buffers: list[bytes], size: int) -> None:
    written = 0
    for start in range(0, len(buffers), _GATHER_LIMIT):
        group = buffers[start : start + _GATHER_LIMIT]
        count = os.writev(descriptor, group)
        written += count
        if len(buffers) > _GATHER_LIMIT and count < sum(map(len, group)):
            break
    if written == size:
        return
    # A short write: the disk is nearly full, or a signal came. Finish it plainly, or fail for real.
    rest = b"".join(buffers)
    at = os.lseek(descriptor, 0, os.SEEK_CUR) - written
    while written < size:
        count = os.pwrite(descriptor, rest[written:], at + written)
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += count
    os.lseek(descriptor, at + size, os.SEEK_SET)


def write_failure(error: OSError) -> WriteFailure:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return WriteFailure(GapCause.SPACE, f"the spool's disk is full ({reason})")
    return WriteFailure(GapCause.DISK_SLOW, f"the spool's disk fails ({reason})")


def read_range(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, offset)


def unlink(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def move(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.rename(folder / path.name)


_libc = ctypes.CDLL(None, use_errno=True)


def sync_file_system(folder: Path) -> None:
    """syncfs(2): one call for all files of the spool, however many cameras there are."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
