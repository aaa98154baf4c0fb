"""Deleting footage whose time is over, for all sources. One shard does it for everybody."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.retention import Retention, RetentionPolicy, RetentionReport
from recorder.rows import RowError, RowWriter
from recorder.stores import Store, StoreError
from recorder.tables import sources

_log = structlog.get_logger(__name__)

INTERVAL_S = 60.0
# Below this share of the footage's disk, the oldest footage goes.
_RESERVE_SHARE = 0.02
_RESERVE_BYTES_LIMIT = 20 * 1024**3


class Housekeeping:
    """Applies each camera's retention once a minute; what fails is tried again."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._settings = settings
        self._reader = reader
        days = settings.retention.days
        self._retention = Retention(
            reader,
            rows,
            store,
            default=RetentionPolicy(days=days, least_days=days),
            capacity_bytes=settings.retention.bytes,
        )
        self.last_report: RetentionReport | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.turn()
            except (
                StoreError,
                RowError,
                ConnectionError,
                TimeoutError,
                sa.exc.DBAPIError,
            ) as error:
                _log.warning("retention is put off", why=str(error))
            except Exception:
                _log.exception("retention failed; trying again")
            await asyncio.sleep(INTERVAL_S)

    async def turn(self) -> RetentionReport:
        """One pass. Raises StoreError, ConnectionError, DBAPIError."""
        self._retention.policies = await self._policies()
        if self._settings.store.kind == "directory":
            folder = self._settings.store_directory
            self._retention.reserve_bytes = await asyncio.to_thread(_reserve_bytes, folder)
        self.last_report = await self._retention.run(now_us())
        return self.last_report

    async def _policies(self) -> dict[str, RetentionPolicy]:
        """Of the sources whose camera says otherwise than the default."""
        default_days = self._settings.retention.days
        async with self._reader.connect() as connection:
            rows = await connection.execute(
                sa.select(sources.c.id, cameras.c.retention_days, cameras.c.retention_bytes)
                .join(cameras, cameras.c.id == sources.c.camera_id)
                .where(
                    cameras.c.retention_days.is_not(None) | cameras.c.retention_bytes.is_not(None)
                )
            )
            return {
                row.id: RetentionPolicy(
                    days=row.retention_days or default_days,
                    size_bytes=row.retention_bytes,
                    least_days=min(row.retention_days or default_days, default_days),
                )
                for row in rows
            }


def _reserve_bytes(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return min(round(shutil.disk_usage(folder).total * _RESERVE_SHARE), _RESERVE_BYTES_LIMIT)
