"""The whole gateway as one command: it starts, records, survives its processes, and stops."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.control.channel import ControlClient, control_path
from gateway.secrets import cluster_secret
from gateway.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 90
NEW_PASSWORD = "a new horse 7"


@dataclass
class Gateway:
    """A running ``gridsight serve --demo`` and a client that is signed in."""

    process: asyncio.subprocess.Process
    settings: Settings
    url: str
    password: str
    client: aiohttp.ClientSession

    async def get(self, path: str, **query: Any) -> Any:
        async with self.client.get(self.url + path, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.client.post(self.url + path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(60):
            while not await holds():  # noqa: ASYNC110 - seen from outside, by HTTP
                await asyncio.sleep(0.1)

    async def processes(self) -> dict[str, dict[str, Any]]:
        path = control_path(self.settings, "supervisor")
        client = ControlClient(path, cluster_secret(self.settings))
        try:
            return {one["name"]: one for one in await client.call("cluster.status")}
        finally:
            await client.close()

    async def recording(self) -> int:
        """How many cameras are live and recording."""
        cameras = (await self.get("/api/cameras"))["items"]
        mains = [camera["states"]["main"] for camera in cameras]
        return sum(state["state"] == "live" and state["recording"] for state in mains)


async def start(data: Path) -> tuple[asyncio.subprocess.Process, str, str]:
    environment = {name: value for name, value in os.environ.items() if "GRIDSIGHT" not in name}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.cli",
        *("serve", "--demo", "--data", str(data), "--port", "0", "--log-level", "warning"),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment,
    )
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(START_TIMEOUT_S):
        while "running at" not in said or (not said.endswith("\n\n")):
            line = await process.stdout.readline()
            assert line, "the gateway ended while starting"
            said += line.decode()
    url = re.search(r"http://[^/\s]+", said)
    password = re.search(r"password (\S+)", said)
    assert url is not None
    return process, url.group(), password.group(1) if password is not None else ""


async def stop(process: asyncio.subprocess.Process) -> int:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    process, url, password = await start(tmp_path)
    # The address is an IP: its cookies are kept only when that is said to be meant.
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
            settings = Settings(data_directory=tmp_path)
            made = Gateway(process, settings, url, password, client)
            await made.post("/api/session", {"name": "admin", "password": password})
            change = {"old_password": password, "new_password": NEW_PASSWORD}
            await made.post("/api/session/password", change)
            yield made
    finally:
        await stop(process)


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
    async with gateway.client.get(gateway.url + "/metrics") as response:
        text = await response.text()
    assert f'gridsight_camera_recording{{camera="{camera["id"]}",variant="main"}} 1.0' in text
    assert 'gridsight_event_loop_lag_seconds{name="shard-1"}' in text
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
    for command in (("check",), ("audit", "verify")):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", *command, "--data", str(data)),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()


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
