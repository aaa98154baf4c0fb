"""Files whose time is over, or that nobody attached to anything: first nobody finds them, then
their objects leave the store, then their rows go.
"""

from __future__ import annotations

from gateway.attachments.rows import object_key, thumbnail_key
from gateway.settings import Settings
from recorder.retention import DAY_US
from recorder.rows import RowWriter
from recorder.stores import Store


class AttachmentExpiry:
    """One pass a minute; what fails is tried again by the next."""

    def __init__(self, settings: Settings, rows: RowWriter, store: Store) -> None:
        self._days = settings.attachments.days
        self._rows = rows
        self._store = store

    async def run(self, at_us: int) -> None:
        """One pass. Raises StoreError, RowError, ConnectionError."""
        gone: list[str] = await self._rows.write(
            "attachments.expire", at_us=at_us, before_us=at_us - self._days * DAY_US
        )
        if not gone:
            return
        await self._store.delete([key(one) for one in gone for key in (object_key, thumbnail_key)])
        await self._rows.write("attachments.forget", file_ids=gone)
