"""The platforms that this process speaks for: leased, given to their kinds, found by camera."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.channel import ControlError
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceOperations,
    DeviceRefused,
    PlatformKind,
)
from gateway.platforms.reporting import Reporting
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

RECONCILE_INTERVAL_S = 4.0


class HeldPlatforms:
    """Compares rows with what is held every few seconds, and at once when woken."""

    def __init__(
        self,
        desired: DesiredPlatforms,
        reader: AsyncEngine,
        rows: RowWriter,
        reporting: Reporting,
        kinds: Sequence[PlatformKind],
        owner: str,
    ) -> None:
        self.held: dict[str, DesiredPlatform] = {}
        self._desired = desired
        self._reader = reader
        self._rows = rows
        self._reporting = reporting
        self._kinds = {(kind.kind, kind.direction): kind for kind in kinds}
        self._owner = owner
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Reconcile for ever; a failure is logged and tried again."""
        while True:
            try:
                await self.reconcile()
            except (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError) as e:
                _log.warning("platforms could not be reconciled; trying again", why=str(e))
            except Exception:
                _log.exception("platforms could not be reconciled; trying again")
            await asyncio.sleep(RECONCILE_INTERVAL_S)

    async def reconcile(self) -> None:
        """One comparison. A platform whose lease another process has is not held here."""
        async with self._lock:
            desired = await self._desired.read()
            epochs: dict[str, int] = {}
            if desired:
                epochs = await self._rows.write(
                    "platforms.lease",
                    owner=self._owner,
                    platform_ids=list(desired),
                    now_us=now_us(),
                )
            held = {one: platform for one, platform in desired.items() if one in epochs}
            for platform_id in self.held.keys() - held.keys():
                self._reporting.forget(platform_id)
            self.held = held
            for key, kind in self._kinds.items():
                mine = {
                    one: platform
                    for one, platform in held.items()
                    if (platform.kind, platform.direction) == key
                }
                try:
                    await kind.reconcile(mine)
                except Exception:
                    _log.exception("a kind of platforms could not be reconciled", kind=key)

    def kind_of(self, platform_id: str) -> PlatformKind:
        """The kind that holds a platform. Raises DeviceRefused."""
        platform = self.held.get(platform_id)
        if platform is None:
            raise DeviceRefused("not_found", "this platform is not held here: is it switched on?")
        kind = self._kinds.get((platform.kind, platform.direction))
        if kind is None:
            raise DeviceRefused(
                "unsupported", f"{platform.kind} is switched off in the gateway's settings"
            )
        return kind

    async def device_of(self, camera_id: str) -> tuple[DeviceOperations, str]:
        """Operations and channel of a camera. Raises DeviceRefused."""
        async with self._reader.connect() as connection:
            row = (
                await connection.execute(
                    sa.select(cameras.c.platform_id, cameras.c.channel).where(
                        cameras.c.id == camera_id, cameras.c.deleted_us.is_(None)
                    )
                )
            ).one_or_none()
        if row is None:
            raise DeviceRefused("not_found", "there is no such camera")
        if row.platform_id is None:
            raise DeviceRefused(
                "unsupported",
                "this camera is known by its stream alone: add its device by ONVIF or GB/T 28181",
            )
        return self.kind_of(row.platform_id).operations(row.platform_id), row.channel or ""
