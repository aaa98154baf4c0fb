"""Makes the forecast of each day and keeps it; that of today is renewed until today is over."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.capacity.daily import by_area, by_camera, read_cameras_use
from gateway.capacity.daily_rows import CAMERAS_AT_ONCE
from gateway.control.channel import ControlError
from gateway.database.capacity_tables import forecast_days
from gateway.identifiers import US_PER_S, now_us
from gateway.retention import camera_policies, default_policy
from gateway.settings import Settings
from recorder.forecast import Forecast, read_use, reckon
from recorder.retention import DAY_US
from recorder.rows import RowError, RowWriter
from recorder.stores import Store, StoreError

_log = structlog.get_logger(__name__)

PROJECTED_DAYS = 60
_LOOK_EVERY_S = 60.0
_RENEW_US = 3600 * US_PER_S
# On its first day a gateway changes by the minute.
_RENEW_FIRST_US = 300 * US_PER_S
_DECIMALS = 3


class DailyForecast:
    """The API process that leads runs it; should another, it writes the same."""

    def __init__(
        self, settings: Settings, reader: AsyncEngine, rows: RowWriter, store: Store
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._store = store

    async def run(self) -> None:
        """For ever; a failure is logged and tried again."""
        while True:
            try:
                if await self._is_due(now_us()):
                    await self.keep(now_us())
            except (ConnectionError, TimeoutError, ControlError, RowError, StoreError) as error:
                _log.warning("the day's forecast cannot be kept; trying again", why=str(error))
            except sa.exc.DBAPIError as error:
                _log.warning("the day's forecast cannot be made; trying again", why=str(error))
            except Exception:
                _log.exception("the day's forecast cannot be made; trying again")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def keep(self, at_us: int) -> Forecast:
        """Make the forecast of the day of ``at_us`` and keep it. Raises StoreError where the store
        does not tell its free space although it could: half a forecast is none.
        """
        free_bytes = await self._store.free_bytes()
        default = default_policy(self._settings)
        async with self._reader.connect() as connection:
            uses = await read_use(connection, at_us)
            policies = await camera_policies(connection, self._settings)
            owners, known = await read_cameras_use(connection, at_us, self._settings.retention.days)
        found = await asyncio.to_thread(
            reckon,
            uses,
            now_us=at_us,
            free_bytes=free_bytes,
            default=default,
            policies=policies,
            capacity_bytes=self._settings.retention.bytes,
            projected_days=PROJECTED_DAYS,
        )
        made = await asyncio.to_thread(by_camera, found, owners, known)
        day = at_us // DAY_US
        rows = []
        for place, one in enumerate(made):
            row = {"kept_us": at_us, "place": place, **asdict(one)}
            del row["area_id"]
            for name in ("bytes_per_day", "bitrate_bps", "before_bps", "risen_bytes_per_day"):
                row[name] = None if row[name] is None else round(row[name])
            for name in ("required_days", "kept_days", "reach_days"):
                row[name] = round(row[name], _DECIMALS)
            rows.append(row)
        for start in range(0, len(rows), CAMERAS_AT_ONCE):
            part = rows[start : start + CAMERAS_AT_ONCE]
            await self._rows.write("capacity.keep_cameras", day=day, rows=part)
        areas = [
            {"area_id": area_id, **asdict(sums), "bytes_per_day": round(sums.bytes_per_day)}
            for area_id, sums in by_area(made).items()
        ]
        whole = {
            "at_us": at_us,
            "used_bytes": found.used_bytes,
            "free_bytes": found.free_bytes,
            "bytes_per_day": round(found.bytes_per_day),
            "full_at_us": found.full_at_us,
            "projected": [round(size) for size in found.projected_bytes],
        }
        await self._rows.write("capacity.keep_day", day=day, whole=whole, by_area=areas)
        return found

    async def _is_due(self, at_us: int) -> bool:
        async with self._reader.connect() as connection:
            newest = (
                await connection.execute(
                    sa.select(forecast_days.c.day, forecast_days.c.at_us)
                    .order_by(forecast_days.c.day.desc())
                    .limit(2)
                )
            ).all()
        if not newest or newest[0].day < at_us // DAY_US:
            return True
        renew_us = _RENEW_FIRST_US if len(newest) == 1 else _RENEW_US
        return bool(at_us - newest[0].at_us >= renew_us)
