"""Segments on their way in parts: what is full is sent while the rest is being recorded.

The order of truth stays: the object does not exist before the file is sealed and every byte of it
is in the store; then the row, then the spool file goes. A crash at any line leaves an upload that
its note tells of (:mod:`recorder.upload_note`), or one without a note, which housekeeping finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

import structlog

from recorder import spool_disk
from recorder.segments import Segment, store_key
from recorder.spool_file import FileState, SpoolFile
from recorder.stores import StoreError
from recorder.stores.parts import PartStore
from recorder.upload_note import SUFFIX, UploadNote, compare, note_path, read_note

_log = structlog.get_logger(__name__)

# Sealed before any part was sent (the store was away): one request for this much, parts for more.
_WHOLE_BYTES_LIMIT = 32 << 20


class PartUploads:
    """The unfinished uploads of one spool. ``timeout_s`` bounds each request.

    No two methods may run for one file at the same time. All raise StoreError, TimeoutError, and
    OSError when the spool cannot be read or written.
    """

    def __init__(self, store: PartStore, timeout_s: float) -> None:
        self._store = store
        self._timeout_s = timeout_s
        self._part_bytes = store.part_bytes
        self._notes: dict[str, tuple[SpoolFile, UploadNote]] = {}
        self._slow: set[str] = set()

    def has_full_part(self, file: SpoolFile) -> bool:
        """Whether more of an open file could be sent."""
        part_bytes = self._part_bytes
        if not part_bytes or file.state is not FileState.OPEN or file.failure is not None:
            return False
        known = self._notes.get(file.id)
        sent_bytes = known[1].sent_bytes if known else 0
        return file.written_bytes - sent_bytes >= part_bytes

    async def send_full_parts(self, file: SpoolFile) -> int:
        """Send what is full of a file that is being written; gives how many parts that was."""
        note = await self._note_of(file) or await self._begin(file)
        sent = 0
        if note is None:
            return sent
        try:
            while file.written_bytes - note.sent_bytes >= note.part_bytes:
                await self._send(file, note, note.part_bytes)
                sent += 1
        except StoreError as error:
            if error.code != "no_upload":
                raise
            await self._forget(file)  # somebody gave it up: the next part begins another
        return sent

    async def store(self, file: SpoolFile, segment: Segment) -> bool:
        """Have the store make the whole object of a sealed file. False: it should be put whole."""
        note = await self._note_of(file)
        if note is None:
            part_bytes = self._part_bytes
            if not part_bytes or (
                segment.size_bytes <= _WHOLE_BYTES_LIMIT and file.id not in self._slow
            ):
                return False
            note = await self._begin(file)
            if note is None:
                return False
        if not note.compared:
            await asyncio.to_thread(compare, note, file.path, segment.size_bytes)
            await asyncio.to_thread(_save, note.write)
        try:
            while (rest := segment.size_bytes - note.sent_bytes) > 0:
                await self._send(file, note, min(rest, note.part_bytes))
            async with asyncio.timeout(self._timeout_s):
                await self._store.finish_upload(note.key, note.upload_id, note.parts)
        except StoreError as error:
            if error.code != "no_upload":
                raise
            # Finished by a process that died before it could say so, or given up by somebody: the
            # same bytes once more are right in either case.
            await self._forget(file)
            return False
        return True

    def note_slow(self, file: SpoolFile) -> None:
        """Putting it whole took too long: parts that arrived need not be sent again."""
        self._slow.add(file.id)

    async def done(self, file: SpoolFile) -> None:
        """The object has its row."""
        self._slow.discard(file.id)
        await self._forget(file)

    def given_up(self) -> list[SpoolFile]:
        """Files that left the spool while their upload was under way."""
        return [
            file
            for file, _ in self._notes.values()
            if file.state is FileState.GONE and not file.uploading
        ]

    async def abort(self, file: SpoolFile) -> None:
        """Give up the upload of such a file."""
        known = self._notes.get(file.id)
        if known is not None:
            async with asyncio.timeout(self._timeout_s):
                await self._store.abort_upload(known[1].key, known[1].upload_id)
        await self.done(file)

    async def abort_left(self, directory: Path, known: Collection[str]) -> None:
        """Give up the uploads whose notes lie in the spool without a file that is ``known``: an
        earlier process was done with it, or gave it up.
        """
        for path in await asyncio.to_thread(_notes_in, directory):
            if path.stem in known or path.stem in self._notes:
                continue
            note = await asyncio.to_thread(read_note, path)
            if note is not None:
                async with asyncio.timeout(self._timeout_s):
                    await self._store.abort_upload(note.key, note.upload_id)
            await asyncio.to_thread(spool_disk.unlink, path)

    async def _note_of(self, file: SpoolFile) -> UploadNote | None:
        known = self._notes.get(file.id)
        if known is not None:
            return known[1]
        note = await asyncio.to_thread(read_note, note_path(file.path))
        if note is None or note.key != _key(file):
            return None
        self._notes[file.id] = (file, note)
        return note

    async def _begin(self, file: SpoolFile) -> UploadNote | None:
        """None where the store takes no parts after all: it is given whole objects from now on."""
        key = _key(file)
        try:
            async with asyncio.timeout(self._timeout_s):
                upload_id = await self._store.begin_upload(key)
        except StoreError as error:
            if error.code != "unsupported":
                raise
            _log.warning("segments are sent when they are complete", why=str(error))
            self._part_bytes = 0
            return None
        note = UploadNote(note_path(file.path), key, upload_id, self._part_bytes, compared=True)
        self._notes[file.id] = (file, note)
        await asyncio.to_thread(_save, note.write)
        return note

    async def _send(self, file: SpoolFile, note: UploadNote, length: int) -> None:
        number = len(note.parts) + 1
        async with asyncio.timeout(self._timeout_s):
            part = await self._store.put_part(
                note.key, note.upload_id, number, file.path, note.sent_bytes, length
            )
        note.parts.append(part)
        await asyncio.to_thread(_save, note.add_line)

    async def _forget(self, file: SpoolFile) -> None:
        self._notes.pop(file.id, None)
        await asyncio.to_thread(spool_disk.unlink, note_path(file.path))


def _key(file: SpoolFile) -> str:
    return store_key(file.source.id, file.id, file.header.start_us)


def _notes_in(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"*{SUFFIX}"))


def _save(write: Callable[[], None]) -> None:
    """A note that cannot be written costs nothing but an upload that may have to be done again."""
    try:
        write()
    except OSError as error:
        _log.warning("an upload's note cannot be written", error=str(error))
