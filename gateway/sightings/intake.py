"""Taking sightings in: pictures into the store, then the rows, and only then is it acknowledged.

A crash in between leaves an object without a row, and a file in the staging folder that names it.
The other side, which heard no answer, tells again, and the same object is written over; if it does
not, the next start takes the object away.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.gat1400.objects import Sighting
from gateway.database.sighting_tables import sightings
from gateway.sightings.keys import own_key, store_key
from recorder.retention import DAY_US
from recorder.rows import RowWriter
from recorder.stores import Store, StoreError
from recorder.stores.staging import take_back, unlink_all, write_pieces

# A device's clock may be ahead by so much, and its pass as old, to be believed.
AHEAD_US = 600_000_000
OLD_DAYS_LIMIT = 400
_OBJECTS_AT_ONCE = 8
# After these the store does not have the object; after others it may.
_SURELY_NOT = frozenset({"unreachable", "denied", "no_bucket", "full"})
# What has a column, or says nothing to people.
_NOT_FACTS = frozenset(
    {"id", "device_id", "plate", "plate_color", "vehicle_color", "coat_color", "trousers_color"}
)


@dataclass(frozen=True, slots=True)
class Taken:
    """How one went in. ``new`` is False for what was told before."""

    sighting: Sighting
    new: bool
    clock_doubtful: bool = False


class Intake:
    """Stores what platforms tell. ``staging`` is a folder of its own, best on the store's disk."""

    def __init__(self, reader: AsyncEngine, rows: RowWriter, store: Store, staging: Path) -> None:
        self._reader = reader
        self._rows = rows
        self._store = store
        self._staging = staging
        self._slots = asyncio.Semaphore(_OBJECTS_AT_ONCE)

    async def open(self) -> None:
        """Take away what a killed process stored and never had a row for."""

        async def key_without_row(name: str) -> str | None:
            platform_id, at_us, key, _ = name.split("~")
            own = bytes.fromhex(key)
            return None if await self._known([own]) else store_key(platform_id, int(at_us), own)

        await take_back(self._staging, self._store, key_without_row)

    async def take(
        self, platform_id: str, found: Sequence[Sighting], fallback_code: str, now_us: int
    ) -> list[Taken]:
        """Store them; durable when it returns. What names no device was seen by ``fallback_code``.

        Raises StoreError, RowError, ConnectionError, TimeoutError: nothing of it may be
        acknowledged then, and all may be told again.
        """
        keys = [own_key(platform_id, one.kind, one.id) for one in found]
        known = await self._known(keys)
        rows: list[dict[str, Any]] = []
        taken: list[Taken] = []
        seen: set[bytes] = set(known)
        uploads = []
        staged: list[Path] = []
        for one, key in zip(found, keys, strict=True):
            at_us, doubtful = believed(one.at_us, now_us)
            new = key not in seen
            taken.append(Taken(one, new, doubtful))
            if not new:
                continue
            seen.add(key)
            row = row_of(one, key, fallback_code, at_us, now_us, doubtful=doubtful)
            rows.append(row)
            if one.pictures:
                # Told twice at the same time, each has its own.
                name = f"{platform_id}~{at_us}~{key.hex()}~{secrets.token_hex(4)}"
                path = self._staging / name
                staged.append(path)
                uploads.append(self._put(store_key(platform_id, at_us, key), path, one))
        done = await asyncio.gather(*uploads, return_exceptions=True)
        failed = next((one for one in done if isinstance(one, BaseException)), None)
        try:
            if failed is not None:
                raise failed
            if rows:
                await self._rows.write("sightings.add", platform_id=platform_id, items=rows)
        except BaseException:
            # What may be in the store without a row: its name stays, its bytes need not.
            await asyncio.shield(asyncio.to_thread(_settle, staged, done))
            raise
        await asyncio.to_thread(unlink_all, staged)
        return taken

    async def _known(self, keys: Sequence[bytes]) -> set[bytes]:
        statement = sa.select(sightings.c.own_key).where(sightings.c.own_key.in_(keys))
        async with self._reader.connect() as connection:
            return set(await connection.scalars(statement))

    async def _put(self, key: str, path: Path, one: Sighting) -> None:
        async with self._slots:
            await asyncio.to_thread(write_pieces, path, [picture.data for picture in one.pictures])
            await self._store.put(key, path)


def believed(at_us: int | None, now_us: int) -> tuple[int, bool]:
    """When it was: as the device says, or now where its clock cannot be right."""
    if at_us is None or not now_us - OLD_DAYS_LIMIT * DAY_US < at_us < now_us + AHEAD_US:
        return now_us, True
    return at_us, False


def row_of(
    one: Sighting, key: bytes, fallback_code: str, at_us: int, now_us: int, *, doubtful: bool
) -> dict[str, Any]:
    """As ``sightings.add`` takes it."""
    facts: dict[str, Any] = {"own_id": one.id}
    for held in fields(one.described):
        value = getattr(one.described, held.name)
        if value is not None and held.name not in _NOT_FACTS:
            facts[held.name] = value
    if doubtful:
        facts["clock_doubtful"] = True
    pictures: list[list[Any]] = []
    size = 0
    for picture in one.pictures:
        pictures.append([picture.code, size, len(picture.data), picture.width, picture.height])
        size += len(picture.data)
    return {
        "own_key": key,
        "place_code": one.place_code or fallback_code,
        "kind": one.kind,
        "at_us": at_us,
        "received_us": now_us,
        "plate": one.plate,
        "plate_color": one.plate_color,
        "color": one.color,
        "lower_color": one.lower_color,
        "vehicle_type": one.vehicle_type,
        "facts": facts,
        "pictures": pictures,
        "size_bytes": size,
    }


def _settle(paths: Sequence[Path], outcomes: Sequence[object]) -> None:
    for path, outcome in zip(paths, outcomes, strict=True):
        path.unlink(missing_ok=True)
        if not (isinstance(outcome, StoreError) and outcome.code in _SURELY_NOT):
            path.touch()
