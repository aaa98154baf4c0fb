"""Files that know their digests the moment they are complete."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SM3, Hash

from recorder.durable import sync_folder

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileDigest:
    """SHA-256 and SM3 in hexadecimal, and what a ZIP archive wants to know."""

    size_bytes: int
    sha256: str
    sm3: str
    crc32: int


class Digesting:
    """All digests at once, over bytes as they come."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._sm3 = Hash(SM3())
        self._crc32 = 0
        self.size_bytes = 0

    def update(self, data: bytes | memoryview) -> None:
        """Some more bytes. Blocks for about 4 ms a megabyte, without the interpreter's lock."""
        self._sha256.update(data)
        self._sm3.update(bytes(data) if isinstance(data, memoryview) else data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self.size_bytes += len(data)

    def finish(self) -> FileDigest:
        """What they come to."""
        return FileDigest(
            self.size_bytes, self._sha256.hexdigest(), self._sm3.finalize().hex(), self._crc32
        )


class DigestingFile:
    """A file that is written under another name until it is complete. All calls block."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._staged = path.with_name(path.name + ".part")
        self._file = self._staged.open("wb")
        self._digesting = Digesting()

    def write(self, data: bytes) -> None:
        """Append. Raises OSError when the disk is full."""
        self._file.write(data)
        self._digesting.update(data)

    def finish(self) -> FileDigest:
        """Sync and give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._staged.replace(self._path)
        sync_folder(self._path.parent)
        return self._digesting.finish()

    def discard(self) -> None:
        """Remove what was written. May be called after :meth:`finish`, and does nothing then."""
        self._file.close()
        self._staged.unlink(missing_ok=True)


def digest_of(read: Callable[[int], Any]) -> FileDigest:
    """The digests of what ``read(length)`` gives until it gives nothing. Blocks."""
    digesting = Digesting()
    while data := read(_READ_BYTES):
        digesting.update(data)
    return digesting.finish()


def write_file(path: Path, data: bytes) -> FileDigest:
    """Write a whole small file, durably. Blocks."""
    file = DigestingFile(path)
    try:
        file.write(data)
        return file.finish()
    finally:
        file.discard()
