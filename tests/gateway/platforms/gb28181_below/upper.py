"""Our upper platform on a real database, as signalling runs it, without the processes around."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from camera_adapters.device_events import DeviceEvent
from gateway.control.channel import ControlClient, ControlServer, ControlStream
from gateway.database.engine import create_reader_engine
from gateway.database.platform_tables import platform_applicants, platform_channels
from gateway.database.tables import areas
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id, now_us
from gateway.platforms.context import SignallingContext
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.gb28181_below.kind import Gb28181Below
from gateway.platforms.held import HeldPlatforms
from gateway.platforms.operations import PlatformState
from gateway.platforms.reporting import Reporting
from gateway.secrets import cluster_secret, seal
from gateway.settings import Gb28181Settings, LogSettings, Settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE, GbDevice

PASSWORD = "12345678a"
CODE = "34020000001320000001"


@dataclass
class Signalling:
    """One signalling process's part of this kind, from its start to its end."""

    kind: Gb28181Below
    reporting: Reporting
    held: HeldPlatforms
    control: ControlServer
    client: ControlClient
    writing: asyncio.Task[None]

    async def close(self) -> None:
        # In the order in which gateway.platforms.process closes.
        await self.client.close()
        await self.control.close()
        await self.kind.close()
        self.writing.cancel()
        await self.reporting.flush()

    async def kill(self) -> None:
        """Away with it, and nothing of what it would do at its end."""
        self.writing.cancel()
        self.kind._media._closing = True
        await self.client.close()
        await self.control.close()
        await self.kind.endpoint.close()
        assert self.kind._polling is not None
        self.kind._polling.cancel()
        for device in self.kind._devices.values():
            device.close()
        for session in self.kind._media._sessions.values():
            if session.farewell is not None:
                session.farewell.cancel()


@dataclass
class Upper:
    """A gateway's database, and the signalling on it."""

    settings: Settings
    rows: LocalRowWriter
    reader: Any
    area_id: str
    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    running: Signalling | None = None
    devices: list[GbDevice] = field(default_factory=list)

    @property
    def kind(self) -> Gb28181Below:
        assert self.running is not None
        return self.running.kind

    @property
    def port(self) -> int:
        return self.kind.endpoint.port

    async def start(self, port: int = 0) -> None:
        """Start signalling; after a first time, on the port that it had."""
        secret = cluster_secret(self.settings)
        reporting = Reporting(self.rows, "signalling")
        context = SignallingContext(
            settings=self.settings,
            secret=secret,
            owner="signalling",
            reader=self.reader,
            rows=self.rows,
            sink=reporting,
            on_event=lambda platform_id, event: self.events.append((platform_id, event)),
            steer=_nobody_steers,
        )
        kind = Gb28181Below(context)
        await kind.endpoint.open("127.0.0.1", port)
        kind._polling = asyncio.create_task(kind._poll())
        path = self.settings.data_directory / "signalling.sock"
        control = ControlServer(path, secret, kind.calls())
        await control.start()
        desired = DesiredPlatforms(self.reader, secret)
        held = HeldPlatforms(desired, self.reader, self.rows, reporting, [kind], "signalling")
        self.running = Signalling(
            kind,
            reporting,
            held,
            control,
            ControlClient(path, secret),
            asyncio.create_task(reporting.run()),
        )
        await held.reconcile()

    async def restart(self, *, killed: bool = False) -> None:
        """End signalling and start it again on its port."""
        assert self.running is not None
        port = self.port
        await self.running.reporting.flush()
        await (self.running.kill() if killed else self.running.close())
        await self.start(port)

    async def add(self, code: str = CODE, password: str | None = PASSWORD, **options: Any) -> str:
        """Enter a device, as a person does."""
        platform_id = new_id("plf")
        secret = cluster_secret(self.settings)
        await self.rows.write(
            "platforms.create",
            columns={
                "id": platform_id,
                "kind": "gb28181",
                "direction": "below",
                "name": "石牌所录像机",
                "code": code,
                "area_id": self.area_id,
                "host": None,
                "port": None,
                "username": None,
                "password_sealed": None
                if password is None
                else seal(secret, password, platform_id),
                "options": options,
                "enabled": True,
            },
        )
        assert self.running is not None
        await self.running.held.reconcile()
        return platform_id

    async def device(self, code: str = CODE, password: str = PASSWORD, **more: Any) -> GbDevice:
        """A device with a socket, not registered yet."""
        transport = more.pop("transport", "udp")
        device = GbDevice(code, password, **more)
        await device.open(self.port, transport)
        self.devices.append(device)
        return device

    def state(self, platform_id: str) -> PlatformState:
        assert self.running is not None
        return self.running.reporting.states[platform_id]

    async def until(
        self, platform_id: str, wanted: Callable[[PlatformState], bool]
    ) -> PlatformState:
        """The state once it is as wanted."""
        while True:
            state = self.state(platform_id)
            if wanted(state):
                return state
            await asyncio.sleep(0.01)

    async def channels(self, platform_id: str) -> dict[str, Mapping[str, Any]]:
        """The rows, by code."""
        assert self.running is not None
        await self.running.reporting.flush()
        async with self.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(platform_channels).where(platform_channels.c.platform_id == platform_id)
            )
            return {row["code"]: dict(row) for row in rows.mappings()}

    async def applicants(self) -> list[Mapping[str, Any]]:
        """Who knocked."""
        assert self.running is not None
        await self.running.reporting.flush()
        async with self.reader.connect() as connection:
            return [
                dict(row)
                for row in (await connection.execute(sa.select(platform_applicants))).mappings()
            ]

    def session(self, platform_id: str, **arguments: Any) -> ControlStream:
        """``media.session`` as a shard calls it."""
        assert self.running is not None
        asked: dict[str, Any] = {
            "channel": "34020000001310000001",
            "purpose": "play",
            "address": "127.0.0.1",
            "port": 30_000,
            "transport": "udp",
        }
        return self.running.client.stream(
            "media.session", platform_id=platform_id, **(asked | arguments)
        )


async def _nobody_steers(*_: object) -> None:
    raise AssertionError("what is below us steers nothing")


@contextlib.asynccontextmanager
async def upper_gateway(folder: Path, **settings: Any) -> AsyncIterator[Upper]:
    """An upper platform that devices can register with."""
    load_operations()
    made = Settings(
        data_directory=folder,
        log=LogSettings(format="console"),
        gb28181=Gb28181Settings(**({"code": PLATFORM_CODE, "domain": DOMAIN} | settings)),
    )
    cluster_secret(made)
    engine = new_database(made)
    area_id = new_id("ar")
    with engine.begin() as connection:
        connection.execute(
            sa.insert(areas).values(
                id=area_id,
                name="石牌镇",
                axis="area",
                path=f"{area_id}/",
                position=0,
                created_us=now_us(),
            )
        )
    rows = LocalRowWriter(engine)
    reader = create_reader_engine(made)
    upper = Upper(made, rows, reader, area_id)
    await upper.start()
    try:
        yield upper
    finally:
        for device in upper.devices:
            await device.close()
        assert upper.running is not None
        await upper.running.close()
        await reader.dispose()
        await asyncio.to_thread(rows.close)
        engine.dispose()
