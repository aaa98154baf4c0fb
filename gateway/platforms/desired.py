"""What the database says that signalling should hold."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cameras import sum_of_times
from gateway.database.platform_tables import platforms
from gateway.platforms.operations import DesiredPlatform
from gateway.secrets import SealError, unseal

_log = structlog.get_logger(__name__)

_ROWS_AT_ONCE = 20


class DesiredPlatforms:
    """Asked every few seconds, it looks at one row of sums, and reads thousands of platforms only
    when something about them has changed.
    """

    def __init__(self, reader: AsyncEngine, secret: bytes) -> None:
        self._reader = reader
        self._secret = secret
        self._stamp: object = None
        self._platforms: dict[str, DesiredPlatform] = {}

    async def read(self) -> dict[str, DesiredPlatform]:
        """All that are enabled, by id. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            sums = await connection.execute(
                sa.select(
                    sa.func.count(),
                    sum_of_times(platforms.c.changed_us),
                    sa.func.count(platforms.c.deleted_us),
                )
            )
            stamp = tuple(sums.one())
            if stamp == self._stamp:
                return self._platforms
            rows = await connection.execute(
                sa.select(platforms).where(platforms.c.enabled, platforms.c.deleted_us.is_(None))
            )
            found = {}
            for number, row in enumerate(rows, start=1):
                found[row.id] = self._platform(row)
                if number % _ROWS_AT_ONCE == 0:
                    await asyncio.sleep(0)  # opening a password takes a while
        self._platforms, self._stamp = found, stamp
        return found

    def _platform(self, row: Any) -> DesiredPlatform:
        password = None
        if row.password_sealed is not None:
            try:
                password = unseal(self._secret, row.password_sealed, row.id)
            except SealError as error:
                # It is tried without: the other side refuses, and the state says so.
                _log.error("a platform's password is lost", platform=row.id, why=str(error))
        return DesiredPlatform(
            id=row.id,
            kind=row.kind,
            direction=row.direction,
            name=row.name,
            code=row.code,
            area_id=row.area_id,
            host=row.host,
            port=row.port,
            username=row.username,
            password=password,
            options=row.options,
            changed_us=row.changed_us,
        )
