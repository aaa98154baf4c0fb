"""Of several machines' signalling one speaks; the next does when it ends, and it is found there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.cluster.interface import SIGNALLING
from gateway.cluster.lifetime import LoopLag
from gateway.cluster.peers import peer_client
from gateway.control.channel import ControlError, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.tables import processes
from gateway.database.writer_process import load_operations
from gateway.platforms.process import standing
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database


def machine(data: Path, node: str) -> Settings:
    """Settings of a machine that shares the database and the secret with the others."""
    return load_settings(
        {
            "data_directory": str(data),
            "run_directory": str(data / node),
            "cluster": {"node": node, "listen_address": "127.0.0.1"},
        },
        environment={},
    ).settings


class Site:
    """Machines with their signalling, and whoever looks for it."""

    def __init__(self, folder: Path, rows: LocalRowWriter) -> None:
        self.folder = folder
        self.rows = rows
        self.reader = create_reader_engine(machine(folder, "elsewhere"))

    @contextlib.asynccontextmanager
    async def signalling(self, node: str) -> AsyncIterator[Settings]:
        settings = machine(self.folder, node)
        secret = cluster_secret(settings)
        name = settings.name_here(SIGNALLING)
        async with standing(settings, name, secret, self.reader, self.rows, LoopLag()) as port:
            # As its supervisor says it.
            await self.rows.write(
                "processes.report",
                name=name,
                kind=SIGNALLING,
                node=node,
                process_id=1,
                started_us=1,
                control_address="127.0.0.1",
                control_port=port,
            )
            yield settings

    async def call(self, name: str, call: str) -> Any:
        """From a machine on which there is none."""
        settings = machine(self.folder, "elsewhere")
        client = peer_client(
            settings, cluster_secret(settings), self.reader, name, connect_timeout_s=1
        )
        try:
            return await client.call(call)
        finally:
            await client.close()

    async def speaks_at(self) -> str | None:
        async with self.reader.connect() as connection:
            query = sa.select(processes.c.node).where(processes.c.name == SIGNALLING)
            found: str | None = await connection.scalar(query)
            return found


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a file that another makes
            await asyncio.sleep(0.02)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    load_operations()
    engine = new_database(machine(tmp_path, "node-a"))
    made = Site(tmp_path, LocalRowWriter(engine))
    yield made
    await made.reader.dispose()
    made.rows.close()
    engine.dispose()


async def test_one_speaks_and_the_next_does_when_it_ends(site: Site) -> None:
    async with contextlib.AsyncExitStack() as second:
        async with site.signalling("node-a") as here:
            await until(control_path(here, SIGNALLING).exists)
            there = await second.enter_async_context(site.signalling("node-b"))
            async with asyncio.timeout(30):
                while await site.speaks_at() != "node-a":  # noqa: ASYNC110 - a row of another
                    await asyncio.sleep(0.02)
            assert await site.call(SIGNALLING, "platforms.status") == []
            assert (await site.call("signalling.node-a", "process.status"))["signalling_speaks"]
            # Who waits is there, and says that it does not speak.
            waiting = await site.call("signalling.node-b", "process.status")
            assert waiting["signalling_speaks"] == 0
            with pytest.raises(ControlError) as refused:
                await site.call("signalling.node-b", "platforms.status")
            assert refused.value.code == "unknown_call"
            assert not control_path(there, SIGNALLING).exists()
        assert not control_path(here, SIGNALLING).exists()
        await until(control_path(there, SIGNALLING).exists)
        async with asyncio.timeout(30):
            while await site.speaks_at() != "node-b":  # noqa: ASYNC110 - a row of another
                await asyncio.sleep(0.02)
        assert await site.call(SIGNALLING, "platforms.status") == []


async def test_one_that_is_given_up_falls_silent_and_waits_again(site: Site) -> None:
    async with site.signalling("node-a") as here:
        await until(control_path(here, SIGNALLING).exists)
        # As another takes it whose clock says that the time of this one is over.
        await site.rows.write("leases.give_back", name=SIGNALLING, epoch=1)
        taken = await site.rows.write(
            "leases.take", name=SIGNALLING, holder="another", lasts_us=60_000_000
        )
        assert taken == 2
        await until(lambda: not control_path(here, SIGNALLING).exists())
        assert (await site.call("signalling.node-a", "process.status"))["signalling_speaks"] == 0
        await site.rows.write("leases.give_back", name=SIGNALLING, epoch=taken)
        await until(control_path(here, SIGNALLING).exists)
