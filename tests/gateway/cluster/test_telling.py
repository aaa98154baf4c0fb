"""Shards are told that their rows have changed, and nobody waits for one that is frozen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cluster.telling import Telling
from gateway.control.channel import ControlClient, ControlServer

SECRET = b"s" * 32


class Shards:
    """Shards that count how often they were told; the frozen one answers when it is let."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.heard: list[str] = []
        self.thaws = asyncio.Event()
        self.servers: list[ControlServer] = []
        self.clients: list[ControlClient] = []

    async def add(self, name: str, *, frozen: bool = False) -> None:
        async def reconcile() -> None:
            self.heard.append(name)
            if frozen:
                await self.thaws.wait()

        server = ControlServer(self.folder / name, SECRET, {"shard.reconcile": reconcile})
        await server.start()
        self.servers.append(server)

    def client(self, name: str) -> ControlClient:
        self.clients.append(ControlClient(self.folder / name, SECRET))
        return self.clients[-1]


@pytest.fixture
async def shards(tmp_path: Path) -> AsyncIterator[Shards]:
    made = Shards(tmp_path)
    yield made
    for one in (*made.clients, *made.servers):
        await one.close()


async def test_nobody_waits_for_a_frozen_one_and_what_comes_meanwhile_is_one_more_call(
    shards: Shards,
) -> None:
    await shards.add("frozen", frozen=True)
    await shards.add("well")
    telling = Telling(shards.client)
    telling.tell(["frozen", "well", "away"])
    async with asyncio.timeout(30):
        while len(shards.heard) < 2:  # noqa: ASYNC110 - calls of others
            await asyncio.sleep(0.01)
        for number in range(3, 6):
            telling.tell(["frozen", "well"])
            while shards.heard.count("well") < number - 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert shards.heard.count("frozen") == 1
        shards.thaws.set()
        await telling.told()
    assert shards.heard.count("frozen") == 2


async def test_it_ends_with_a_call_under_way(shards: Shards) -> None:
    await shards.add("frozen", frozen=True)
    telling = Telling(shards.client)
    telling.tell(["frozen"])
    async with asyncio.timeout(30):
        while not shards.heard:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await telling.close()
    shards.thaws.set()
