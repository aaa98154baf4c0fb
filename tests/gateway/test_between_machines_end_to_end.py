"""The whole gateway as one machine of a cluster, called by another machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cluster.peers import peer_client
from gateway.database.engine import create_reader_engine
from gateway.secrets import cluster_secret
from gateway.settings import load_settings
from tests.peers.running_gateway import Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path, CLUSTER__NODE="node-a", CLUSTER__LISTEN_ADDRESS="127.0.0.1"
    ) as made:
        yield made


@pytest.mark.timeout(300)
async def test_a_machine_of_a_cluster_works_and_answers_the_others(
    gateway: Gateway, tmp_path: Path
) -> None:
    async def all_record() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_record)
    names = set(await gateway.processes())
    assert {"writer.node-a", "shard-1.node-a", "footage-1.node-a", "signalling.node-a"} <= names

    camera = (await gateway.get("/api/cameras"))["items"][0]
    opened = await gateway.post("/api/live", {"camera_id": camera["id"], "quality": "main"})
    assert opened["mse_url"].startswith("/s/shard-1.node-a/")
    address = gateway.url.replace("http", "ws", 1) + opened["mse_url"]
    async with asyncio.timeout(60), gateway.client.ws_connect(address) as live:
        while (await live.receive()).type.name != "BINARY":
            pass

    elsewhere = load_settings(
        {
            "data_directory": str(tmp_path),
            "cluster": {"node": "node-b", "listen_address": "127.0.0.1"},
        },
        environment={},
    ).settings
    reader = create_reader_engine(elsewhere)
    for name in sorted(names - {"demo.node-a"}):
        client = peer_client(elsewhere, cluster_secret(elsewhere), reader, name)
        assert "event_loop_lag_ms" in await client.call("process.status")
        await client.close()
    await reader.dispose()
