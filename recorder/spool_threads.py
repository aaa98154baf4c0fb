"""The threads that write the spool's files, so that no disk holds up the event loop.

A file is written by one thread, in order. ``fsync`` happens for the whole file system at once, on a
thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from recorder import spool_disk
from recorder.gop_index import FragmentEntry
from recorder.spool_file import SpoolFile

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Append:
    file: SpoolFile
    buffers: list[bytes]
    size: int
    entry: FragmentEntry


@dataclass(slots=True)
class _Seal:
    file: SpoolFile
    done: Callable[[SpoolFile], None]


_Job = _Append | _Seal | None


class SpoolThreads:
    """``count`` writing threads over one directory, and one that syncs it.

    ``sync_failures`` counts what the disk refused to make durable.
    """

    def __init__(self, directory: Path, count: int, fsync_interval_s: float) -> None:
        self.sync_failures = 0
        self._directory = directory
        self._fsync_interval_s = fsync_interval_s
        self._enqueued_bytes = 0
        self._done_bytes = [0] * count  # each written by its own thread only
        self._queues: list[queue.SimpleQueue[_Job]] = [queue.SimpleQueue() for _ in range(count)]
        self._threads: list[threading.Thread] = []
        self._next = 0
        self._dirty = False
        self._stop = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def queued_bytes(self) -> int:
        """Bytes accepted and not yet written."""
        return self._enqueued_bytes - sum(self._done_bytes)

    def start(self) -> None:
        """Start them; call on the event loop, on which files will be announced as sealed."""
        self._loop = asyncio.get_running_loop()
        for number in range(len(self._queues)):
            self._start(f"spool-write-{number}", self._write_loop, number)
        self._start("spool-sync", self._sync_loop)

    async def stop(self) -> None:
        """Finish what is queued, sync, and end."""
        for waiting in self._queues:
            waiting.put(None)
        self._stop.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads.clear()

    def assign(self) -> int:
        """The thread for the next file, in turn."""
        number = self._next
        self._next = (number + 1) % len(self._queues)
        return number

    def append(
        self, file: SpoolFile, buffers: list[bytes], size: int, entry: FragmentEntry
    ) -> None:
        """Queue one fragment's bytes; the first creates the file."""
        self._enqueued_bytes += size
        self._queues[file.thread].put(_Append(file, buffers, size, entry))

    def seal(self, file: SpoolFile, done: Callable[[SpoolFile], None]) -> None:
        """Close the file behind what is queued, then call ``done`` on the loop."""
        self._queues[file.thread].put(_Seal(file, done))

    def _start(self, name: str, target: Callable[..., None], *arguments: int) -> None:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _write_loop(self, number: int) -> None:
        waiting = self._queues[number]
        while (job := waiting.get()) is not None:
            if isinstance(job, _Append):
                if job.file.failure is None:
                    self._append(job)
                self._done_bytes[number] += job.size
                job.buffers.clear()
                continue
            if job.file.descriptor >= 0:
                os.close(job.file.descriptor)
                job.file.descriptor = -1
            if self._loop is not None:
                # The loop is closed only when the process ends: recovery finds the file then.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(job.done, job.file)

    def _append(self, job: _Append) -> None:
        file = job.file
        try:
            if file.descriptor < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                file.descriptor = os.open(file.path, flags, 0o640)
            spool_disk.write_all(file.descriptor, job.buffers, job.size)
        except OSError as error:
            file.failure = spool_disk.write_failure(error)
            _log.error("cannot write the spool", path=str(file.path), error=str(error))
            if file.descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.descriptor, file.written_bytes)
            return
        file.written_bytes += job.size
        file.entries.append(job.entry)
        self._dirty = True

    def _sync_loop(self) -> None:
        interval = self._fsync_interval_s
        while not self._stop.wait(interval):
            self._sync()
        self._sync()

    def _sync(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        started = time.monotonic()
        try:
            spool_disk.sync_file_system(self._directory)
        except OSError as error:
            self.sync_failures += 1
            _log.error("cannot sync the spool", error=str(error))
        took_s = time.monotonic() - started
        if took_s > self._fsync_interval_s:
            _log.warning("the spool's disk is slow to sync", took_s=round(took_s, 1))
