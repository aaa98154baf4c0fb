"""The network between two machines is cut, so that each one's API has lost the other's shards;
what is behind them, database and store and cameras, both still reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

import gateway.demo
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer
from gateway.identifiers import now_us
from tests.peers.far_network import FarNetwork, far_network, joined
from tests.peers.fault_proxy import FaultProxy
from tests.peers.postgresql import PostgresqlServer
from tests.peers.running_gateway import NEW_PASSWORD, Gateway, running_gateway, start, stop

CAMERAS = ("村口", "桥头", "学校", "水库")
CUT_S = 20.0
# Between two runs a few pictures' time may be uncovered.
SEAM_US = 500_000
# Of a camera of twelve pictures a second, seen through a machine that is busy.
PAUSE_S = 2.0


@dataclass
class Viewer:
    """Watches a camera by WebRTC, from a machine's console."""

    gateway: Gateway
    camera_id: str
    arrived_s: list[float] = field(default_factory=list)
    shard: str = ""

    def __post_init__(self) -> None:
        self._peer = RTCPeerConnection()
        self._peer.on("track", self._take)
        self._reading: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()

    def _take(self, track: Any) -> None:
        if track.kind == "video":
            self._reading.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: Any) -> None:
        while True:
            await track.recv()
            self.arrived_s.append(time.monotonic())
            self._arrived.set()

    async def open(self) -> None:
        form = {"camera_id": self.camera_id, "quality": "main", "purpose": {"code": "patrol"}}
        opened = await self.gateway.post("/api/live", form)
        self.shard = opened["shard"]
        self._peer.addTransceiver("video", direction="recvonly")
        await self._peer.setLocalDescription(await self._peer.createOffer())
        async with self.gateway.client.post(
            self.gateway.url + opened["whep_url"],
            data=self._peer.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        ) as response:
            assert response.status == 201, await response.text()
            answer = RTCSessionDescription(await response.text(), "answer")
        await self._peer.setRemoteDescription(answer)
        await self.sees(5)

    async def sees(self, pictures: int) -> None:
        """Wait for so many more."""
        wanted = len(self.arrived_s) + pictures
        async with asyncio.timeout(60):
            while len(self.arrived_s) < wanted:
                self._arrived.clear()
                await self._arrived.wait()

    def longest_pause_s(self, since_s: float, until_s: float) -> float:
        """Between two pictures, the stretch's ends counted as pictures."""
        seen = [since_s, *(at for at in self.arrived_s if since_s < at < until_s), until_s]
        return max(after - before for before, after in pairwise(seen))

    async def close(self) -> None:
        for task in self._reading:
            task.cancel()
        await self._peer.close()


@dataclass
class Place:
    """Two machines, and the network that is only between them."""

    first: Gateway
    second: Gateway
    between: FarNetwork
    rows: psycopg.Connection[tuple[Any, ...]]

    def owners(self) -> dict[str, tuple[str, int]]:
        """Camera → its shard, and since which epoch."""
        query = "SELECT source_id, owner, epoch FROM assignments WHERE source_id LIKE '%%/main'"
        found = self.rows.execute(query).fetchall()
        return {source_id.partition("/")[0]: (owner, epoch) for source_id, owner, epoch in found}

    def recorded_until(self, at_us: int) -> bool:
        """Whether each camera has footage that goes on behind an instant."""
        query = "SELECT max(end_us) FROM spans WHERE source_id LIKE '%%/main' GROUP BY source_id"
        ends = self.rows.execute(query).fetchall()
        return len(ends) == len(CAMERAS) and all(end_us > at_us for (end_us,) in ends)

    def longest_seam_us(self, since_us: int) -> int:
        """Between two recordings of a camera; none covers what another covers."""
        query = (
            "SELECT source_id, effective_start_us, effective_end_us FROM segments WHERE "
            "source_id LIKE '%%/main' AND effective_end_us > %s "
            "ORDER BY source_id, effective_start_us"
        )
        found = self.rows.execute(query, (since_us,)).fetchall()
        seams = [two[1] - one[2] for one, two in pairwise(found) if one[0] == two[0]]
        assert min(seams) >= 0, "a moment is there twice"
        return max(seams)


@pytest.fixture
def networks() -> Iterator[tuple[FarNetwork, FarNetwork]]:
    """Of people, cameras and database; and between the machines."""
    with far_network() as outside, joined(outside.namespace) as between:
        yield outside, between


@pytest.fixture
async def place(
    tmp_path: Path,
    networks: tuple[FarNetwork, FarNetwork],
    postgresql: PostgresqlServer,
) -> AsyncIterator[Place]:
    outside, between = networks
    url = postgresql.empty_database()
    clip = load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")
    cameras = ReplayServer()
    for number in range(len(CAMERAS)):
        cameras.add(f"camera-{number}", clip)
    await cameras.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cameras.close)
        database = FaultProxy(postgresql.port, outside.ours)
        await stack.enter_async_context(database)
        senders = FaultProxy(cameras.port, outside.ours)
        await stack.enter_async_context(senders)
        far_url = url.replace(f"127.0.0.1:{postgresql.port}", f"{outside.ours}:{database.port}")
        assert far_url != url
        home = tmp_path / "a"
        common = {
            "SECRETS_DIRECTORY": str(home / "secrets"),
            "STORE__PATH": str(home / "footage"),
            "RECORDING__SEGMENT_S": "4",
            "CLUSTER__ANALYSIS": "false",
            "CLUSTER__SHARD_MBPS": "10",
        }
        ours = {
            "DATABASE_URL": url,
            "CLUSTER__NODE": "node-a",
            "CLUSTER__LISTEN_ADDRESS": between.ours,
        }
        theirs = {
            "DATABASE_URL": far_url,
            "CLUSTER__NODE": "node-b",
            "CLUSTER__LISTEN_ADDRESS": between.theirs,
            "CLUSTER__SIGNALLING": "false",
            "LISTEN__ADDRESS": outside.theirs,
            "TLS__CERTIFICATES": "off",
        }
        first = await stack.enter_async_context(running_gateway(home, demo=False, **common, **ours))
        process, address, _ = await start(
            tmp_path / "b", namespace=outside.namespace, demo=False, **common, **theirs
        )
        stack.push_async_callback(stop, process)
        client = await stack.enter_async_context(
            aiohttp.ClientSession(
                cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"X-Gridsight": "1"}
            )
        )
        second = Gateway(process, first.settings, address, client)
        await second.post("/api/session", {"name": "admin", "password": NEW_PASSWORD})
        area = (await first.post("/api/areas", {"name": "钟祥县"}))["id"]
        for number, name in enumerate(CAMERAS):
            form = {
                "name": name,
                "area_id": area,
                "main_url": f"rtsp://{outside.ours}:{senders.port}/camera-{number}",
                "transport": "tcp",
                "record": "continuous",
                "enabled": True,
            }
            await first.post("/api/cameras", form)
        with psycopg.connect(url, autocommit=True) as rows:
            yield Place(first, second, between, rows)
    postgresql.drop(url)


@pytest.mark.timeout(400)
async def test_machines_that_have_lost_each_other_record_and_show_what_they_have(
    place: Place,
) -> None:
    first, second = place.first, place.second

    async def spread() -> bool:
        owners = [owner for owner, _ in place.owners().values()]
        return sorted(owners) == ["shard-1.node-a"] * 2 + [
            "shard-1.node-b"
        ] * 2 and await first.recording() == await second.recording() == len(CAMERAS)

    await first.until(spread, 120)

    held = place.owners()
    of_first = next(camera for camera, (owner, _) in held.items() if owner.endswith("node-a"))
    of_second = next(camera for camera, (owner, _) in held.items() if owner.endswith("node-b"))
    since_us = now_us()
    here = Viewer(first, of_first)
    there = Viewer(second, of_second)
    relayed = Viewer(first, of_second)
    viewers = (here, there, relayed)
    try:
        for viewer in viewers:
            await viewer.open()
        assert (here.shard, there.shard, relayed.shard) == (
            "shard-1.node-a", "shard-1.node-b", "shard-1.node-a",
        )  # fmt: skip

        await asyncio.to_thread(place.between.freeze)
        cut_s = time.monotonic()
        paused_s: list[float] = []
        while time.monotonic() < cut_s + CUT_S:
            asked_s = time.monotonic()
            for machine in (first, second):
                assert len((await machine.get("/api/cameras"))["items"]) == len(CAMERAS)
                await machine.get(
                    "/api/timeline", camera_id=of_second, start_us=since_us, end_us=now_us()
                )
            paused_s.append(time.monotonic() - asked_s)
            await asyncio.sleep(0.5)
        # A camera of the lost machine is recorded, which this one cannot know; it can be opened
        # where its path still exists.
        late = Viewer(second, of_second)
        viewers += (late,)
        await late.open()
        mended_s = time.monotonic()
        await asyncio.to_thread(place.between.thaw)

        assert place.owners() == held, "no camera has moved"
        for viewer in (here, there):
            pause_s = viewer.longest_pause_s(cut_s, mended_s)
            assert pause_s < PAUSE_S, viewer.shard
        await relayed.sees(10)
        again_s = next(at for at in relayed.arrived_s if at > mended_s)
        took = ", ".join(f"{one:.1f}" for one in paused_s)
        print(f"two pages and two timelines: {took} s")
        print(f"relayed again {again_s - mended_s:.1f} s after the cut of {CUT_S:.0f} s")

        ended_us = now_us()

        async def stored() -> bool:
            return place.recorded_until(ended_us)

        await first.until(stored)
        assert place.longest_seam_us(since_us) < SEAM_US
        print(f"longest seam: {place.longest_seam_us(since_us) / 1000:.0f} ms")
        assert place.owners() == held
    finally:
        for viewer in viewers:
            await viewer.close()
