"""From the spool into store and index: object complete, then row, then the spool file goes.

A few files are on their way at a time, oldest first; to a store that takes parts, also those that
are still being recorded (:mod:`recorder.part_upload`). When the store or the row writer fails, one
file at a time probes with jittered back-off while the others wait, so that a store that comes back
is not met by everything at once. How long the first wait is depends on what failed: a connection
that broke is tried again at once, a wrong key needs a person.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from camera_adapters.event_wait import wait_for_event
from recorder.backoff import Backoff
from recorder.index import source_message
from recorder.part_upload import PartUploads
from recorder.rows import RowError, RowWriter
from recorder.segments import Segment, other_key
from recorder.spool import Spool
from recorder.spool_file import FileState, SpoolFile
from recorder.stores import Store, StoreError, StoreErrorCode
from recorder.stores.parts import PartStore

_log = structlog.get_logger(__name__)

_REFUSED_RETRY_S = 60.0
_LOOK_S = 1.0  # how often open files are looked at for a part that is full
_FIRST_WAIT_S = 0.2
_FIRST_WAITS_S: dict[StoreErrorCode, float] = {
    "slow_down": 1.0,
    "denied": 5.0,
    "no_bucket": 5.0,
    "full": 5.0,
}


@dataclass(slots=True)
class UploadCounters:
    """What was done since the start; ``trouble`` is empty when the store and the index take all."""

    segments: int = 0
    bytes: int = 0
    parts: int = 0  # sent while their segments were being recorded
    failures: int = 0
    trouble: str = ""


class Uploader:
    """Takes pending files of the spool. ``put_timeout_s`` bounds one request that stores a file, or
    a part of one.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        rows: RowWriter,
        *,
        concurrency: int = 4,
        put_timeout_s: float = 120.0,
        backoff_limit_s: float = 30.0,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.counters = UploadCounters()
        self._spool = spool
        self._store = store
        self._rows = rows
        self._concurrency = concurrency
        self._put_timeout_s = put_timeout_s
        self._now_us = now_us
        self._parts = PartUploads(store, put_timeout_s) if isinstance(store, PartStore) else None
        self._waiting_open: set[str] = set()
        self._backoff = Backoff(_FIRST_WAIT_S, backoff_limit_s)
        self._heap: list[tuple[float, int, str, SpoolFile]] = []
        self._wake = asyncio.Event()
        self._healthy = asyncio.Event()
        self._probing = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Make sure of the store, then start on what is pending; call on the event loop."""
        self._tasks.append(asyncio.create_task(self._open_store(), name="upload-open"))
        for number in range(self._concurrency):
            task = asyncio.create_task(self._work(), name=f"upload-{number}")
            self._tasks.append(task)
        if self._parts is not None:
            self._tasks.append(asyncio.create_task(self._look_for_parts(), name="upload-parts"))

    async def close(self) -> None:
        """Stop; what is under way stays in the spool and is finished by the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def add(self, file: SpoolFile) -> None:
        """A file became pending."""
        heapq.heappush(self._heap, (0.0, file.header.start_us, file.id, file))
        self._wake.set()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until no sealed file is left in the spool; False when that takes too long."""
        deadline = time.monotonic() + timeout_s
        while any(file.end_us is not None for file in self._spool.files.values()):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _open_store(self) -> None:
        """What the store lacks is said at the start, not with the first segment's end; a bucket or
        a folder that is not there is made, as soon as it can be.

        Uploads wait for the first look only: a store that refuses to be looked at may take footage.
        """
        opened = await self._check_store()
        self._healthy.set()
        while not opened:
            await self._backoff.wait()
            if self.counters.segments:
                return
            opened = await self._check_store()

    async def _check_store(self) -> bool:
        try:
            async with asyncio.timeout(self._put_timeout_s):
                await self._store.check()
        except Exception as error:
            self._note_failure(error)
            return False
        self._note_success()
        return True

    async def _look_for_parts(self) -> None:
        """What is full of open files is queued; uploads of files that were given up are too."""
        assert self._parts is not None
        await self._healthy.wait()
        left_over = True
        while True:
            for file in tuple(self._spool.files.values()):
                if self._parts.has_full_part(file):
                    self._put_back(file)
            if self._healthy.is_set():
                try:
                    for file in self._parts.given_up():
                        await self._parts.abort(file)
                    if left_over:
                        await self._parts.abort_left(
                            self._spool.config.directory, self._spool.files.keys()
                        )
                        left_over = False
                except (StoreError, TimeoutError, OSError) as error:
                    _log.warning("an upload cannot be given up now", error=str(error))
            await asyncio.sleep(_LOOK_S)

    async def _work(self) -> None:
        while True:
            await self._healthy.wait()
            file = await self._next()
            if self._healthy.is_set():
                await self._carry(file)
            else:  # it broke while this one waited for work
                self._put_back(file)

    async def _carry(self, file: SpoolFile) -> None:
        """Bring one file home. When the store or the index fails, wait for the one that probes,
        or become it: try with back-off, another file each time, until something succeeds.
        """
        if await self._attempt(file):
            return
        self._put_back(file)
        if self._probing:
            return
        self._probing = True
        self._healthy.clear()
        try:
            while True:
                await self._backoff.wait()
                probe = self._pop_due()
                if probe is None or await self._attempt(probe):
                    return
                self._put_back(probe)
        finally:
            self._probing = False
            self._healthy.set()

    def _put_back(self, file: SpoolFile, delay_s: float = 0.0) -> None:
        """Behind those that were not tried yet: one that always fails must not stop the rest."""
        if file.state is FileState.OPEN:
            if file.id in self._waiting_open:
                return
            self._waiting_open.add(file.id)
        due = time.monotonic() + delay_s
        heapq.heappush(self._heap, (due, file.header.start_us, file.id, file))
        self._wake.set()

    def _pop_due(self) -> SpoolFile | None:
        """The next file that is not gone, when its time has come."""
        while self._heap and self._heap[0][0] <= time.monotonic():
            file = heapq.heappop(self._heap)[3]
            self._waiting_open.discard(file.id)
            # Else it was given up meanwhile. One whose part is on its way comes back after it.
            if file.state is not FileState.GONE and not file.uploading:
                return file
        return None

    async def _next(self) -> SpoolFile:
        while (file := self._pop_due()) is None:
            delay_s = self._heap[0][0] - time.monotonic() if self._heap else None
            self._wake.clear()
            await wait_for_event(self._wake, delay_s)
        return file

    async def _attempt(self, file: SpoolFile) -> bool:
        """Try once. False when store or index failed as such, True when that file is dealt with."""
        if file.state is FileState.GONE or file.uploading:
            return True
        file.uploading = True
        was_open = file.state is FileState.OPEN
        try:
            if was_open:
                await self._send_parts(file)
            else:
                await self._store_and_index(file)
        except (StoreError, ConnectionError, TimeoutError) as error:
            self._note_failure(error)
            return False
        except OSError as error:
            self._cannot_read(file, error)
        except Exception as error:
            # The index wants this one not (yet). It stays, ``check`` names it, and it is retried.
            self.counters.failures += 1
            _log.error("a segment is refused", segment=file.id, error=repr(error))
            self._put_back(file, _REFUSED_RETRY_S)
        else:
            self._note_success()
        finally:
            file.uploading = False
            if was_open and file.state is FileState.PENDING:
                self._put_back(file)  # it was sealed, and nobody took it, meanwhile
        return True

    def _cannot_read(self, file: SpoolFile, error: OSError) -> None:
        _log.error("a spool file cannot be read", segment=file.id, error=str(error))
        if file.state is not FileState.PENDING:
            return  # its writer will say what is wrong with it
        if isinstance(error, FileNotFoundError):
            self._spool.remove(file)
        else:
            self._spool.set_aside(file, "unreadable")

    async def _send_parts(self, file: SpoolFile) -> None:
        if self._parts is not None:
            self.counters.parts += await self._parts.send_full_parts(file)

    async def _store_and_index(self, file: SpoolFile) -> None:
        if not file.sha256:
            file.sha256 = await asyncio.to_thread(hash_file, file.path)
        segment = file.describe()
        try:
            await self._store_under(file, segment)
        except RowError as error:
            if error.code != "claimed":
                raise
            # What this machine had sent was taken over while it was away: the whole goes elsewhere.
            claimed = segment.store_key
            segment = replace(segment, store_key=other_key(claimed))
            await self._put_whole(file, segment)
            await self._index(file, segment)
            await self._store.delete([claimed])
        self.counters.segments += 1
        self.counters.bytes += segment.size_bytes
        if self._parts is not None:
            await self._parts.done(file)
        self._spool.remove(file)

    async def _store_under(self, file: SpoolFile, segment: Segment) -> None:
        if self._parts is None or not await self._parts.store(file, segment):
            await self._put_whole(file, segment)
        await self._index(file, segment)

    async def _index(self, file: SpoolFile, segment: Segment) -> None:
        await self._rows.write(
            "recorder.add_segment",
            source=source_message(file.source),
            run=file.header.run.to_message(),
            segment=segment.to_message(),
            now_us=self._now_us(),
        )

    async def _put_whole(self, file: SpoolFile, segment: Segment) -> None:
        try:
            async with asyncio.timeout(self._put_timeout_s):
                await self._store.put(segment.store_key, file.path)
        except (TimeoutError, StoreError) as error:
            slow = not isinstance(error, StoreError) or error.code == "timeout"
            if slow and self._parts is not None:
                self._parts.note_slow(file)
            raise

    def _note_failure(self, error: Exception) -> None:
        self.counters.failures += 1
        code = error.code if isinstance(error, StoreError) else "failed"
        self._backoff.first_s = _FIRST_WAITS_S.get(code, _FIRST_WAIT_S)
        message = str(error) or f"no answer within {self._put_timeout_s:.0f} s"
        if message != self.counters.trouble:
            _log.warning("footage waits in the spool", error=message)
        self.counters.trouble = self._spool.store_trouble = message

    def _note_success(self) -> None:
        self._backoff.reset()
        if self.counters.trouble:
            _log.info("footage is taken again", after=self.counters.trouble)
            self.counters.trouble = self._spool.store_trouble = ""


def hash_file(path: Path) -> bytes:
    """The file's SHA-256, in one call that leaves the interpreter to others meanwhile. Blocks."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return hashlib.sha256(data).digest()
