"""A meeting of five sites on two shards of a whole gateway: one copy between them, a roll call
that reaches everybody, and a shard that is killed.

The sites' pages are real WebSocket and DTLS peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.gateway.meetings.a_shard import Page
from tests.peers.meeting_site import MeetingSite
from tests.peers.running_gateway import Gateway, running_gateway
from tests.peers.village_office import Village, village

NAMES = ("甲村", "乙村", "丙村", "丁村")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, SHARDS__COUNT="2", MEETINGS__SITES_PER_SHARD="2") as made:
        yield made


async def chair_joins(gateway: Gateway, path: str) -> tuple[Page, dict[str, Any]]:
    seat = await gateway.post(f"{path}/join", {})
    socket = await gateway.client.ws_connect(gateway.url + seat["url"])
    page = Page(socket, b"chai", MeetingSite(video_slots=2, sound_slots=2))
    await page.hears("room")
    await page.connect(microphone=True, camera=True)
    return page, seat


async def streams(gateway: Gateway, name: str) -> dict[tuple[str, str], float]:
    """(process, peer) → how many streams now."""
    async with gateway.client.get(gateway.url + "/metrics") as response:
        assert response.status == 200
        text = await response.text()
    found = re.findall(
        rf'^gridsight_{name}_streams{{name="(.+?)",peer="(.+?)"}} (\S+)$', text, re.MULTILINE
    )
    return {(process, peer): float(value) for process, peer, value in found if float(value)}


async def states(gateway: Gateway, path: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in (await gateway.get(path))["participants"]}


@pytest.mark.timeout(400)
async def test_five_sites_on_two_shards_are_one_meeting(gateway: Gateway) -> None:
    town = (await gateway.post("/api/areas", {"parent_id": None, "name": "石牌镇"}))["id"]
    async with contextlib.AsyncExitStack() as stack:
        villages: list[Village] = [
            await stack.enter_async_context(village(gateway, town, name)) for name in NAMES
        ]
        form = {"title": "防汛会商", "area_id": town}
        path = f"/api/meetings/{(await gateway.post('/api/meetings', form))['id']}"
        invited = {"only_area_ids": [one.area_id for one in villages]}
        await gateway.post(f"{path}/invite", invited)
        await gateway.post(f"{path}/start", {})
        chair, seat = await chair_joins(gateway, path)
        stack.push_async_callback(chair.close)
        pages = []
        for number, one in enumerate(villages):
            mark = b"site" if number != 1 else b"seen"
            pages.append(await one.join(path, mark, microphone=False))
            stack.push_async_callback(pages[-1].close)
        home = seat["shard"]
        (other,) = {"shard-1", "shard-2"} - {home}
        # Two at each, and where all are full nobody is turned away.
        assert [one.shard for one in villages] == [home, other, other, home]

        # Everybody sees and hears the chair.
        for page in pages:
            await page.look(("v0", None))
        await gateway.post(f"{path}/participants/{seat['participant_id']}/pin", {})
        await asyncio.gather(*(page.sees(chair, "v0") for page in pages))
        await asyncio.gather(*(page.listens_to(chair) for page in pages))
        assert await streams(gateway, "relay_received") == {(other, home): 2}, (
            "its picture and its voice once, however many look"
        )
        assert (await streams(gateway, "relay_sent"))[home, other] == 2

        # A site at the other shard comes on stage: the chair sees it, and so do all.
        seen, who = pages[1], villages[1].participant_id
        await gateway.post(f"{path}/participants/{seat['participant_id']}/unpin", {})
        await gateway.post(f"{path}/participants/{who}/pin", {})
        await chair.look(("v0", None))
        await chair.sees(seen, "v0")
        for page in (pages[0], pages[2], pages[3]):
            await page.sees(seen, "v0")
        assert (await streams(gateway, "relay_received"))[home, other] == 1
        assert (await streams(gateway, "relay_sent"))[other, home] == 1

        # The roll call reaches everybody, and keeps a picture of who sits at the other shard.
        board = await gateway.post(f"{path}/roll-calls", {})
        call = f"{path}/roll-calls/{board['id']}"
        for one, page in zip(villages, pages, strict=True):
            called = await gateway.post(f"{call}/call", {"participant_id": one.participant_id})
            assert called["connected"]
            await page.hears("called", participant_id=one.participant_id)
            await page.say(type="answer_call", roll_call_id=board["id"])
            await page.hears("answered", counted=True)
        ended = await gateway.post(f"{call}/end", {})
        assert {row["name"]: row["state"] for row in ended["rows"]} == dict.fromkeys(
            NAMES, "present"
        )

        # The other shard is killed: who sat there comes again, and sits where there is a shard.
        killed = (await gateway.processes())[other]["process_id"]
        os.kill(killed, signal.SIGKILL)
        lost = [pages[1], pages[2]]
        for page in lost:
            await page.until(lambda page=page: page.closed)
        assert not pages[0].closed
        again = await comes_again(villages[1], path)
        stack.push_async_callback(again.close)
        await again.look(("v0", seat["participant_id"]))
        await gateway.post(f"{path}/participants/{who}/unpin", {})
        await gateway.post(f"{path}/participants/{seat['participant_id']}/pin", {})
        await again.sees(chair, "v0")

        async def is_back() -> bool:
            return (await states(gateway, path))["乙村"] == "connected"

        await gateway.until(is_back)
        await gateway.post(f"{path}/end", {})
        assert (await again.hears("end"))["reason"] == "ended"
        assert (await pages[3].hears("end"))["reason"] == "ended"


async def comes_again(one: Village, path: str) -> Page:
    """As a page does it: until it is let in."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with asyncio.timeout(10):
                    return await one.join(path, b"back")
            except (aiohttp.ClientError, OSError, TimeoutError, AssertionError):
                await asyncio.sleep(0.3)
