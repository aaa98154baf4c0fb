"""What can be played in a meeting: footage, recordings of meetings, files; piece by piece.

A piece is a fragment, parsed: pictures and sound with their times counted from the beginning of
what is played. Reading leaves the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import AccessUnit, Track
from gateway.database.meeting_tables import meeting_files
from gateway.footage.fragments import read_fragments
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageGone, FootageReader, Located
from gateway.identifiers import US_PER_S
from gateway.meetings.playing.unpack import Unpacked, unpack
from recorder.fmp4.reader import Mp4Error, read_tracks, read_units
from recorder.segments import Fragment
from recorder.stores import Store

_WINDOW_US = 600 * US_PER_S
_WINDOW_LIMIT_US = 6 * 3600 * US_PER_S
# As old as a segment is long may a keyframe be.
_KEYFRAME_BEFORE_US = 60 * US_PER_S
_COPY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment. ``units`` in decoding order; their ``wall_us`` count from the beginning of the
    material, not from any clock's. ``run`` tells pieces apart that do not belong to one another.
    """

    number: int
    run: str
    tracks: tuple[Track, ...]
    units: list[AccessUnit]
    start_us: int
    end_us: int


class Material(Protocol):
    """Pieces in order of time. Raises FootageUnreadable where they are, and cannot be read now."""

    async def at(self, position_us: int) -> Piece | None:
        """The last piece that begins with a keyframe, at or before the position; else the first
        behind it. None: there is none.
        """

    async def after(self, piece: Piece) -> Piece | None:
        """The next one; None behind the last."""


class FootageMaterial:
    """The footage of a camera, or of a meeting's track, from ``start_us`` to ``end_us``."""

    def __init__(self, reader: FootageReader, footage_id: str, start_us: int, end_us: int) -> None:
        self._reader = reader
        self._footage_id = footage_id
        self._wanted = Range(start_us, end_us)
        self._parts: list[tuple[Located, Fragment]] = []
        self._loaded_us = start_us

    async def at(self, position_us: int) -> Piece | None:
        """See Material."""
        at_us = self._wanted.start_us + position_us
        self._parts = []
        self._loaded_us = max(self._wanted.start_us, at_us - _KEYFRAME_BEFORE_US)
        step_us = _KEYFRAME_BEFORE_US + _WINDOW_US
        while self._loaded_us < self._wanted.end_us:
            await self._load(self._loaded_us + step_us)
            step_us = min(2 * step_us, _WINDOW_LIMIT_US)
            entries = [n for n, (_, part) in enumerate(self._parts) if part.keyframe_bytes]
            before = [n for n in entries if self._parts[n][1].start_us <= at_us]
            if entries:
                return await self._from(before[-1] if before else entries[0])
        return None

    async def after(self, piece: Piece) -> Piece | None:
        """See Material."""
        return await self._from(piece.number + 1)

    async def _from(self, number: int) -> Piece | None:
        step_us = _WINDOW_US
        while True:
            while number >= len(self._parts):
                if self._loaded_us >= self._wanted.end_us:
                    return None
                await self._load(self._loaded_us + step_us)
                # A night without footage is passed over in a few steps.
                step_us = min(2 * step_us, _WINDOW_LIMIT_US)
            located, part = self._parts[number]
            try:
                return await self._piece(number, located, part)
            except (FootageGone, Mp4Error):
                # It went while it was played: the rest is still there.
                number += 1

    async def _load(self, until_us: int) -> None:
        until_us = min(until_us, self._wanted.end_us)
        window = Range(self._loaded_us, until_us)
        if window.empty:
            return
        items = await self._reader.between(self._footage_id, "main", window.start_us, until_us)
        newest_us = self._parts[-1][1].start_us if self._parts else -1
        self._parts += [
            one
            for one in fragments_in(items, window)
            if one[1].start_us > newest_us and one[1].start_us < self._wanted.end_us
        ]
        self._loaded_us = until_us

    async def _piece(self, number: int, located: Located, part: Fragment) -> Piece:
        (data,) = await read_fragments(self._reader, located, part.number, part.number)
        tracks = self._reader.tracks(located.run)
        begin_us = self._wanted.start_us
        run_start_us = part.start_us - part.media_start_90k * 100 // 9 - begin_us
        units = await asyncio.to_thread(_units, data, tracks, run_start_us)
        start_us = part.start_us - begin_us
        return Piece(number, located.run.id, tracks, units, start_us, start_us + part.duration_us)


class FileMaterial:
    """A file that was taken apart: see :mod:`gateway.meetings.playing.unpack`."""

    def __init__(self, unpacked: Unpacked, descriptor: int) -> None:
        self._unpacked = unpacked
        self._descriptor = descriptor
        self._tracks = [
            read_tracks(os.pread(descriptor, size, offset)) for offset, size in unpacked.inits
        ]

    async def at(self, position_us: int) -> Piece | None:
        """See Material."""
        keyframes = [n for n, one in enumerate(self._unpacked.pieces) if one.keyframe]
        before = [n for n in keyframes if self._unpacked.pieces[n].start_us <= position_us]
        chosen = before[-1:] or keyframes[:1]
        return await self._piece(chosen[0]) if chosen else None

    async def after(self, piece: Piece) -> Piece | None:
        """See Material."""
        number = piece.number + 1
        return await self._piece(number) if number < len(self._unpacked.pieces) else None

    async def _piece(self, number: int) -> Piece:
        one = self._unpacked.pieces[number]
        tracks = self._tracks[one.run]
        start_us = self._unpacked.run_starts_us[one.run]
        data = await asyncio.to_thread(os.pread, self._descriptor, one.size, one.offset)
        units = await asyncio.to_thread(_units, data, tracks, start_us)
        return Piece(number, str(one.run), tracks, units, one.start_us, one.end_us)


@contextlib.asynccontextmanager
async def file_material(
    engine: AsyncEngine, store: Store, meeting_id: str, file_id: str
) -> AsyncIterator[FileMaterial | None]:
    """A file of the meeting; None when it was taken back. Raises Unplayable, StoreError,
    DBAPIError.
    """
    table = meeting_files.c
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                sa.select(table.key, table.size_bytes).where(
                    table.id == file_id,
                    table.meeting_id == meeting_id,
                    table.removed_us.is_(None),
                )
            )
        ).one_or_none()
    if row is None:
        yield None
        return
    with _nameless() as out:
        unpacked = await unpack_stored(store, row.key, row.size_bytes, out)
        yield FileMaterial(unpacked, out.fileno())


async def unpack_stored(store: Store, key: str, size_bytes: int, out: BinaryIO | None) -> Unpacked:
    """Take apart what lies in the store, into ``out``; without, only see whether it can be. Raises
    Unplayable, StoreError.
    """
    with _nameless() as file:
        for offset in range(0, size_bytes, _COPY_BYTES):
            data = await store.read(key, offset, min(_COPY_BYTES, size_bytes - offset))
            await asyncio.to_thread(file.write, data)
        await asyncio.to_thread(file.flush)
        given = (file,) if out is None else (file, out)
        return await unpack(
            _path(file), None if out is None else _path(out), [one.fileno() for one in given]
        )


def _nameless() -> BinaryIO:
    """A file without a name: nothing of it stays where this process is killed."""
    return cast("BinaryIO", tempfile.TemporaryFile())


def _path(file: BinaryIO) -> Path:
    return Path("/proc/self/fd", str(file.fileno()))


def _units(data: bytes, tracks: Sequence[Track], run_start_us: int) -> list[AccessUnit]:
    return sorted(read_units(data, tracks, run_start_us), key=lambda unit: unit.dts_90k)
