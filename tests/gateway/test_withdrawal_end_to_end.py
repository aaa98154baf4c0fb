"""A right goes while everything that it allows is running, on a gateway with all its processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identifiers import US_PER_S, now_us
from tests.gateway.test_restream_end_to_end import cut_off, play
from tests.peers.running_gateway import Gateway, command, running_gateway

PASSWORD = "correct horse 9"
OWN_PASSWORD = "another horse 7"


@pytest.fixture
async def gateway(tmp_path: Path, free_port: int) -> AsyncIterator[Gateway]:
    settings = {"RESTREAM__ENABLED": "true", "RESTREAM__PORT": str(free_port)}
    async with running_gateway(tmp_path, **settings) as made:
        yield made


async def _signed_in(gateway: Gateway, name: str) -> tuple[str, aiohttp.ClientSession]:
    """An account without any grant, and its browser."""
    form = {"name": name, "password": PASSWORD}
    user_id = (await gateway.post("/api/users", form))["id"]
    jar = aiohttp.CookieJar(unsafe=True)
    client = aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"})
    url = f"{gateway.url}/api/session"
    assert (await client.post(url, json=form)).status == 200
    change = {"old_password": PASSWORD, "new_password": OWN_PASSWORD}
    assert (await client.post(f"{url}/password", json=change)).status == 204
    return user_id, client


class Watching:
    """Live pictures, playback, HLS, and an address handed out, all of one camera."""

    def __init__(self, gateway: Gateway, client: aiohttp.ClientSession, camera_id: str) -> None:
        self._gateway = gateway
        self._client = client
        self._camera_id = camera_id

    async def begin(self) -> None:
        live = await self._open(
            "/api/live", {"camera_id": self._camera_id, "client": {"webrtc": False}}
        )
        self._live = await self._client.ws_connect(self._gateway.url + live["mse_url"])
        async with asyncio.timeout(60):
            while (await self._live.receive()).type is not aiohttp.WSMsgType.BINARY:
                pass
        at_us = now_us()
        minutes = {"start_us": at_us - 30 * US_PER_S, "end_us": at_us}
        playback = await self._open("/api/playback", {"camera_ids": [self._camera_id], **minutes})
        base = playback["cameras"][0]["base_url"]
        self._footage = [
            f"{self._gateway.url}{base}{path}?ticket={playback['ticket']}"
            f"&start_us={minutes['start_us']}&end_us={minutes['end_us']}"
            for path in ("/index", "/hls/index.m3u8")
        ]
        for url in self._footage:
            await self._gateway.until(partial(self._is_there, url))
        form = {"camera_id": self._camera_id, "expires_in_s": 3600, "addresses": ["127.0.0.0/8"]}
        handed_out = await self._open("/api/restreams", form)
        self._player = await play(handed_out["url"])

    async def _is_there(self, url: str) -> bool:
        """Whether there is footage: the first fragment is on disk two seconds after its start."""
        status = await self._status(url)
        assert status in (200, 404)
        return status == 200

    async def end(self) -> list[float]:
        """Wait until all of it has ended by itself; gives the seconds that each took."""
        begun = time.monotonic()

        async def timed(ending: Awaitable[None]) -> float:
            async with asyncio.timeout(60):
                await ending
            return time.monotonic() - begun

        try:
            return list(
                await asyncio.gather(
                    timed(self._live_end()),
                    *(timed(self._refused(url)) for url in self._footage),
                    timed(cut_off(self._player)),
                )
            )
        finally:
            if self._player.returncode is None:
                self._player.kill()

    async def _live_end(self) -> None:
        message = await self._live.receive()
        while message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
            message = await self._live.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4403)

    async def _refused(self, url: str) -> None:
        while await self._status(url) == 200:  # noqa: ASYNC110 - seen from outside, by HTTP
            await asyncio.sleep(0.1)
        assert await self._status(url) == 403

    async def _status(self, url: str) -> int:
        # A player of its own: without the browser's cookies.
        async with aiohttp.ClientSession() as player, player.get(url) as response:
            return response.status

    async def _open(self, path: str, body: dict[str, Any]) -> Any:
        async with self._client.post(self._gateway.url + path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()


@pytest.mark.timeout(480)
async def test_whatever_way_a_right_goes_what_it_allowed_ends(
    gateway: Gateway, tmp_path: Path, record_property: Any
) -> None:
    async def recorded() -> bool:
        return await gateway.recording() == 4

    await gateway.until(recorded)
    camera = (await gateway.get("/api/cameras"))["items"][0]
    form = {"role": "integrator", "area_id": camera["area_id"]}
    for way in ("withdrawn", "run out", "disabled"):
        user_id, client = await _signed_in(gateway, way)
        grant = await gateway.post("/api/grants", {"user_id": user_id, **form})
        async with client:
            watching = Watching(gateway, client, camera["id"])
            await watching.begin()
            if way == "disabled":
                status, said = await command(tmp_path, "user", "disable", way)
                assert status == 0, said
            else:
                if way == "run out":
                    # Goes on by another grant, for a moment.
                    until = {"valid_until_us": now_us() + 3 * US_PER_S}
                    await gateway.post("/api/grants", {"user_id": user_id, **form, **until})
                url = f"{gateway.url}/api/grants/{grant['id']}"
                assert (await gateway.client.delete(url)).status == 204
                if way == "run out":
                    await asyncio.sleep(max(0.0, until["valid_until_us"] / US_PER_S - time.time()))
            took_s = await watching.end()
            # For who measures; a test on a busy machine asserts no time.
            record_property(f"seconds until it ended: {way}", took_s)
            print(way, [round(one, 1) for one in took_s])
            async with client.get(f"{gateway.url}/api/cameras/{camera['id']}") as response:
                assert response.status == (401 if way == "disabled" else 404)
