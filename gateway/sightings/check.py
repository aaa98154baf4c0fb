"""Sightings and the store against one another, for ``gridsight check``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import PurePosixPath

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.sighting_tables import sighting_leftovers, sighting_places, sightings
from gateway.sightings.keys import STORE_PREFIX, store_key
from recorder.check import Difference
from recorder.stores import Store

_ROWS_AT_ONCE = 1000


async def check_sightings(engine: AsyncEngine, store: Store) -> AsyncIterator[Difference]:
    """Objects that are missing or of another size than their row says, and objects without a row,
    which a start of signalling takes away. Nothing is repaired. Raises StoreError.
    """
    async with engine.connect() as connection:
        platform_ids = list(
            await connection.scalars(sa.select(sighting_places.c.platform_id).distinct())
        )
    for platform_id in platform_ids:
        async for difference in _check_rows(engine, store, platform_id):
            yield difference
    async for found in store.list(STORE_PREFIX):
        if not await _is_known(engine, found.key):
            yield Difference("object_unindexed", found.key, "the pictures have no row")


async def _check_rows(
    engine: AsyncEngine, store: Store, platform_id: str
) -> AsyncIterator[Difference]:
    last_id = 0
    while True:
        statement = (
            sa.select(
                sightings.c.id, sightings.c.own_key, sightings.c.at_us, sightings.c.size_bytes
            )
            .select_from(
                sightings.join(sighting_places, sighting_places.c.id == sightings.c.place_id)
            )
            .where(
                sighting_places.c.platform_id == platform_id,
                sightings.c.id > last_id,
                sightings.c.size_bytes > 0,
            )
            .order_by(sightings.c.id)
            .limit(_ROWS_AT_ONCE)
        )
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        if not rows:
            return
        last_id = rows[-1].id
        for row in rows:
            key = store_key(platform_id, row.at_us, row.own_key)
            stat = await store.stat(key)
            if stat is None:
                yield Difference("object_missing", f"sighting {row.id}", f"the store has no {key}")
            elif stat.size_bytes != row.size_bytes:
                yield Difference(
                    "object_size",
                    f"sighting {row.id}",
                    f"{key} has {stat.size_bytes} bytes, the row says {row.size_bytes}",
                )


async def _is_known(engine: AsyncEngine, key: str) -> bool:
    try:
        own_key = bytes.fromhex(PurePosixPath(key).stem)
    except ValueError:
        return False
    async with engine.connect() as connection:
        row = await connection.scalar(
            sa.select(sightings.c.id).where(sightings.c.own_key == own_key)
        )
        leftover = await connection.scalar(
            sa.select(sighting_leftovers.c.store_key).where(sighting_leftovers.c.store_key == key)
        )
    return row is not None or leftover is not None
