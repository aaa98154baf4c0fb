"""A receiver that does as a test says, and a sender on a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web

from gateway.database.engine import create_reader_engine
from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id
from gateway.outbox import put
from gateway.outbox.sending import Sender, seal_context
from gateway.outbox.signing import new_secret
from gateway.secrets import cluster_secret, seal
from gateway.settings import Settings
from gateway.settings.outbox import OutboxSettings
from recorder.rows import LocalRowWriter, row_operation
from tests.gateway.kept import new_database


@row_operation("test.something_changes")
def something_changes(connection: sa.Connection, number: int, fails: bool = False) -> int:
    """As a row operation that tells others what it did."""
    told = put(connection, "thing.changed", {"number": number}, f"thing:{number}", topic="alarms")
    if fails:
        raise ValueError("the rest of it fails")
    return told


@dataclass
class Receiver:
    """Answers with ``statuses`` in their order, then 204; with ``holds``, once that is set."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    holds: asyncio.Event | None = None
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.heard.append(({name.lower(): one for name, one in request.headers.items()}, body))
        if self.holds is not None:
            await self.holds.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        headers = {"Location": "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{any:.*}", made.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    if made.holds is not None:
        made.holds.set()
    await runner.cleanup()


@dataclass
class Outbox:
    """``secrets``: by channel."""

    sender: Sender
    rows: LocalRowWriter
    engine: sa.Engine
    secret: bytes
    secrets: dict[str, str] = field(default_factory=dict)

    async def channel(self, address: str, name: str = "12345", **columns: Any) -> str:
        channel_id, secret = new_id("och"), new_secret()
        self.secrets[channel_id] = secret
        row = {
            "id": channel_id, "name": name, "kind": "webhook", "address": address,
            "topics": ["alarms"], "enabled": True, "created_by": "usr_1",
            "secret_sealed": seal(self.secret, secret, seal_context(channel_id)), **columns,
        }  # fmt: skip
        await self.rows.write("outbox_channels.add", columns=row)
        return channel_id

    async def tell(self, *numbers: int) -> None:
        for number in numbers:
            await self.rows.write("test.something_changes", number=number)

    def deliveries(self) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(outbox_deliveries).order_by(outbox_deliveries.c.sequence)
            )
            return [dict(one) for one in rows.mappings()]

    def states(self) -> list[str]:
        return [one["state"] for one in self.deliveries()]

    def the_channel(self, channel_id: str) -> dict[str, Any]:
        with self.engine.connect() as connection:
            row = connection.execute(
                sa.select(outbox_channels).where(outbox_channels.c.id == channel_id)
            )
            return dict(row.mappings().one())

    async def at_once(self, channel_id: str) -> None:
        """As if the time to wait were over."""
        await self.rows.write("outbox_channels.change", channel_id=channel_id, columns={})


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    settings = Settings(
        data_directory=tmp_path,
        outbox=OutboxSettings(allowed_networks=["127.0.0.0/8"], timeout_s=5),
    )
    load_operations()
    engine = new_database(settings)
    rows = LocalRowWriter(engine)
    secret = cluster_secret(settings)
    reader = create_reader_engine(settings)
    yield Outbox(Sender(settings.outbox, secret, reader, rows), rows, engine, secret)
    await reader.dispose()
    await asyncio.to_thread(rows.close)
    engine.dispose()
