"""Keeping what was found: crops into the store, then vectors, then rows with how far it got.

A crash in between leaves an object without rows and a file in the staging folder that names it; the
next start takes the object away, and what was not kept is looked for again. A vector without a row
is written over by then, or is found by ``gridsight check``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.analysis.mailboxes import UNDESCRIBED
from recorder.rows import RowWriter
from recorder.stores import Store
from recorder.stores.staging import take_back, unlink_all, write_pieces
from search.index.keys import crop_key
from search.index.tables import passage_crops

_log = structlog.get_logger(__name__)

_OBJECTS_AT_ONCE = 8
_PARTS = 3

AddVectors = Callable[[str, Sequence[Mapping[str, Any]]], Awaitable[None]]
"""Of a kind, ``{id, camera_id, class, vector: bytes}`` each: durable when it returns, and may be
repeated."""


@dataclass(slots=True)
class Batch:
    """What is kept together, and what is noted with it. May be kept again after a failure.
    ``replaced``: passages that these take the place of; ``anew``: ``[camera_id, start_us, end_us]``
    in which they do so.

    When passages were there that could not be described is noted with them.
    """

    passages: Sequence[Mapping[str, Any]] = ()
    indexed: Sequence[Sequence[Any]] = ()
    missed: Sequence[Sequence[Any]] = ()
    progress: Mapping[str, Any] | None = None
    replaced: Sequence[int] = ()
    anew: Sequence[Sequence[Any]] = ()
    _packs: list[_Pack] | None = field(default=None, repr=False)
    # As they were when it was first kept.
    _epochs: dict[str, int] | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Pack:
    """One camera's crops in one object."""

    camera_id: str
    key: str
    staged: Path
    pieces: list[bytes]
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """One analyst of several: what it keeps of a camera that it has no more is refused. ``epochs``
    gives the cameras that it has now.
    """

    name: str
    epochs: Callable[[], Mapping[str, int]]


class Keeper:
    """``staging`` is a folder of its own, best on the store's disk."""

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        store: Store,
        staging: Path,
        add_vectors: AddVectors,
        owner: Owner | None = None,
    ) -> None:
        self.kept = 0
        # Held while vectors are written whose rows follow: what deletes vectors must not see them.
        self.writing = asyncio.Lock()
        self._reader = reader
        self._rows = rows
        self._store = store
        self._staging = staging
        self._add_vectors = add_vectors
        self._owner = owner
        self._slots = asyncio.Semaphore(_OBJECTS_AT_ONCE)

    async def open(self) -> None:
        """Take away what a killed process stored and never had rows for. Raises OSError."""

        async def key_without_row(name: str) -> str | None:
            key = _key_of(name)
            return None if await self._has_rows(key) else key

        await take_back(self._staging, self._store, key_without_row)

    async def keep(self, batch: Batch) -> bool:
        """Keep it; durable when this returns. False: its stretch has been cancelled, or its camera
        is another analyst's by now.

        Raises StoreError, OSError, RowError, ConnectionError, TimeoutError, ControlError: the same
        batch may be kept again then.
        """
        packs = batch._packs
        if packs is None:
            packs = batch._packs = self._packed(batch.passages)
        await asyncio.gather(*(self._put(pack) for pack in packs))
        async with self.writing:
            for kind, vectors in _vectors(batch.passages):
                await self._add_vectors(kind, vectors)
            goes_on, refused = await self._write(batch)
        if refused:
            keys = [pack.key for pack in packs if pack.camera_id in refused]
            _log.warning("found of cameras that another analyst has by now", cameras=len(refused))
            await self._store.delete(keys)
        await asyncio.to_thread(unlink_all, [pack.staged for pack in packs])
        self.kept += len(batch.passages)
        return goes_on

    async def _write(self, batch: Batch) -> tuple[bool, set[str]]:
        """Gives whether its stretch goes on, and of which cameras nothing was kept."""
        found: dict[str, Any] = {
            "items": [passage["row"] for passage in batch.passages],
            "indexed": batch.indexed,
            "missed": [*batch.missed, *undescribed(batch.passages)],
            "progress": batch.progress,
            "replaced": batch.replaced,
            "anew": batch.anew,
        }
        if self._owner is None:
            goes_on: bool = await self._rows.write("analysis.keep", **found)
            return goes_on, set()
        if batch._epochs is None:
            batch._epochs = dict(self._owner.epochs())
        vectors: dict[str, list[int]] = {}
        for passage in batch.passages:
            if passage["vector"] is not None:
                vectors.setdefault(passage["camera_id"], []).append(passage["row"]["id"])
        asked = {passage["camera_id"] for passage in batch.passages} | {
            one[0] for some in (batch.indexed, found["missed"], batch.anew) for one in some
        }
        told = await self._rows.write(
            "analysis.keep_own",
            owner=self._owner.name,
            epochs={one: epoch for one, epoch in batch._epochs.items() if one in asked},
            vectors=vectors,
            **found,
        )
        return told["goes_on"], set(told["refused"])

    def _packed(self, passages: Iterable[Mapping[str, Any]]) -> list[_Pack]:
        """Fills in where each crop will lie."""
        packs: dict[str, _Pack] = {}
        sizes: dict[str, int] = {}
        for passage in passages:
            jpeg = passage["jpeg"]
            if not jpeg:
                continue
            camera_id, row = passage["camera_id"], passage["row"]
            pack = packs.get(camera_id)
            if pack is None:
                first_us = (row["id"] >> 20) * 1000
                name = f"{first_us}-{secrets.token_hex(4)}"
                staged = self._staging / f"{camera_id}~{first_us}~{name}"
                pack = packs[camera_id] = _Pack(
                    camera_id, crop_key(camera_id, first_us, name), staged, []
                )
                sizes[camera_id] = 0
            row["crop_key"], row["crop_offset"] = pack.key, sizes[camera_id]
            row["crop_bytes"] = len(jpeg)
            pack.pieces.append(jpeg)
            sizes[camera_id] += len(jpeg)
        return list(packs.values())

    async def _put(self, pack: _Pack) -> None:
        async with self._slots:
            if not pack.stored:
                await asyncio.to_thread(write_pieces, pack.staged, pack.pieces)
                await self._store.put(pack.key, pack.staged)
                pack.stored = True

    async def _has_rows(self, key: str) -> bool:
        async with self._reader.connect() as connection:
            found = await connection.scalar(
                sa.select(passage_crops.c.number).where(passage_crops.c.store_key == key)
            )
        return found is not None


def _key_of(name: str) -> str:
    parts = name.split("~")
    if len(parts) != _PARTS:
        raise ValueError(name)
    return crop_key(parts[0], int(parts[1]), parts[2])


def _vectors(
    passages: Iterable[Mapping[str, Any]],
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for passage in passages:
        if passage["vector"] is not None:
            kinds.setdefault(passage["vector_kind"], []).append(
                {
                    "id": passage["row"]["id"],
                    "camera_id": passage["camera_id"],
                    "class": passage["class"],
                    "vector": passage["vector"],
                }
            )
    return list(kinds.items())


def undescribed(passages: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """``[camera_id, start_us, end_us, cause]`` of those that could not be described."""
    return [
        [one["camera_id"], one["first_us"], one["last_us"] + 1, UNDESCRIBED]
        for one in passages
        if one["undescribed"]
    ]
