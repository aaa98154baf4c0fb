"""The whole gateway as one command, with its demo cameras, and a client that is signed in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from gateway.control.channel import ControlClient, control_path
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from tests.peers.rows_on_postgresql import url_for

REPOSITORY = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_S = 90
NEW_PASSWORD = "a new horse 7"


@dataclass
class Gateway:
    """A running ``gridsight serve --demo`` and a client that is signed in."""

    process: asyncio.subprocess.Process
    settings: Settings
    url: str
    client: aiohttp.ClientSession

    async def get(self, path: str, **query: Any) -> Any:
        async with self.client.get(self.url + path, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.client.post(self.url + path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None

    async def until(self, holds: Callable[[], Awaitable[bool]], patience_s: float = 60) -> None:
        async with asyncio.timeout(patience_s):
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


async def start(
    data: Path, *, namespace: str | None = None, demo: bool = True, port: int = 0, **variables: str
) -> tuple[asyncio.subprocess.Process, str, str]:
    """Start it, in a network namespace if one is given; without ``port``, an API that is started
    again is elsewhere. Gives the process, its URL, and the
    administrator's one-time password, "" when there is an administrator already. ``variables``:
    settings, without their prefix.
    """
    inside = () if namespace is None else ("ip", "netns", "exec", namespace)
    environment = {name: value for name, value in os.environ.items() if "GRIDSIGHT" not in name}
    environment["GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON"] = "false"
    # Half of a small machine's time, which most tests do not need.
    environment["GRIDSIGHT_SEARCH__ENABLED"] = "false"
    if (url := url_for(data)) is not None:
        environment["GRIDSIGHT_DATABASE_URL"] = url
    environment |= {f"GRIDSIGHT_{name}": value for name, value in variables.items()}
    process = await asyncio.create_subprocess_exec(
        *inside,
        sys.executable,
        "-m",
        "gateway.cli",
        *("serve", *(["--demo"] if demo else [])),
        *("--data", str(data), "--port", str(port), "--log-level", "warning"),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
        env=environment,
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while "running at" not in said or (not said.endswith("\n\n")):
                line = await process.stdout.readline()
                assert line, "the gateway ended while starting"
                said += line.decode()
    except BaseException:
        await stop(process)
        raise
    url = re.search(r"http://[^/\s]+", said)
    password = re.search(r"password (\S+)", said)
    assert url is not None
    return process, url.group(), password.group(1) if password is not None else ""


async def stop(process: asyncio.subprocess.Process) -> int:
    """Ask it to stop; gives its exit status. Raises TimeoutError when it had to be killed."""
    if process.returncode is not None:
        return process.returncode
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(60):
            return await process.wait()
    except TimeoutError:
        process.kill()
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        raise


async def gridsight(*arguments: str, **variables: str) -> tuple[int, str]:
    """``gridsight ARGUMENTS``: its exit status and what it said. ``variables``: settings."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", *arguments),
        cwd=REPOSITORY,
        env=os.environ | {f"GRIDSIGHT_{name}": value for name, value in variables.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def command(data: Path, *arguments: str) -> tuple[int, str]:
    """As :func:`gridsight`, for the data directory ``data``."""
    url = url_for(data)
    rows = {} if url is None else {"DATABASE_URL": url}
    return await gridsight(*arguments, "--data", str(data), **rows)


@contextlib.asynccontextmanager
async def running_gateway(
    data: Path, *, namespace: str | None = None, **variables: str
) -> AsyncIterator[Gateway]:
    """A gateway of its own on ``data``; its administrator has a password and is signed in."""
    process, url, password = await start(data, namespace=namespace, **variables)
    # The address is an IP: its cookies are kept only when that is said to be meant.
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
            environment = {f"GRIDSIGHT_{name}": value for name, value in variables.items()}
            settings = load_settings(
                {"data_directory": str(data)}, environment=environment
            ).settings
            made = Gateway(process, settings, url, client)
            await made.post("/api/session", {"name": "admin", "password": password})
            change = {"old_password": password, "new_password": NEW_PASSWORD}
            await made.post("/api/session/password", change)
            yield made
    finally:
        await stop(process)
