"""Signalling with GA/T 1400 alone, on a real database and store, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.device_events import DeviceEvent
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.tables import areas
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id, now_us
from gateway.platforms.context import SignallingContext
from gateway.platforms.gat1400.above import Above
from gateway.platforms.gat1400.below import Below
from gateway.platforms.gat1400.hub import Hub
from gateway.platforms.operations import DesiredPlatform, PlatformState
from gateway.platforms.reporting import Reporting
from gateway.settings import Gat1400Settings, Settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import database_file, new_database

OWN_CODE = "42088100002000000001"


@dataclass
class Side:
    """One gateway's half: rows, store, listener."""

    settings: Settings
    writer: LocalRowWriter
    engine: sa.Engine
    reader: AsyncEngine
    reporting: Reporting
    hub: Hub
    below: Below
    above: Above
    area_id: str = "town"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.hub.port}"

    async def add(self, direction: str, code: str, **more: Any) -> DesiredPlatform:
        """A platform's row, held at once."""
        from gateway.database.platform_tables import platforms

        platform_id = new_id("plat")
        columns = {"name": code, "area_id": self.area_id, "host": None, "port": None,
                   "username": None, "options": {}, **more}  # fmt: skip
        password = columns.pop("password", None)
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(platforms).values(
                    id=platform_id, kind="gat1400", direction=direction, code=code, enabled=True,
                    created_us=now_us(), changed_us=now_us(), **columns,
                )
            )  # fmt: skip
        await self.writer.write(
            "platforms.lease", owner="signalling", platform_ids=[platform_id], now_us=now_us()
        )
        desired = DesiredPlatform(
            id=platform_id, kind="gat1400", direction=direction, code=code,  # type: ignore[arg-type]
            password=password, **columns,
        )  # fmt: skip
        self.desired[platform_id] = desired
        await self.reconcile()
        return desired

    def __post_init__(self) -> None:
        self.desired: dict[str, DesiredPlatform] = {}

    async def reconcile(self) -> None:
        """As the process does every few seconds."""
        for kind in (self.below, self.above):
            mine = {k: v for k, v in self.desired.items() if v.direction == kind.direction}
            await kind.reconcile(mine)

    def state(self, platform: DesiredPlatform) -> PlatformState:
        """How it stands."""
        return self.reporting.states[platform.id]

    async def rows(self, table: sa.Table) -> list[sa.Row[Any]]:
        """Everything in a table."""
        async with self.reader.connect() as connection:
            return list((await connection.execute(sa.select(table))).all())


async def until(what: Callable[[], Awaitable[bool] | bool], limit_s: float = 20.0) -> None:
    """Wait for it."""
    async with asyncio.timeout(limit_s):
        while True:
            found = what()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


def insert_missing(connection: sa.Connection, table: sa.Table, *rows: dict[str, Any]) -> None:
    """Insert those whose id is not there yet."""
    known = set(connection.scalars(sa.select(table.c.id)))
    for row in rows:
        if row["id"] not in known:
            connection.execute(sa.insert(table), row)


@asynccontextmanager
async def open_side(folder: Path, code: str = OWN_CODE, **options: Any) -> AsyncIterator[Side]:
    """A side of its own."""
    gat1400 = Gat1400Settings(**{"enabled": True, "port": 0, "code": code, **options})
    settings = Settings(data_directory=folder, gat1400=gat1400)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    load_operations()
    known = database_file(settings).exists()
    engine = create_writer_engine(settings) if known else new_database(settings)
    with engine.begin() as connection:
        insert_missing(
            connection,
            areas,
            {"id": "town", "name": "石牌镇", "path": "town/", "position": 0, "created_us": 1},
            {"id": "other", "name": "他镇", "path": "other/", "position": 0, "created_us": 1},
        )
    async with AsyncExitStack() as stack:
        stack.callback(engine.dispose)
        writer = LocalRowWriter(engine)
        stack.callback(writer.close)
        reader = create_reader_engine(settings)
        stack.push_async_callback(reader.dispose)
        reporting = Reporting(writer, "signalling")
        writing = asyncio.create_task(reporting.run())
        stack.callback(writing.cancel)

        async def steer(*_: object) -> None:
            raise AssertionError("GA/T 1400 steers nothing")

        def on_event(_: str, event: DeviceEvent) -> None:
            raise AssertionError(f"an event of GA/T 1400: {event}")

        context = SignallingContext(
            settings=settings, secret=b"s" * 32, owner="signalling", reader=reader, rows=writer,
            sink=reporting, on_event=on_event, steer=steer,
        )  # fmt: skip
        hub = Hub(context)
        below, above = Below(hub), Above(hub)
        await below.start()
        stack.push_async_callback(below.close)
        await above.start()
        stack.push_async_callback(above.close)
        yield Side(settings, writer, engine, reader, reporting, hub, below, above)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with open_side(tmp_path / "data") as opened:
        yield opened
