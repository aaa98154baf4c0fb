"""The spool: segments as local files, written by a few threads so that no disk holds up the loop.

A segment's life in here, each state a promise:

=========  ===========================================================================
open       its writer appends fragments; each counts once the write has returned
pending    complete; its bytes do not change any more; the uploader takes it from here
gone       object and row exist, or it was given up with a gap that says so
=========  ===========================================================================

All methods are called on the event loop, and return at once. Bytes wait for the disk in memory up
to ``memory_bytes_limit``; what does not fit is refused, and the caller records a gap.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from camera_adapters.stream import GapCause
from recorder import spool_disk
from recorder.gop_index import FragmentEntry
from recorder.spool_file import FileState, SpoolFile, WriteFailure
from recorder.spool_header import SegmentHeader
from recorder.spool_threads import SpoolThreads

_log = structlog.get_logger(__name__)

_SUFFIX = ".mp4"


class SpoolError(Exception):
    """The spool cannot be used: its directory is missing, not writable, or another's."""


class SegmentGone(Exception):
    """The segment is not in the spool (any more); look for its row."""


@dataclass(frozen=True, slots=True)
class SpoolConfig:
    """``directory`` is this process's alone. ``bytes_limit`` bounds files and queued bytes."""

    directory: Path
    bytes_limit: int = 20 << 30
    memory_bytes_limit: int = 256 << 20
    fsync_interval_s: float = 5.0
    threads: int = 2


class Spool:
    """The files, their writing threads, and the account of bytes.

    ``on_pending`` is told of each file that is complete. ``on_lost`` is told ``(source id, start,
    end, cause, detail)`` of accepted footage that did not reach the disk.
    """

    def __init__(
        self,
        config: SpoolConfig,
        *,
        on_pending: Callable[[SpoolFile], None],
        on_lost: Callable[[str, int, int, GapCause, str], None],
    ) -> None:
        self.config = config
        self.files: dict[str, SpoolFile] = {}
        self.bytes = 0
        self.store_trouble = ""  # what the uploader last heard from the store
        self._by_source: dict[str, list[SpoolFile]] = {}
        self._on_pending = on_pending
        self._on_lost = on_lost
        self._threads = SpoolThreads(config.directory, config.threads, config.fsync_interval_s)
        self._reads = ThreadPoolExecutor(2, thread_name_prefix="spool-read")
        self._lock_descriptor = -1

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted and not yet written."""
        return self._threads.queued_bytes

    @property
    def sync_failures(self) -> int:
        """How often the disk refused to make written bytes durable."""
        return self._threads.sync_failures

    def claim(self) -> None:
        """Make the directory and lock it for this process.

        Raises SpoolError when that fails or another process has it. Blocks shortly.
        """
        try:
            self.config.directory.mkdir(parents=True, exist_ok=True)
            self._lock_descriptor = os.open(
                self.config.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SpoolError(
                f"the spool {self.config.directory} is in use by another process"
            ) from error
        except OSError as error:
            raise SpoolError(
                f"the spool {self.config.directory} cannot be used: {error.strerror}"
            ) from error

    def start(self) -> None:
        """Start the threads; call on the event loop."""
        self._threads.start()

    async def close(self) -> None:
        """Finish what is queued (seal files first), sync, stop the threads, release the lock."""
        await self._threads.stop()
        self._reads.shutdown(wait=True)
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            self._lock_descriptor = -1

    # Writing

    def open_file(
        self, header: SegmentHeader, header_data: bytes, composition_90k: int
    ) -> SpoolFile:
        """A new open file. Nothing touches the disk before the first fragment."""
        file = SpoolFile(
            header,
            header_data,
            self.path_of(header.segment_id),
            self._threads.assign(),
            composition_90k,
            enqueued_end_us=header.start_us,
        )
        self._add(file)
        return file

    def adopt(self, file: SpoolFile) -> None:
        """Take in a recovered file; it is announced as pending."""
        file.state = FileState.PENDING
        self.bytes += file.enqueued_bytes
        self._add(file)
        self._on_pending(file)

    def has_memory_for(self, size: int) -> bool:
        """Whether a fragment of this size may be queued."""
        return self.queued_bytes + size <= self.config.memory_bytes_limit

    def make_room(self, size: int) -> WriteFailure | None:
        """Keep the spool within its cap with this much more in it.

        The oldest footage of the lowest priority that is complete, not held and not on its way is
        given up, and a gap says so. Returns why it cannot be done, None when there is room.
        """
        while self.bytes + size > self.config.bytes_limit:
            candidates = (
                file
                for file in self.files.values()
                if file.state is FileState.PENDING and not file.held and not file.uploading
            )
            victim = min(
                candidates,
                key=lambda file: (file.source.priority, file.header.start_us),
                default=None,
            )
            trouble = self.store_trouble or "it takes footage more slowly than the cameras send it"
            if victim is None:
                return WriteFailure(
                    GapCause.STORE_DOWN, f"the spool is full and the store takes nothing: {trouble}"
                )
            segment = victim.describe()
            self.remove(victim)
            self._on_lost(
                segment.source_id,
                segment.start_us,
                segment.end_us,
                GapCause.STORE_DOWN,
                f"the spool was full: {trouble}",
            )
        return None

    def append(
        self, file: SpoolFile, buffers: list[bytes], size: int, entry: FragmentEntry, end_us: int
    ) -> None:
        """Queue one fragment's bytes; ask :meth:`has_memory_for` first."""
        if not file.enqueued_bytes:
            buffers.insert(0, file.header_data)
            size += len(file.header_data)
        file.enqueued_bytes += size
        file.enqueued_end_us = end_us
        self.bytes += size
        self._threads.append(file, buffers, size, entry)

    def seal(self, file: SpoolFile, end_us: int | None = None) -> None:
        """No more fragments: once written, the file is pending.

        ``end_us`` says where it ends when the next segment's start knows better.
        """
        if end_us is not None:
            file.enqueued_end_us = end_us
        file.end_us = file.enqueued_end_us
        self._threads.seal(file, self._sealed)

    # Reading

    def files_of(self, source_id: str) -> list[SpoolFile]:
        """The source's files that hold something, oldest first."""
        return [file for file in self._by_source.get(source_id, ()) if file.entries]

    async def read(self, segment_id: str, offset: int, length: int) -> bytes:
        """Bytes of an open or pending segment, only such as are safely in the file.

        Raises SegmentGone when it is not here (any more).
        """
        file = self.files.get(segment_id)
        if file is None or not file.entries:
            raise SegmentGone(segment_id)
        length = min(length, file.written_bytes - offset)
        if length <= 0 or offset < 0:
            return b""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._reads, spool_disk.read_range, file.path, offset, length
            )
        except FileNotFoundError as error:
            raise SegmentGone(segment_id) from error

    # Ending

    def remove(self, file: SpoolFile) -> None:
        """Forget the file and delete it, in the background."""
        self._forget(file)
        self._reads.submit(spool_disk.unlink, file.path)

    def set_aside(self, file: SpoolFile, folder: str) -> None:
        """Forget the file, keep it in a sub-folder for a person to look at."""
        self._forget(file)
        self._reads.submit(spool_disk.move, file.path, self.config.directory / folder)

    def path_of(self, segment_id: str) -> Path:
        """Where the segment's file is."""
        return self.config.directory / f"{segment_id}{_SUFFIX}"

    def file_paths(self) -> Iterable[Path]:
        """All segment files on disk, oldest id first. Blocks."""
        return sorted(self.config.directory.glob(f"*{_SUFFIX}"))

    def _add(self, file: SpoolFile) -> None:
        self.files[file.id] = file
        self._by_source.setdefault(file.source.id, []).append(file)

    def _forget(self, file: SpoolFile) -> None:
        if self.files.pop(file.id, None) is None:
            return
        file.state = FileState.GONE
        self.bytes -= file.enqueued_bytes
        siblings = self._by_source[file.source.id]
        siblings.remove(file)
        if not siblings:
            del self._by_source[file.source.id]

    def _sealed(self, file: SpoolFile) -> None:
        """On the loop, after the last write."""
        if file.failure is not None:
            lost_from = file.written_end_us()
            if file.enqueued_end_us > lost_from:
                self._on_lost(
                    file.source.id,
                    lost_from,
                    file.enqueued_end_us,
                    file.failure.cause,
                    file.failure.detail,
                )
            file.end_us = lost_from
            self.bytes -= file.enqueued_bytes - file.written_bytes
            file.enqueued_bytes = file.written_bytes
        if not file.entries:
            self.remove(file)
            return
        file.state = FileState.PENDING
        self._on_pending(file)
