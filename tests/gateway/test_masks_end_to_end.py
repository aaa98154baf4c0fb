"""A mask, from its drawing to every way out: who may not see beneath it sees nothing there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import av
import pytest

from tests.peers.masked_pictures import LEFT_HALF, decode, hides_left_half
from tests.peers.running_gateway import NEW_PASSWORD, Gateway, running_gateway

BY_MSE = {"webrtc": False, "mse_h265": False}


@pytest.fixture
async def gateway(tmp_path: Path, free_port: int) -> AsyncIterator[Gateway]:
    settings = {"RESTREAM__ENABLED": "true", "RESTREAM__PORT": str(free_port)}
    settings["TRANSCODER__WORKERS"] = "1"
    async with running_gateway(tmp_path, **settings) as made:
        yield made


async def colleague(gateway: Gateway, name: str, role: str) -> aiohttp.ClientSession:
    """Somebody with a role in the whole county, signed in."""
    made = await gateway.post(
        "/api/users",
        {"name": name, "display_name": "张三", "grants": [{"role": role, "area_id": "*"}]},
    )
    jar = aiohttp.CookieJar(unsafe=True)
    client = aiohttp.ClientSession(gateway.url, cookie_jar=jar, headers={"X-Gridsight": "1"})
    password = made["one_time_password"]
    await answer(client, "POST", "/api/session", {"name": name, "password": password})
    change = {"old_password": password, "new_password": NEW_PASSWORD}
    await answer(client, "POST", "/api/session/password", change)
    return client


async def answer(
    client: aiohttp.ClientSession, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    async with client.request(method, path, json=body) as response:
        data = await response.read()
        return response.status, json.loads(data) if data else None


async def live_pictures(client: aiohttp.ClientSession, opened: Any, number: int) -> bytes:
    """The initialisation segment and so many fragments of a live view by WebSocket."""
    parts = []
    async with asyncio.timeout(90), client.ws_connect(opened["mse_url"]) as socket:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                parts.append(message.data)
                if len(parts) > number:
                    break
    return b"".join(parts)


async def get(client: aiohttp.ClientSession, path: str) -> bytes:
    """What comes, once there is a place in the transcoder for it."""
    async with asyncio.timeout(90):
        while True:
            async with client.get(path) as response:
                data = await response.read()
                if response.status == 200:
                    return data
                assert json.loads(data)["error"]["code"] == "queued", (path, data)
            await asyncio.sleep(0.5)


async def test_what_is_masked_comes_out_nowhere(gateway: Gateway) -> None:
    async def recorded() -> bool:
        return await gateway.recording() == 4

    await gateway.until(recorded)
    first, second = [one["id"] for one in (await gateway.get("/api/cameras"))["items"]][:2]
    async with (
        await colleague(gateway, "operator", "operator") as operator,
        await colleague(gateway, "keeper", "area_admin") as keeper,
    ):
        # Somebody watches while the mask is drawn, by whoever may add, and is cut off at once.
        form = {"camera_id": first, "quality": "main", "client": BY_MSE}
        _, opened = await answer(operator, "POST", "/api/live", form)
        assert opened["variant"] == "main"
        assert opened["overlay"]["display_name"] == "张三"
        async with asyncio.timeout(60), operator.ws_connect(opened["mse_url"]) as socket:
            assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
            drawn = {"version": 0, "masks": [LEFT_HALF]}
            status, masks = await answer(keeper, "PUT", f"/api/cameras/{first}/masks", drawn)
            assert (status, masks["version"], masks["changed_by"]) == (200, 1, "keeper")
            async for _ in socket:
                pass
            assert socket.close_code == 4503  # try again
        assert (await gateway.get(f"/api/cameras/{first}"))["masked"] is True

        # What is recorded, before the one place is taken for live.
        start_us = time.time_ns() // 1000 - 60_000_000
        wanted = {"camera_ids": [first], "start_us": start_us, "end_us": start_us + 660_000_000}
        _, playback = await answer(operator, "POST", "/api/playback", wanted)
        base = playback["cameras"][0]["base_url"]
        server = "/".join(base.split("/")[:3])
        ticket = {"ticket": playback["ticket"]}
        _, session = await answer(operator, "POST", f"{server}/sessions", ticket)
        assert session["cameras"][0]["base_url"] == base
        index: dict[str, Any] = {}
        times = ""

        async def begun() -> bool:
            nonlocal times
            times = f"start_us={start_us}&end_us={time.time_ns() // 1000}"
            index.update(json.loads(await get(operator, f"{base}/index?{times}")))
            return bool(index["runs"])

        await gateway.until(begun)
        [run, *_] = index["runs"]
        assert run["transcode"] is True
        segment, number = index["fragments"]["segment_id"][0], index["fragments"]["number"][0]
        fragment = f"segments/{segment}/fragments/{number}-{number}.m4s"
        head = await get(operator, f"{base}/transcode/runs/{run['run_id']}/init.mp4")
        media = head + await get(operator, f"{base}/transcode/{fragment}")
        assert all(map(hides_left_half, decode(media)))
        for path in (f"runs/{run['run_id']}/init.mp4", fragment, f"segments/{segment}/segment.mp4"):
            for root in (base, f"{server}/playback/{first}"):
                status, refused = await answer(operator, "GET", f"{root}/{path}")
                assert (status, refused["error"]["code"]) == (403, "masked"), path
        at_us = index["fragments"]["start_us"][0]
        for exact in ("true", "false"):
            frame = await get(operator, f"{base}/frame.jpg?at_us={at_us}&exact={exact}")
            assert all(map(hides_left_half, decode(frame, "mjpeg")))
        playlist = (await get(operator, f"{base}/hls/index.m3u8?{times}")).decode()
        assert "../transcode/segments/" in playlist
        assert "../segments/" not in playlist

        # Live: shared by all who look, and by who gets it as RTSP.
        _, opened = await answer(operator, "POST", "/api/live", form)
        assert (opened["variant"], opened["transcoded"]) == ("masked", True)
        pictures = decode(await live_pictures(operator, opened, 12))
        assert len(pictures) >= 6
        assert all(map(hides_left_half, pictures))
        snapshot = await get(operator, f"/api/cameras/{first}/snapshot.jpg")
        assert all(map(hides_left_half, decode(snapshot, "mjpeg")))
        asked = {"camera_id": first, "quality": "main", "expires_in_s": 60}
        _, restream = await answer(
            keeper, "POST", "/api/restreams", {**asked, "addresses": ["127.0.0.0/8"]}
        )
        assert urlsplit(restream["url"]).scheme == "rtsp"
        assert hides_left_half(await asyncio.to_thread(first_picture, restream["url"]))

        # The one place is taken: another masked camera is not to be seen, rather than unmasked.
        await answer(keeper, "PUT", f"/api/cameras/{second}/masks", drawn)
        status, refused = await answer(operator, "POST", "/api/live", {**form, "camera_id": second})
        assert (status, refused["error"]["code"]) == (503, "masked_unavailable")

        # Whoever may lift masks sees it all, and only they take one away.
        unmasked = decode(
            await get(gateway.client, f"{gateway.url}/api/cameras/{first}/snapshot.jpg"), "mjpeg"
        )
        assert not any(map(hides_left_half, unmasked))
        taken = {"version": 1, "masks": []}
        status, refused = await answer(keeper, "PUT", f"/api/cameras/{first}/masks", taken)
        assert (status, refused["error"]["code"]) == (403, "lift_masks_required")
        path = f"{gateway.url}/api/cameras/{first}/masks"
        assert (await answer(gateway.client, "PUT", path, {**taken, "version": 0}))[0] == 409
        assert (await answer(gateway.client, "PUT", path, taken))[0] == 200
        _, opened = await answer(operator, "POST", "/api/live", form)
        assert opened["variant"] == "main"
        # What was recorded beneath it stays covered.
        _, playback = await answer(operator, "POST", "/api/playback", wanted)
        assert "/masked/2/" in playback["cameras"][0]["base_url"]
    history = await gateway.get(f"/api/cameras/{first}/masks/history")
    assert [(one["version"], len(one["masks"])) for one in history["items"]] == [(2, 0), (1, 1)]
    records = (await gateway.get("/api/audit", camera_id=first))["items"]
    drawings = [one["detail"] for one in records if one["action"] == "camera.masks"]
    assert [one["uncovers"] for one in drawings] == [True, False]


def first_picture(url: str) -> Any:
    """Of an RTSP address, by ffmpeg's own client."""
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=60) as opened:
        return next(opened.decode(video=0)).to_ndarray(format="gray")
