"""Processes find one another: by sockets on one machine, by their rows elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cluster.peers import peer_client
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.writer_process import load_operations
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from recorder.rows import LocalRowWriter


def machine(data: Path, node: str, **cluster: Any) -> Settings:
    """Settings of a machine that shares the database and the secret with the others."""
    return load_settings(
        {
            "data_directory": str(data),
            "run_directory": str(data / node),
            "cluster": {"node": node, "listen_address": "127.0.0.1", **cluster},
        },
        environment={},
    ).settings


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncIterator[LocalRowWriter]:
    load_operations()
    engine = create_writer_engine(machine(tmp_path, "node-a"))
    upgrade(engine)
    writer = LocalRowWriter(engine)
    yield writer
    writer.close()
    engine.dispose()


async def report(rows: LocalRowWriter, name: str, node: str, port: int | None) -> None:
    await rows.write(
        "processes.report",
        name=name,
        kind="shard",
        node=node,
        process_id=1,
        started_us=1,
        control_address="127.0.0.1" if port else None,
        control_port=port,
    )


async def test_a_process_elsewhere_is_found_by_its_row_wherever_it_starts_again(
    tmp_path: Path, rows: LocalRowWriter
) -> None:
    here, there = machine(tmp_path, "node-b"), machine(tmp_path, "node-a")
    secret, reader = cluster_secret(here), create_reader_engine(here)

    async def where() -> str:
        return "there"

    client = peer_client(here, secret, reader, "shard-1.node-a", connect_timeout_s=2)
    ports = []
    for _ in range(2):
        server = control_server(there, "shard-1.node-a", secret, {"where": where})
        await server.start()
        await report(rows, "shard-1.node-a", "node-a", server.port)
        ports.append(server.port)
        assert await client.call("where") == "there"
        await server.close()
        client._link = None
    assert None not in ports
    await client.close()
    await reader.dispose()


async def test_a_process_of_this_machine_is_reached_by_its_socket(
    tmp_path: Path, rows: LocalRowWriter
) -> None:
    here = machine(tmp_path, "node-a")
    secret, reader = cluster_secret(here), create_reader_engine(here)

    async def where() -> str:
        return "here"

    server = control_server(here, "writer.node-a", secret, {"where": where})
    await server.start()
    await report(rows, "writer.node-a", "node-a", 1)  # nobody answers on this port
    for name in ("writer", "writer.node-a"):
        client = peer_client(here, secret, reader, name)
        assert await client.call("where") == "here"
        await client.close()
    await server.close()
    await reader.dispose()


@pytest.mark.parametrize("known", [True, False])
async def test_who_cannot_be_reached_is_named(
    tmp_path: Path, rows: LocalRowWriter, known: bool
) -> None:
    here = machine(tmp_path, "node-b")
    reader = create_reader_engine(here)
    if known:
        await report(rows, "shard-1.node-a", "node-a", None)
    client = peer_client(
        here, cluster_secret(here), reader, "shard-1.node-a", connect_timeout_s=0.1
    )
    said = "listen_address there" if known else "no process shard-1.node-a"
    with pytest.raises(ConnectionError, match=said):
        await client.call("where")
    await client.close()
    await reader.dispose()


async def test_ports_come_from_the_configured_range_and_its_end_is_told(tmp_path: Path) -> None:
    here = machine(tmp_path, "node-a", control_ports="27431-27432")
    secret = cluster_secret(here)
    servers = [control_server(here, f"shard-{number}", secret, {}) for number in range(3)]
    for server in servers[:2]:
        await server.start()
    assert [server.port for server in servers[:2]] == [27431, 27432]
    with pytest.raises(OSError, match="control_ports"):
        await servers[2].start()
    for server in servers:
        await server.close()
