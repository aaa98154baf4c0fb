"""Sightings go when their days are over: those of their camera, else the gateway's."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.sighting_tables import sighting_leftovers, sighting_places, sightings
from gateway.database.tables import cameras
from gateway.settings import Settings
from gateway.sightings.sighting_rows import is_held
from recorder.leftovers import delete_leftovers
from recorder.retention import DAY_US
from recorder.rows import RowWriter
from recorder.stores import Store

_AT_ONCE = 500
# A place is looked at when some minutes of it are due, not for each pass.
_PATIENCE_US = 600_000_000


class SightingExpiry:
    """One pass a minute; what fails is tried again by the next."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._store = store
        self._recorded_day = -1

    async def run(self, now_us: int) -> int:
        """Finish what was begun, then what is due; gives how many objects went. Raises StoreError,
        RowError, ConnectionError, DBAPIError.
        """
        gone = await self.finish()
        for place_id, before_us in await self._due(now_us):
            while await self._rows.write(
                "sightings.expire", place_id=place_id, before_us=before_us, limit=_AT_ONCE
            ):
                gone += await self.finish()
        today = now_us // DAY_US
        if today != self._recorded_day:
            await self._rows.write("sightings.record_deletions", today=today)
            self._recorded_day = today
        return gone

    async def finish(self) -> int:
        """Delete the objects whose rows are gone; gives how many."""
        return await delete_leftovers(
            self._reader,
            self._rows,
            self._store,
            sighting_leftovers.c.store_key,
            "sightings.forget",
        )

    async def _due(self, now_us: int) -> list[tuple[int, int]]:
        """Places with something to go: (place id, before when)."""
        default_days = self._settings.retention.days
        oldest = (
            sa.select(sightings.c.at_us)
            .where(sightings.c.place_id == sighting_places.c.id)
            .order_by(sightings.c.at_us)
            .limit(1)
            .correlate(sighting_places)
            .scalar_subquery()
        )
        statement = sa.select(
            sighting_places.c.id,
            sighting_places.c.camera_id,
            cameras.c.retention_days,
            oldest.label("oldest_us"),
        ).select_from(
            sighting_places.outerjoin(cameras, cameras.c.id == sighting_places.c.camera_id)
        )
        due = []
        async with self._reader.connect() as connection:
            for row in (await connection.execute(statement)).all():
                before_us = now_us - (row.retention_days or default_days) * DAY_US
                if row.oldest_us is None or row.oldest_us >= before_us - _PATIENCE_US:
                    continue
                if row.camera_id is not None:
                    left = sa.select(sightings.c.id).where(
                        sightings.c.place_id == row.id,
                        sightings.c.at_us < before_us,
                        ~is_held(row.camera_id),
                    )
                    if (await connection.execute(left.limit(1))).first() is None:
                        continue
                due.append((row.id, before_us))
        return due
