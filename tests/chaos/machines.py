"""Two machines of one cluster whose links to the database, the store and the cameras can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg
import pytest

from benchmarks._tiny_cameras import tiny_cameras
from gateway.identifiers import now_us
from tests.peers.ceph_rgw import S3Server
from tests.peers.fault_proxy import FaultProxy
from tests.peers.postgresql import PostgresqlServer
from tests.peers.ray_site import RayNode, RaySite
from tests.peers.running_gateway import NEW_PASSWORD, REPOSITORY, start, stop

_DISK_BYTES = 192 << 20


@dataclass
class Machine:
    """``gridsight serve`` on a disk and with links of its own. ``disk``: None, where nothing can be
    mounted; ``ray``: the Ray of this machine, where that runs its processes.
    """

    node: str
    folder: Path
    database: FaultProxy
    store: FaultProxy
    variables: dict[str, str]
    disk: Path | None
    port: int
    ray: RayNode | None = None
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    password: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    async def start(self) -> None:
        if self.ray is not None and not self.ray.running:
            await self.ray.start()
        self.process, self.url, password = await start(
            self.data, demo=False, port=self.port, **self.variables
        )
        self.password = password or self.password

    async def stop(self) -> None:
        if self.process is not None:
            await stop(self.process)
            self.process = None
        if self.ray is not None:
            # Nothing runs in it any more; by itself Ray takes half a minute to end.
            await self.ray.kill()

    async def gridsight(self, *arguments: str) -> None:
        """A command that is given on this machine. Raises AssertionError where it fails."""
        own = {f"GRIDSIGHT_{name}": value for name, value in self.variables.items()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", *arguments),
            *("--data", str(self.data)),
            cwd=REPOSITORY,
            env={**os.environ, **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{arguments}: {output.decode()}"

    async def lose_power(self) -> None:
        """All at once, with no time for anything."""
        assert self.process is not None
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        if self.ray is not None:
            family += self.ray.family()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        await self.process.wait()
        self.process = None
        if self.ray is not None:
            await self.ray.kill()

    def child(self, kind: str) -> psutil.Process | None:
        """The process of this kind that its supervisor has started; None between two of them."""
        assert self.process is not None
        if self.ray is None:
            below = psutil.Process(self.process.pid).children()
        else:
            below = self.ray.family()
        for one in below:
            with contextlib.suppress(psutil.Error):
                command = one.cmdline()
                if "gateway.cluster.child" in command and kind in command:
                    return one
        return None


@dataclass
class County:
    """``client`` is signed in as the administrator, at every machine."""

    machines: list[Machine]
    cameras: FaultProxy
    postgresql: PostgresqlServer
    database_url: str
    client: aiohttp.ClientSession
    ray: RaySite | None = None
    camera_ids: list[str] = field(default_factory=list)

    async def add_camera(self, area_id: str) -> None:
        number = len(self.camera_ids) + 1
        form = {
            "name": f"camera {number}",
            "area_id": area_id,
            "main_url": f"rtsp://127.0.0.1:{self.cameras.port}/{number}/main",
            "transport": "tcp",
            "record": "continuous",
            "enabled": True,
        }
        self.camera_ids.append((await self.post("/api/cameras", form))["id"])

    async def get(self, path: str, **query: Any) -> Any:
        """From the first machine. Raises aiohttp.ClientError, also where it refuses."""
        url = self.machines[0].url + path
        async with self.client.get(url, params=query, raise_for_status=True) as response:
            return await response.json()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        url = self.machines[0].url + path
        async with self.client.post(url, json=body, raise_for_status=True) as response:
            return await response.json() if response.status != 204 else None

    async def patch(self, path: str, body: dict[str, Any]) -> None:
        url = self.machines[0].url + path
        async with self.client.patch(url, json=body, raise_for_status=True):
            pass

    async def main_states(self) -> dict[str, Any]:
        """Camera → the state of its main stream; empty while nobody answers."""
        found: dict[str, Any] = {}
        after: dict[str, str] = {}
        try:
            while True:
                page = await self.get("/api/cameras", limit=100, **after)
                found |= {camera["id"]: camera["states"]["main"] for camera in page["items"]}
                if page["next_cursor"] is None:
                    return found
                after = {"cursor": page["next_cursor"]}
        except (aiohttp.ClientError, TimeoutError):
            return {}

    async def until_all_record(self, patience_s: float) -> None:
        """Wait until all cameras are live and recorded."""
        states: dict[str, Any] = {}
        try:
            async with asyncio.timeout(patience_s):
                while not (
                    len(states) == len(self.camera_ids)
                    and all(one["state"] == "live" and one["recording"] for one in states.values())
                ):
                    await asyncio.sleep(0.2)
                    states = await self.main_states()
        except TimeoutError:
            pytest.fail(f"not all are recorded after {patience_s:.0f} s: {states}")

    async def until_recorded_now(self, patience_s: float) -> int:
        """Wait until all cameras have footage of an instant that is not past; gives the instant."""
        await self.until_all_record(patience_s)
        at_us = now_us()
        async with asyncio.timeout(patience_s):
            while not await asyncio.to_thread(  # noqa: ASYNC110 - seen from outside, by rows
                self._recorded_beyond, at_us
            ):
                await asyncio.sleep(0.2)
        return at_us

    def _recorded_beyond(self, at_us: int) -> bool:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            ends = connection.execute(
                "SELECT max(end_us) FROM spans WHERE source_id LIKE '%/main' GROUP BY source_id"
            ).fetchall()
        return len(ends) == len(self.camera_ids) and all(end > at_us for (end,) in ends)


@contextlib.asynccontextmanager
async def county(
    folder: Path,
    postgresql: PostgresqlServer,
    database_url: str,
    s3: S3Server,
    *,
    cameras: int = 6,
    picture_s: float = 0.2,
    segment_s: int = 4,
    ray: RaySite | None = None,
) -> AsyncIterator[County]:
    """Both machines running, and all cameras registered; they send a picture each ``picture_s``,
    every tenth of them a keyframe. With ``ray``, whose secrets are ``folder / "secrets"``, it runs
    the machines' processes.
    """
    bucket = f"chaos-{secrets.token_hex(4)}"
    async with contextlib.AsyncExitStack() as stack:
        camera_port = stack.enter_context(tiny_cameras(folder, picture_s))
        camera_link = await stack.enter_async_context(FaultProxy(camera_port))
        jar = aiohttp.CookieJar(unsafe=True)
        client = await stack.enter_async_context(
            aiohttp.ClientSession(
                cookie_jar=jar,
                headers={"X-Gridsight": "1"},
                timeout=aiohttp.ClientTimeout(total=10),
            )
        )
        machines = []
        for number, node in enumerate(("node-a", "node-b"), start=3):
            database = await stack.enter_async_context(FaultProxy(postgresql.port))
            store = await stack.enter_async_context(FaultProxy(s3.port))
            disk = folder / node / "data"
            disk.mkdir(parents=True)
            mounted = stack.enter_context(_small_disk(disk))
            variables = {
                "DATABASE_URL": database_url.replace(f":{postgresql.port}/", f":{database.port}/"),
                "SECRETS_DIRECTORY": str(folder / "secrets"),
                "STORE__KIND": "s3",
                "STORE__ENDPOINT": f"127.0.0.1:{store.port}",
                "STORE__BUCKET": bucket,
                "STORE__ACCESS_KEY": s3.access_key,
                "STORE__SECRET_KEY": s3.secret_key,
                "STORE__SECURE": "false",
                "RECORDING__SEGMENT_S": str(segment_s),
                "CLUSTER__NODE": node,
                "CLUSTER__LISTEN_ADDRESS": "127.0.0.1",
                # So small that half of the cameras move to the other.
                "CLUSTER__SHARD_MBPS": str(2.5 * cameras),
                "CLUSTER__ANALYSIS": "false",
            }
            place = None
            if ray is not None:
                # Ray tells machines on one computer apart by their addresses.
                place = ray.node(node, f"127.0.0.{number}")
                variables["CLUSTER__LISTEN_ADDRESS"] = place.address
                variables["CLUSTER__RAY_ADDRESS"] = ray.address
            machine = Machine(
                node,
                folder / node,
                database,
                store,
                variables,
                disk=disk if mounted else None,
                port=_free_port(),
                ray=place,
            )
            machines.append(machine)
            stack.push_async_callback(machine.stop)
        made = County(machines, camera_link, postgresql, database_url, client, ray)
        first, second = machines
        await first.start()
        await made.post("/api/session", {"name": "admin", "password": first.password})
        change = {"old_password": first.password, "new_password": NEW_PASSWORD}
        await made.post("/api/session/password", change)
        await second.start()
        area = (await made.post("/api/areas", {"name": "the county"}))["id"]
        for _ in range(cameras):
            await made.add_camera(area)
        yield made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Whether ``folder`` is a disk of its own for as long, which can be filled without harm."""
    size = f"size={_DISK_BYTES}"
    command = ["mount", "-t", "tmpfs", "-o", size, "gridsight-chaos", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
