"""ONVIF devices held on a real database, as signalling holds them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from camera_adapters.device_events import DeviceEvent
from gateway.database.engine import create_reader_engine
from gateway.database.platform_tables import platform_channels
from gateway.database.tables import audit_log
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id
from gateway.platforms.context import SignallingContext
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.onvif.device_operations import OnvifOperations
from gateway.platforms.onvif.kind import OnvifPlatforms
from gateway.platforms.operations import PlatformState
from gateway.platforms.reporting import Reporting
from gateway.secrets import cluster_secret, seal
from gateway.settings import LogSettings, OnvifSettings, Settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database
from tests.peers.onvif_device import OnvifDevice


@dataclass
class Gateway:
    """The kind, and what it told."""

    kind: OnvifPlatforms
    reporting: Reporting
    rows: LocalRowWriter
    desired: DesiredPlatforms
    context: SignallingContext
    area_id: str = ""
    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def add(self, device: OnvifDevice, password: str = "", **options: Any) -> str:
        """Add a device as a person would, with its right password unless another is given."""
        platform_id = new_id("plf")
        await self.rows.write(
            "platforms.create",
            columns={
                "id": platform_id,
                "kind": "onvif",
                "direction": "below",
                "name": "村口",
                "code": None,
                "area_id": self.area_id,
                "host": device.host,
                "port": device.port,
                "username": device.habits.username,
                "password_sealed": self.sealed(platform_id, password or device.habits.password),
                "options": {"time_sync": None, "events": None, **options},
                "enabled": True,
            },
        )
        await self.reconcile()
        return platform_id

    def sealed(self, platform_id: str, password: str) -> str:
        return seal(self.context.secret, password, platform_id)

    async def reconcile(self) -> None:
        held = await self.desired.read()
        await self.rows.write(
            "platforms.lease", owner="signalling", platform_ids=list(held), now_us=1
        )
        await self.kind.reconcile(held)

    async def until(
        self, platform_id: str, wanted: Callable[[PlatformState], object]
    ) -> PlatformState:
        """The state once it is as wanted."""
        async with asyncio.timeout(20):
            while True:
                state = self.reporting.states.get(platform_id)
                if state is not None and wanted(state):
                    return state
                await asyncio.sleep(0.01)

    async def online(self, platform_id: str) -> OnvifOperations:
        await self.until(platform_id, lambda state: state.state == "online")
        return self.kind.operations(platform_id)

    async def until_event(self, wanted: Callable[[DeviceEvent], object]) -> tuple[str, DeviceEvent]:
        """The first event that is as wanted."""
        async with asyncio.timeout(20):
            while True:
                for platform_id, event in self.events:
                    if wanted(event):
                        return platform_id, event
                self.news.clear()
                await self.news.wait()

    async def channels(self, platform_id: str) -> list[Any]:
        async with self.context.reader.connect() as connection:
            return list(
                await connection.execute(
                    sa.select(platform_channels)
                    .where(platform_channels.c.platform_id == platform_id)
                    .order_by(platform_channels.c.code)
                )
            )

    async def register(self, action: str) -> list[dict[str, Any]]:
        """What the register has of an action; ``detail`` read."""
        async with self.context.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(audit_log)
                .where(audit_log.c.action == action)
                .order_by(audit_log.c.sequence)
            )
            return [{**row, "detail": json.loads(row["detail"])} for row in rows.mappings()]

    def take(self, platform_id: str, event: DeviceEvent) -> None:
        self.events.append((platform_id, event))
        self.news.set()


@contextlib.asynccontextmanager
async def gateway(folder: Path, **onvif: Any) -> AsyncIterator[Gateway]:
    load_operations()
    settings = Settings(
        data_directory=folder,
        run_directory=folder / "run",
        log=LogSettings(level="warning"),
        onvif=OnvifSettings(**onvif),
    )
    engine = new_database(settings)
    rows = LocalRowWriter(engine)
    reader = create_reader_engine(settings)
    secret = cluster_secret(settings)
    reporting = Reporting(rows, "signalling")

    async def steer(*_: object) -> None:
        raise AssertionError("nobody steers from above here")

    context = SignallingContext(
        settings=settings,
        secret=secret,
        owner="signalling",
        reader=reader,
        rows=rows,
        sink=reporting,
        on_event=lambda platform_id, event: made.take(platform_id, event),
        steer=steer,
    )
    kind = OnvifPlatforms(context)
    made = Gateway(kind, reporting, rows, DesiredPlatforms(reader, secret), context)
    made.area_id = await rows.write(
        "areas.create", name="county", parent_id=None, axis="area", code=None
    )
    await kind.start()
    try:
        yield made
    finally:
        await kind.close()
        await reader.dispose()
        await asyncio.to_thread(rows.close)
        engine.dispose()
