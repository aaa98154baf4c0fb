"""A roll call on a whole gateway: one village is there and answers, one comes late, one is absent.

The villages' pages are real WebSocket and DTLS peers; the picture that is kept was encoded by
libx264 and is decoded by the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np
import pytest
from openpyxl import load_workbook

from gateway.identifiers import US_PER_S, now_us
from tests.peers.running_gateway import Gateway, running_gateway
from tests.peers.village_office import village

GREY = 180


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path) as made:
        yield made


def keyframe() -> list[bytes]:
    """One small grey picture: its NAL units, each small enough for a packet."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 320, 176, "yuv420p"
    encoder.options = {"profile": "baseline", "tune": "zerolatency", "x264-params": "sei=0"}
    picture = np.full((176, 320, 3), GREY, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    stream = b"".join(bytes(one) for one in [*encoder.encode(frame), *encoder.encode(None)])
    units = [one for one in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if one]
    wanted = [one for one in units if one[0] & 31 in (5, 7, 8)]
    assert max(map(len, wanted)) < 1100
    return wanted


async def next_ring(events: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            message = await events.receive_json()
            if message["type"] == "meeting" and message["event"] == "ring":
                return dict(message)


@pytest.mark.timeout(400)
async def test_one_is_present_one_late_one_absent(gateway: Gateway) -> None:
    town = (await gateway.post("/api/areas", {"parent_id": None, "name": "石牌镇"}))["id"]
    async with contextlib.AsyncExitStack() as stack:
        here, late, away = [
            await stack.enter_async_context(village(gateway, town, name))
            for name in ("甲村", "乙村", "丙村")
        ]
        form = {"title": "防汛会商", "area_id": town}
        meeting_id = (await gateway.post("/api/meetings", form))["id"]
        path = f"/api/meetings/{meeting_id}"
        invited = {"only_area_ids": [one.area_id for one in (here, late, away)]}
        await gateway.post(f"{path}/invite", invited)
        events = await stack.enter_async_context(
            here.client.ws_connect(f"{gateway.url}/api/events")
        )
        await gateway.post(f"{path}/start", {})
        ring = await next_ring(events)
        assert (ring["meeting_id"], ring["seats"][0]["state"]) == (meeting_id, "ringing")

        page = await here.join(path)
        stack.push_async_callback(page.close)
        page.shoot(page.site.camera(), keyframe())

        async def connected() -> bool:
            rows = (await gateway.get(path))["participants"]
            return any(one["name"] == "甲村" and one["state"] == "connected" for one in rows)

        await gateway.until(connected)
        started_us = (await gateway.get(path))["started_us"]
        late_after_s = (now_us() - started_us) // US_PER_S + 1
        board = await gateway.post(f"{path}/roll-calls", {"late_after_s": late_after_s})
        call = f"{path}/roll-calls/{board['id']}"
        by_name = {row["name"]: row["participant_id"] for row in board["rows"]}
        called = await gateway.post(f"{call}/call", {"participant_id": by_name["甲村"]})
        assert called["connected"]
        heard = await page.hears("called")
        await page.say(type="answer_call", roll_call_id=heard["roll_call_id"])
        assert not (await gateway.post(f"{call}/call", {"participant_id": by_name["丙村"]}))[
            "connected"
        ]

        async def is_late() -> bool:
            return now_us() > started_us + late_after_s * US_PER_S

        await gateway.until(is_late)
        second = await late.join(path)
        stack.push_async_callback(second.close)

        async def state(name: str) -> Any:
            rows = (await gateway.get(call))["rows"]
            return next(row for row in rows if row["name"] == name)

        async def answered() -> bool:
            return (await state("甲村"))["answered_us"] is not None

        async def came() -> bool:
            return bool((await state("乙村"))["connected_now"])

        async def pictured() -> bool:
            return (await state("甲村"))["snapshot_us"] is not None

        for holds in (answered, came, pictured):
            await gateway.until(holds)
        await gateway.post(f"{call}/call", {"participant_id": by_name["乙村"]})
        await gateway.post(f"{call}/answers/{by_name['乙村']}", {"tick": "present"})
        ended = await gateway.post(f"{call}/end", {})
        states = {row["name"]: row["state"] for row in ended["rows"]}
        assert states == {"甲村": "present", "乙村": "late", "丙村": "absent"}

        url = f"{gateway.url}{call}/answers/{by_name['甲村']}/snapshot.jpg"
        async with gateway.client.get(url) as response:
            assert response.status == 200, await response.text()
            jpeg = await response.read()
        frame = next(av.open(io.BytesIO(jpeg)).decode(video=0))
        assert (frame.width, frame.height) == (320, 176)
        middle = frame.to_ndarray(format="gray")[100:150, 100:200]
        assert abs(int(middle.mean()) - GREY) < 25
        async with gateway.client.get(f"{gateway.url}{call}.xlsx") as response:
            sheet = load_workbook(io.BytesIO(await response.read())).active
        assert sheet is not None
        told = {row[2].value: row[3].value for row in sheet.iter_rows(min_row=2)}
        assert told == {"甲村": "出席", "乙村": "迟到", "丙村": "缺席"}
        await gateway.post(f"{path}/end", {})
        assert (await page.hears("end"))["reason"] == "ended"
