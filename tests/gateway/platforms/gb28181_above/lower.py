"""Our lower platform on a real database, and what stands around it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.control.channel import ControlError, ControlServer, control_path
from gateway.database.audit_tables import audit_log
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id
from gateway.platforms.context import SignallingContext
from gateway.platforms.desired import DesiredPlatforms
from gateway.platforms.gb28181_above.kind import PlatformsAbove
from gateway.platforms.operations import DeviceRefused, SteerCommand
from gateway.platforms.ptz import Holder
from gateway.platforms.reporting import Reporting
from gateway.secrets import cluster_secret, seal
from gateway.settings import CascadeSettings, LogSettings, Settings
from recorder.rows import LocalRowWriter
from recorder.segments import Segment
from tests.gateway.kept import new_database

OWNER = "signalling"


@dataclass
class Media:
    """Stands where a shard or footage process answers ``cascade.send``: says what it was asked for
    and hands out what it is told to.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    commands: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    items: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: ControlError | None = None
    open_segments: list[Segment] = field(default_factory=list)

    async def send(
        self, incoming: AsyncIterator[dict[str, Any]], **arguments: Any
    ) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(arguments)
        if self.refusal is not None:
            raise self.refusal
        reading = asyncio.create_task(self._read(incoming))
        try:
            yield {"type": "ready", "address": None, "port": 40_000, "file_bytes": 1234}
            while True:
                item = await self.items.get()
                yield item
                if item["type"] == "ended":
                    return
        finally:
            reading.cancel()
            self.closed.set()

    async def _read(self, incoming: AsyncIterator[dict[str, Any]]) -> None:
        async for command in incoming:
            self.commands.put_nowait(command)


@dataclass
class Lower:
    """Everything of one gateway that a cascade needs."""

    settings: Settings
    rows: LocalRowWriter
    reader: Any
    kind: PlatformsAbove
    reporting: Reporting
    desired: DesiredPlatforms
    media: Media
    steered: asyncio.Queue[tuple[str, Holder, SteerCommand]]
    secret: bytes
    user_id: str = ""
    areas: dict[str, str] = field(default_factory=dict)
    cameras: dict[str, str] = field(default_factory=dict)
    steer_refusal: DeviceRefused | None = None

    async def steer(self, camera_id: str, holder: Holder, command: SteerCommand) -> None:
        """In the place of the arbitration, which has tests of its own."""
        if self.steer_refusal is not None:
            raise self.steer_refusal
        self.steered.put_nowait((camera_id, holder, command))

    async def reconcile(self) -> None:
        await self.kind.reconcile(await self.desired.read())

    async def add_platform(self, row: dict[str, Any], password: str) -> str:
        platform_id = new_id("plf")
        columns = {
            "id": platform_id,
            **row,
            "area_id": self.areas["county"],
            "password_sealed": seal(self.secret, password, platform_id),
        }
        await self.rows.write("platforms.create", columns=columns)
        return platform_id

    async def share(
        self, platform_id: str, areas: tuple[str, ...] = (), cameras: tuple[str, ...] = ()
    ) -> None:
        await self.rows.write(
            "platforms.share",
            platform_id=platform_id,
            area_ids=[self.areas[name] for name in areas],
            camera_ids=[self.cameras[name] for name in cameras],
            user_id=self.user_id,
            user_name="wang",
        )
        await self.reconcile()

    async def until(self, platform_id: str, wanted: Callable[[Any], bool]) -> Any:
        """The state once it is as wanted."""
        while True:
            state = self.reporting.states.get(platform_id)
            if state is not None and wanted(state):
                return state
            await asyncio.sleep(0.01)

    async def register(self, action: str) -> list[Any]:
        async with self.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(audit_log)
                .where(audit_log.c.action == action)
                .order_by(audit_log.c.sequence)
            )
            return list(rows)

    async def on_record(self, action: str) -> Any:
        """The first record of this action, once it is there."""
        while True:
            if found := await self.register(action):
                return found[0]
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def lower_gateway(folder: Path) -> AsyncIterator[Lower]:
    load_operations()
    settings = Settings(
        data_directory=folder,
        run_directory=folder / "run",
        log=LogSettings(level="warning"),
        cascade=CascadeSettings(port=0),
    )
    engine = new_database(settings)
    rows = LocalRowWriter(engine)
    reader = create_reader_engine(settings)
    secret = cluster_secret(settings)
    reporting = Reporting(rows, OWNER)
    context = SignallingContext(
        settings=settings,
        secret=secret,
        owner=OWNER,
        reader=reader,
        rows=rows,
        sink=reporting,
        on_event=lambda platform_id, event: None,
        steer=lambda camera_id, holder, command: made.steer(camera_id, holder, command),
    )
    kind = PlatformsAbove(context)
    made = Lower(
        settings,
        rows,
        reader,
        kind,
        reporting,
        DesiredPlatforms(reader, secret),
        Media(),
        asyncio.Queue(),
        secret,
    )
    await _populate(made)

    async def presets(camera_id: str) -> list[dict[str, Any]]:
        return [{"token": "Gate_1", "name": "门"}, {"token": "Yard_7", "name": "院"}]

    async def send(
        incoming: AsyncIterator[dict[str, Any]], **arguments: Any
    ) -> AsyncIterator[dict[str, Any]]:
        answering = made.media.send(incoming=incoming, **arguments)
        async with contextlib.aclosing(answering):
            async for item in answering:
                yield item

    async def open_segments(source_id: str) -> dict[str, Any]:
        found = [one for one in made.media.open_segments if one.source_id == source_id]
        return {"segments": [one.to_message() for one in found]}

    servers = [
        ControlServer(
            control_path(settings, OWNER),
            secret,
            {"device.presets": presets},
        ),
        ControlServer(
            control_path(settings, "shard-1"),
            secret,
            {"cascade.send": send, "spool.open_segments": open_segments},
        ),
        ControlServer(control_path(settings, "footage-1"), secret, {"cascade.send": send}),
    ]
    for server in servers:
        await server.start()
    await kind.start()
    try:
        yield made
    finally:
        await kind.close()
        for server in servers:
            await server.close()
        await reader.dispose()
        await asyncio.to_thread(rows.close)
        engine.dispose()


async def _populate(made: Lower) -> None:
    rows = made.rows
    made.user_id = await rows.write(
        "accounts.create",
        name="wang",
        display_name="wang",
        password_hash="x",
        must_change_password=False,
        granted=[],
    )
    for name, parent, code in (
        ("county", None, "340221000000"),
        ("township", "county", "340221101000"),
        ("village", "township", "340221101201"),
        ("other", "county", "340221102000"),
    ):
        made.areas[name] = await rows.write(
            "areas.create",
            name=name,
            parent_id=made.areas.get(parent) if parent else None,
            axis="area",
            code=code,
        )
    for name, area in (("gate", "village"), ("yard", "village"), ("road", "other")):
        made.cameras[name] = new_id("cam")
        await rows.write(
            "cameras.create",
            cameras_columns=[
                {
                    "id": made.cameras[name],
                    "area_id": made.areas[area],
                    "name": name,
                    "main_url": "rtsp://127.0.0.1/1",
                    "sub_url": None,
                    "username": None,
                    "password_sealed": None,
                    "transport": "auto",
                    "record": "continuous",
                    "retention_days": None,
                    "retention_bytes": None,
                    "enabled": True,
                }
            ],
        )
        await rows.write("assignments.place", owners={f"{made.cameras[name]}/main": "shard-1"})
    for name, kind in (("shard-1", "shard"), ("footage-1", "footage")):
        await rows.write(
            "processes.report",
            name=name,
            kind=kind,
            node="here",
            process_id=1,
            http_address=None,
            http_port=None,
            started_us=1,
        )
