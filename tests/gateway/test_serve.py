"""The whole gateway as one command: it starts, records, survives its processes, and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.running_gateway import (
    NEW_PASSWORD,
    REPOSITORY,
    START_TIMEOUT_S,
    Gateway,
    command,
    running_gateway,
    start,
    stop,
)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path) as made:
        yield made


async def test_it_records_survives_kill_9_of_any_process_and_stops_clean(
    gateway: Gateway, tmp_path: Path
) -> None:
    async def all_record() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_record)
    assert (await gateway.get("/healthz"))["status"] == "ok"
    children = await gateway.processes()
    before = {name: one["process_id"] for name, one in children.items()}
    for name in ("writer", "shard-1", "footage-1", "transcoder"):
        os.kill(before[name], signal.SIGKILL)

    async def all_again() -> bool:
        now = await gateway.processes()
        return all(
            now[name]["state"] == "running" and now[name]["process_id"] != before[name]
            for name in ("writer", "shard-1", "footage-1", "transcoder")
        )

    await gateway.until(all_again)

    async def healthy() -> bool:
        async with gateway.client.get(gateway.url + "/healthz") as response:
            return response.status == 200

    await gateway.until(healthy)
    await gateway.until(all_record)
    # Writes go through, and the sign-in outlived the writer.
    camera = (await gateway.get("/api/cameras"))["items"][0]
    live = {"camera_id": camera["id"], "quality": "main"}
    opened = await gateway.post("/api/live", live)
    assert opened["whep_url"].startswith("/s/shard-1/")
    labels = f'camera="{camera["id"]}",variant="main"'
    told = (
        f'gridsight_camera_state{{camera="{camera["id"]}",state="live",variant="main"}} 1.0',
        f"gridsight_camera_recording{{{labels}}} 1.0",
        f"gridsight_camera_bitrate_bps{{{labels}}}",
        f"gridsight_camera_gop_seconds{{{labels}}}",
        f"gridsight_camera_gaps{{{labels}}}",
        f"gridsight_camera_viewers{{{labels}}} 0.0",
        'gridsight_spool_bytes{name="shard-1"}',
        'gridsight_event_loop_lag_seconds{name="shard-1"}',
    )

    async def measured() -> bool:
        async with gateway.client.get(gateway.url + "/metrics") as response:
            text = await response.text()
        return all(line in text for line in told)

    await gateway.until(measured)
    last = await gateway.processes()
    assert await stop(gateway.process) == 0
    for one in last.values():
        assert not _alive(one["process_id"]), one["name"]
    await _everything_is_whole(tmp_path)
    # A second start knows the first: no new password, the same cameras.
    process, url, password = await start(tmp_path)
    try:
        assert password == ""
        async with gateway.client.post(
            f"{url}/api/session", json={"name": "admin", "password": NEW_PASSWORD}
        ) as response:
            assert response.status == 200
    finally:
        await stop(process)


async def _everything_is_whole(data: Path) -> None:
    for arguments in (("check",), ("audit", "verify")):
        status, output = await command(data, *arguments)
        assert status == 0, output


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_taken_port_is_said_plainly_and_ends_the_start(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "serve", "--data", str(tmp_path)),
        *("--port", str(port)),
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        output, _ = await process.communicate()
    server.close()
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in output.decode()
    assert "Traceback" not in output.decode()
