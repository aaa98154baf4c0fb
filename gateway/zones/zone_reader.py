"""Which zones each camera has, for whoever watches them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.cameras import sum_of_times
from gateway.database.zone_tables import camera_zones

Zones = Mapping[str, Any]
"""``{version, zones: [document]}``."""


class ZonesOfCameras:
    """Reads them. Asked every few seconds, it looks at a sum, and at rows when that is another."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._stamp: object = None
        self._known: dict[str, Zones] = {}
        self._names: dict[str, str] = {}

    def of(self, camera_ids: Iterable[str]) -> dict[str, Zones]:
        """By camera; without those that never had any."""
        return {one: self._known[one] for one in camera_ids if one in self._known}

    def name(self, zone_id: str) -> str:
        """A zone's name; empty where it is gone."""
        return self._names.get(zone_id, "")

    async def read(self) -> None:
        """Look for changes. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            found = await connection.execute(
                sa.select(sa.func.count(), sum_of_times(camera_zones.c.changed_us))
            )
            stamp = tuple(found.one())
            if stamp == self._stamp:
                return
            rows = await connection.execute(
                sa.select(camera_zones.c.camera_id, camera_zones.c.version, camera_zones.c.zones)
            )
            self._known = {
                row.camera_id: {"version": row.version, "zones": row.zones} for row in rows
            }
            self._names = {
                zone["id"]: zone["name"]
                for zones in self._known.values()
                for zone in zones["zones"]
            }
            self._stamp = stamp


async def zones_of(connection: AsyncConnection, camera_id: str) -> Mapping[str, Any] | None:
    """One camera's row of ``camera_zones``, None where it never had any."""
    rows = await connection.execute(
        sa.select(camera_zones).where(camera_zones.c.camera_id == camera_id)
    )
    found = rows.mappings().one_or_none()
    return None if found is None else dict(found)
