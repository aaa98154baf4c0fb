"""Events from devices that tell too much, and the door where devices post theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.onvif import description, event_source
from camera_adapters.onvif.allowance import BURST, PER_S, Allowance
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import describe
from camera_adapters.onvif.event_source import ChannelNames, EventSource
from camera_adapters.onvif.exchange import OnvifError, OnvifFault, create_session
from camera_adapters.onvif.notifications import BODY_BYTES_LIMIT, NotificationServer
from camera_adapters.onvif.soap import answer_of
from camera_adapters.onvif.xml_tree import Node
from tests.peers.onvif_device import Habits, OnvifDevice


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_session() as one:
        yield one


@given(st.lists(st.floats(0, 3), min_size=1, max_size=300))
def test_no_more_is_taken_than_a_burst_and_so_many_a_second(pauses: list[float]) -> None:
    allowance, now, taken = Allowance(), 1000.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= BURST + (now - 1000.0) * PER_S + 1


async def test_a_device_that_floods_is_slowed_down(session: aiohttp.ClientSession) -> None:
    async with OnvifDevice() as device:
        client = OnvifClient(
            session, device.host, device.port, device.habits.username, device.habits.password
        )
        await describe(client, {})
        told: list[object] = []
        source = EventSource(client, ChannelNames({}, ["1"]), told.append, now_us=lambda: 10**15)
        running = asyncio.create_task(source.run())
        await device.until(lambda one: one.asked["PullMessages"])
        began = time.monotonic()
        for _ in range(400):
            device.fire("tns1:RuleEngine/LineDetector/Crossed", operation="")
            await asyncio.sleep(0.001)
        pulls, seconds = device.asked["PullMessages"], time.monotonic() - began
        running.cancel()
    assert BURST <= pulls <= BURST + (PER_S + 1 / event_source._FLOODING_S) * seconds + 3
    assert told


async def test_a_device_that_answers_everything_late_is_given_up(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(description, "TIME_LIMIT_S", 0.02)
    async with OnvifDevice(Habits(channels=200)) as device:
        client = OnvifClient(
            session, device.host, device.port, device.habits.username, device.habits.password
        )
        with pytest.raises(OnvifError) as caught:
            await describe(client, {})
        assert caught.value.code is OnvifFault.TIMED_OUT


@pytest.fixture
async def door() -> AsyncIterator[NotificationServer]:
    server = NotificationServer("127.0.0.1", 0, "")
    await server.start()
    yield server
    await server.close()


async def test_what_is_posted_reaches_who_opened_the_address(
    session: aiohttp.ClientSession, door: NotificationServer
) -> None:
    posted: list[str] = []

    def take(document: Node) -> None:
        posted.append(answer_of(document).name)

    url = door.open(take)

    async def post(address: str, body: bytes) -> int:
        async with session.post(address, data=body) as response:
            return response.status

    notify = b"<E><Body><Notify/></Body></E>"
    assert await post(url, notify) == 200
    assert posted == ["Notify"]
    assert await post(url[:-1], notify) == 404
    assert await post(url, b"<E/>") == 400
    assert await post(url, b"nonsense") == 400
    assert await post(url, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>') == 400
    assert await post(url, b"<a>" + b" " * BODY_BYTES_LIMIT) in (400, 413)
    statuses = [await post(url, notify) for _ in range(30)]
    assert 429 in statuses
    door.forget(url)
    assert await post(url, notify) == 404
