"""What was begun and never finished, and the pieces of what was: gone after some days. Duties that
nobody ended, and telephones that were live from the scene and are gone.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.field_tables import field_duties, field_lives
from gateway.field.live_rows import SILENT_US
from gateway.field.upload_rows import STORE_PREFIX
from recorder.rows import RowWriter
from recorder.stores import Store


class UploadExpiry:
    """One pass a minute; what fails is tried again by the next."""

    def __init__(self, rows: RowWriter, store: Store) -> None:
        self._rows = rows
        self._store = store

    async def run(self, at_us: int) -> None:
        """One pass. Raises StoreError, RowError, ConnectionError."""
        over: list[str] = await self._rows.write("field.expired_uploads", at_us=at_us, gone=[])
        for upload_id in over:
            await delete_pieces(self._store, upload_id)
        if over:
            await self._rows.write("field.expired_uploads", at_us=at_us, gone=over)


async def delete_pieces(store: Store, upload_id: str) -> None:
    """Also those that no row names. Raises StoreError."""
    keys = [one.key async for one in store.list(f"{STORE_PREFIX}{upload_id}/")]
    if keys:
        await store.delete(keys)


async def end_duties(reader: AsyncEngine, rows: RowWriter, at_us: int) -> None:
    """Forget where those are whose duty should be over. Raises RowError, ConnectionError."""
    over = sa.select(field_duties.c.user_id).where(field_duties.c.ends_us <= at_us).limit(1)
    async with reader.connect() as connection:
        if (await connection.execute(over)).first() is None:
            return
    await rows.write("field.end_overdue_duties", at_us=at_us)


async def end_silent_lives(reader: AsyncEngine, rows: RowWriter, at_us: int) -> None:
    """End what gone telephones began. Raises RowError, ConnectionError."""
    silent = field_lives.c.seen_us < at_us - SILENT_US
    async with reader.connect() as connection:
        user_ids = (await connection.scalars(sa.select(field_lives.c.user_id).where(silent))).all()
    for user_id in user_ids:
        await rows.write("field.end_live", user_id=user_id, unseen_since_us=at_us - SILENT_US)
