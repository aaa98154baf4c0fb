"""One machine becomes three, and each of these gets a new version: docs/operations.md, "From one
machine to three" and "A new version on several machines", step by step.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from minio import Minio

import gateway.demo
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer
from gateway.identifiers import now_us
from tests.peers.ceph_rgw import S3Server
from tests.peers.postgresql import PostgresqlServer
from tests.peers.running_gateway import NEW_PASSWORD, start, stop

NODES = ("node-a", "node-b", "node-c")
CAMERAS = ("村口", "桥头", "学校")
BUCKET = "county"
# Between two runs a few pictures' time may be uncovered.
SEAM_US = 500_000
PATIENCE_S = 400


@dataclass
class Machine:
    """A computer with a gateway on it."""

    node: str
    data: Path
    variables: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    password: str = ""

    async def start(self) -> None:
        self.process, self.url, password = await start(self.data, demo=False, **self.variables)
        self.password = self.password or password

    async def stop(self) -> None:
        if self.process is not None:
            assert await stop(self.process) == 0
            self.process = None

    async def gridsight(self, *arguments: str) -> str:
        """A command that is given on this machine, and succeeds; what it says."""
        own = {f"GRIDSIGHT_{name}": value for name, value in self.variables.items()}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", *arguments),
            *("--data", str(self.data)),
            env={**os.environ, **own},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, f"{arguments}: {output.decode()}"
        return output.decode()


class Rows:
    """The database, looked at from outside."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __call__(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def held(self) -> dict[str, int]:
        """Machine → how many cameras its shard owns; those on their way count for nobody."""
        found = self(
            "SELECT owner, count(*) FROM assignments WHERE source_id LIKE '%%/main' "
            "AND owner <> '' AND successor IS NULL GROUP BY owner"
        )
        return {owner.partition(".")[2]: count for owner, count in found}

    def recorded_until(self, at_us: int) -> bool:
        """Whether each camera has footage that goes on behind ``at_us``."""
        ends = self(
            "SELECT max(end_us) FROM spans WHERE source_id LIKE '%%/main' GROUP BY source_id"
        )
        return len(ends) == len(CAMERAS) and all(end_us > at_us for (end_us,) in ends)

    def footage(self, since_us: int) -> dict[str, list[tuple[int, int]]]:
        """Source → effective ranges in order, from ``since_us`` on."""
        found: dict[str, list[tuple[int, int]]] = {}
        for source_id, start_us, end_us in self(
            "SELECT source_id, effective_start_us, effective_end_us FROM segments WHERE "
            "source_id LIKE '%%/main' AND effective_end_us > %s ORDER BY effective_start_us",
            since_us,
        ):
            found.setdefault(source_id, []).append((start_us, end_us))
        return found


async def until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.2)


async def recording(machine: Machine) -> int:
    """How many cameras are live and recording, as this machine's API tells."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        body = {"name": "admin", "password": NEW_PASSWORD}
        async with client.post(f"{machine.url}/api/session", json=body) as answer:
            assert answer.status < 300, await answer.text()
        async with client.get(f"{machine.url}/api/cameras") as answer:
            mains = [one["states"]["main"] for one in (await answer.json())["items"]]
    return sum(one["state"] == "live" and one["recording"] for one in mains)


async def choose_password(machine: Machine) -> None:
    """The administrator's first sign-in."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        for path, body in (
            ("/api/session", {"name": "admin", "password": machine.password}),
            (
                "/api/session/password",
                {"old_password": machine.password, "new_password": NEW_PASSWORD},
            ),
        ):
            async with client.post(machine.url + path, json=body) as answer:
                assert answer.status < 300, await answer.text()


def copy_footage(folder: Path, server: S3Server) -> int:
    """Each file under its own path, as ``rclone copy`` does; gives how many."""
    client = Minio(
        server.endpoint, access_key=server.access_key, secret_key=server.secret_key, secure=False
    )
    client.make_bucket(BUCKET)
    files = [one for one in folder.rglob("*") if one.is_file() and ".incoming" not in one.parts]
    for one in files:
        client.fput_object(BUCKET, one.relative_to(folder).as_posix(), str(one))
    return len(files)


@pytest.fixture
async def cameras() -> AsyncIterator[list[str]]:
    """On no machine of the gateway's: they go on while any of it is away."""
    clip = load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")
    server = ReplayServer()
    names = [f"camera-{number}" for number in range(len(CAMERAS))]
    for name in names:
        server.add(name, clip)
    await server.start()
    yield [server.url(name) for name in names]
    await server.close()


@pytest.mark.ceph
@pytest.mark.timeout(1500)
async def test_one_machine_becomes_three_and_each_gets_a_new_version(
    tmp_path: Path, cameras: list[str], postgresql: PostgresqlServer, ceph_rgw: S3Server
) -> None:
    url = postgresql.empty_database()
    machines = [Machine(node, tmp_path / node) for node in NODES]
    first = machines[0]
    first.variables = {"RECORDING__SEGMENT_S": "4"}
    rows: Rows | None = None
    try:
        await first.start()
        await choose_password(first)
        for name, address in zip(CAMERAS, cameras, strict=True):
            await first.gridsight("camera", "add", name, address, "--area", "钟祥县")

        async def all_record() -> bool:
            return await recording(first) == len(CAMERAS)

        await until(all_record)
        await until(lambda: len(list((first.data / "footage").rglob("*.mp4"))) >= len(CAMERAS))

        began_s = time.monotonic()
        steps: list[tuple[str, float]] = []

        def done(step: str) -> None:
            steps.append((step, time.monotonic() - began_s))

        # 1. Rows and footage move while it stands still.
        await first.stop()
        first.variables["DATABASE_URL"] = url
        await first.gridsight("db", "copy")
        done("stopped, rows copied and compared")
        copied = await asyncio.to_thread(copy_footage, first.data / "footage", ceph_rgw)
        assert copied >= len(CAMERAS)
        done(f"{copied} files of footage copied")

        # 2. The first machine of a cluster of one.
        common = {
            "DATABASE_URL": url,
            "STORE__KIND": "s3",
            "STORE__ENDPOINT": ceph_rgw.endpoint,
            "STORE__BUCKET": BUCKET,
            "STORE__ACCESS_KEY": ceph_rgw.access_key,
            "STORE__SECRET_KEY": ceph_rgw.secret_key,
            "STORE__SECURE": "false",
            "RECORDING__SEGMENT_S": "4",
            "CLUSTER__LISTEN_ADDRESS": "127.0.0.1",
            "CLUSTER__SHARD_MBPS": "10",
        }
        for machine in machines:
            machine.variables = {
                **common,
                "CLUSTER__NODE": machine.node,
                "CLUSTER__ANALYSIS": str(machine is first).lower(),
            }
        await first.start()
        rows = Rows(url)
        await until(all_record)
        done("the first machine records again")

        # 3. The second and the third, with the keys of the first.
        joined_us = now_us() + 2_000_000
        for machine in machines[1:]:
            (machine.data / "secrets").mkdir(parents=True, mode=0o700)
            for key in ("cluster.key", "sealing.key"):
                shutil.copy2(first.data / "secrets" / key, machine.data / "secrets" / key)
            await machine.start()
            done(f"{machine.node} has joined")
        await until(lambda: rows.held() == dict.fromkeys(NODES, 1))
        done("each has a camera")
        for step, after_s in steps:
            print(f"{after_s:6.1f} s  {step}")

        # A new version on one after another.
        upgrade_s = time.monotonic()
        for machine in machines:
            # Given on another, which goes on.
            other = next(one for one in machines if one is not machine)
            said = await machine.gridsight("drain", machine.node)
            assert f"no camera is on {machine.node} any more" in said
            await machine.stop()
            await machine.start()
            await other.gridsight("drain", machine.node, "--back")
            await until(lambda: rows.held() == dict.fromkeys(NODES, 1))
        print(f"{time.monotonic() - upgrade_s:6.1f} s  all three were stopped and started again")

        ended_us = now_us()
        await until(lambda: rows.recorded_until(ended_us))
        footage = rows.footage(joined_us)
        assert len(footage) == len(CAMERAS)
        longest_us = 0
        for source_id, ranges in footage.items():
            joints = [start_us - end_us for (_, end_us), (start_us, _) in pairwise(ranges)]
            assert all(0 <= joint < SEAM_US for joint in joints), (source_id, ranges)
            longest_us = max(longest_us, *joints)
            assert ranges[0][0] <= joined_us
            assert ranges[-1][1] >= ended_us
        print(f"longest seam: {longest_us / 1000:.0f} ms")
        for machine in machines:
            assert await recording(machine) == len(CAMERAS), machine.node
        # The three registers, and every byte of what was recorded, before and since.
        await first.gridsight("audit", "verify")
        for machine in machines[1:]:
            await machine.stop()
        await first.gridsight("check", "--verify")
    finally:
        if rows is not None:
            rows.close()
        for machine in machines:
            if machine.process is not None:
                await stop(machine.process)
        postgresql.drop(url)
