"""One camera, watched on two shards: browsers by WebRTC, one copy between the processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from tests.peers.running_gateway import Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        tmp_path, SHARDS__COUNT="2", LIVE__VIEWERS_PER_SHARD="1", RECORDING__SEGMENT_S="4"
    ) as made:
        yield made


class Browser:
    """Watches one camera by WebRTC and decodes what comes."""

    def __init__(self, gateway: Gateway, camera_id: str) -> None:
        self._gateway = gateway
        self._camera_id = camera_id
        self._peer = RTCPeerConnection()
        self._peer.on("track", self._take)
        self._reading: list[asyncio.Task[None]] = []
        self._arrived = asyncio.Event()
        self.shard = ""
        self.whep_url = ""
        self.pictures = 0
        self.contrast = 0.0

    def _take(self, track: Any) -> None:
        if track.kind == "video":
            self._reading.append(asyncio.create_task(self._read(track)))

    async def _read(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            self.pictures += 1
            self.contrast = float(np.std(frame.to_ndarray(format="gray")))
            self._arrived.set()

    async def open(self) -> None:
        opened = await self._gateway.post(
            "/api/live", {"camera_id": self._camera_id, "quality": "main"}
        )
        self.shard, self.whep_url = opened["shard"], opened["whep_url"]
        self._peer.addTransceiver("video", direction="recvonly")
        await self._peer.setLocalDescription(await self._peer.createOffer())
        async with self._gateway.client.post(
            self._gateway.url + self.whep_url,
            data=self._peer.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        ) as response:
            assert response.status == 201, await response.text()
            await self._peer.setRemoteDescription(
                RTCSessionDescription(await response.text(), "answer")
            )

    async def sees(self, pictures: int, patience_s: float = 60) -> None:
        """Wait for so many more."""
        wanted = self.pictures + pictures
        async with asyncio.timeout(patience_s):
            while self.pictures < wanted:
                self._arrived.clear()
                await self._arrived.wait()

    async def close(self) -> None:
        for task in self._reading:
            task.cancel()
        await self._peer.close()


async def metric(gateway: Gateway, name: str) -> dict[tuple[str, str], float]:
    """(process, peer) → value."""
    async with gateway.client.get(gateway.url + "/metrics") as response:
        assert response.status == 200
        text = await response.text()
    found = re.findall(
        rf'^gridsight_{name}{{name="(.+?)",peer="(.+?)"}} (\S+)$', text, re.MULTILINE
    )
    return {(process, peer): float(value) for process, peer, value in found}


async def viewers_of(gateway: Gateway, camera_id: str) -> int:
    camera = await gateway.get(f"/api/cameras/{camera_id}")
    return int(camera["states"]["main"]["viewers"])


@pytest.mark.timeout(300)
async def test_viewers_of_one_camera_on_two_shards_are_one_copy_and_outlive_its_shard(
    gateway: Gateway,
) -> None:
    async def all_record() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_record)
    camera_id = (await gateway.get("/api/cameras"))["items"][0]["id"]
    browsers = [Browser(gateway, camera_id) for _ in range(3)]
    try:
        await browsers[0].open()
        await browsers[0].sees(1)
        for browser in browsers[1:]:
            await browser.open()
        own, other = browsers[0].shard, browsers[1].shard
        assert {own, other} == {"shard-1", "shard-2"}
        await asyncio.gather(*(browser.sees(5) for browser in browsers))
        assert all(browser.contrast > 5 for browser in browsers), "a picture, and no grey"
        relayed = [browser for browser in browsers if browser.shard == other]

        assert await metric(gateway, "relay_sent_streams") == {(own, other): 1}
        assert await metric(gateway, "relay_received_streams") == {(other, own): 1}

        async def all_counted() -> bool:
            return await viewers_of(gateway, camera_id) == 3

        await gateway.until(all_counted)

        # The ticket is for one shard: nobody watches where no withdrawal is told.
        whep_url = relayed[0].whep_url.replace(f"/s/{other}/", f"/s/{own}/")
        async with gateway.client.post(
            gateway.url + whep_url, data="v=0", headers={"Content-Type": "application/sdp"}
        ) as response:
            assert response.status == 403

        killed = (await gateway.processes())[own]["process_id"]
        os.kill(killed, signal.SIGKILL)

        async def back() -> bool:
            one = (await gateway.processes())[own]
            return bool(one["state"] == "running" and one["process_id"] != killed)

        await gateway.until(back)
        await asyncio.gather(*(browser.sees(10) for browser in relayed))
        await gateway.until(lambda: _sends(gateway, own, other))

        # Who signs out sees nothing more, wherever that was shown.
        async with gateway.client.delete(gateway.url + "/api/session") as response:
            assert response.status < 300
        for browser in relayed:
            with pytest.raises(TimeoutError):
                while True:
                    await browser.sees(1, patience_s=5)
    finally:
        await asyncio.gather(*(browser.close() for browser in browsers))


async def _sends(gateway: Gateway, own: str, other: str) -> bool:
    return (await metric(gateway, "relay_sent_streams")).get((own, other)) == 1
