"""Objects whose rows are gone: out of the store, and only then forgotten."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.rows import RowWriter
from recorder.stores import DeletionError, Store

_AT_ONCE = 500


async def delete_leftovers(
    reader: AsyncEngine, rows: RowWriter, store: Store, keys: sa.Column[Any], forget: str
) -> int:
    """Delete all objects that the column ``keys`` names; the write ``forget`` takes its rows away
    by ``store_keys``. Gives what it counts. After a crash the next call goes on. Raises StoreError,
    RowError, ConnectionError, DBAPIError.
    """
    gone = 0
    while True:
        async with reader.connect() as connection:
            some = list(await connection.scalars(sa.select(keys).limit(_AT_ONCE)))
        if not some:
            return gone
        try:
            await store.delete(some)
        except DeletionError as error:
            # All others are gone, and are forgotten first.
            rest = [key for key in some if key not in error.failed]
            await rows.write(forget, store_keys=rest)
            raise
        gone += await rows.write(forget, store_keys=some)
