"""Who steers, what devices tell and alarms on the events WebSocket: to whom it is any business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.api.steering_withdrawal import withdraw_steering
from gateway.control.channel import ControlServer, control_path
from gateway.people.sign_in import token_hash
from gateway.platforms.ptz import Holder
from tests.gateway.api.conftest import County, county  # noqa: F401
from tests.gateway.api.test_events import Shard, connect, origin, shard  # noqa: F401


class Signalling:
    """The part of signalling that tells, on a control channel of its own."""

    def __init__(self) -> None:
        self.steering: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.ended: list[dict[str, Any]] = []

    async def watch_steering(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"cameras": await self.steering.get()}

    async def watch_events(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"events": [await self.events.get()]}

    async def end(self, **arguments: Any) -> None:
        self.ended.append(arguments)

    def held(self, camera_id: str, holder: Holder | None) -> None:
        told = None
        if holder is not None:
            told = {**holder.to_message(), "since_us": 1, "until_us": 2}
        self.steering.put_nowait({camera_id: {"holder": told, "moving": False, "patrol": None}})


@pytest.fixture
async def signalling(county: County) -> AsyncIterator[Signalling]:  # noqa: F811
    made = Signalling()
    server = ControlServer(
        control_path(county.services.settings, "signalling"),
        county.services.secret,
        {
            "ptz.watch": made.watch_steering,
            "events.watch": made.watch_events,
            "ptz.end": made.end,
        },
    )
    await server.start()
    await county.write(
        "processes.report",
        name="signalling",
        kind="signalling",
        node="here",
        process_id=1,
        http_address=None,
        http_port=None,
        started_us=1,
    )
    following = [
        asyncio.create_task(county.services.steering.run()),
        asyncio.create_task(county.services.alarms.run()),
    ]
    yield made
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await server.close()


async def next_of(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = await socket.receive_json(timeout=10)
        if told["type"] == kind:
            return told


def _holder(user_id: str, priority: int = 60) -> Holder:
    return Holder(
        "person", user_id, "chief", "长", priority,
        user_id=user_id, address="10.0.0.7", token_hash="0" * 64,
    )  # fmt: skip


async def test_who_steers_is_told_without_their_address_and_only_where_one_sees(
    county: County,  # noqa: F811
    shard: Shard,  # noqa: F811
    signalling: Signalling,
    origin: str,  # noqa: F811
) -> None:
    clerk = await county.user("clerk", "operator", county.town)
    shard.say(county.camera, "live")
    shard.say(county.other_camera, "live")
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        await next_of(socket, "camera_state")
        signalling.held(county.other_camera, _holder("usr_x"))
        signalling.held(county.camera, _holder("usr_chief"))
        told = await next_of(socket, "ptz")
        assert told["camera_id"] == county.camera
        assert told["holder"]["name"] == "chief"
        assert not {"address", "token_hash", "user_id"} & told["holder"].keys()
        assert (told["own"], told["may_steer"], told["priority"]) == (False, False, 50)
        signalling.held(county.camera, _holder(clerk))
        told = await next_of(socket, "ptz")
        assert (told["own"], told["may_steer"]) == (True, True)
        # Who comes later is told what is held.
        again = await connect(county, client, origin, "clerk")
        assert (await next_of(again, "ptz"))["own"]


async def test_events_and_alarms_are_told_to_who_looks_live_there(
    county: County,  # noqa: F811
    shard: Shard,  # noqa: F811
    signalling: Signalling,
    origin: str,  # noqa: F811
) -> None:
    await county.user("clerk", "viewer", county.town)
    await county.user("auditor", "auditor", county.town)
    await county.user("all", "viewer")
    shard.say(county.camera, "live")
    row = {
        "id": "dev_1", "platform_id": "plf", "camera_id": county.other_camera, "channel": "1",
        "kind": "motion", "source": "", "state": "open", "begin_us": 5, "end_us": None,
        "count": 1, "detail": {},
    }  # fmt: skip
    alarm = {
        "id": "alm_1", "kind": "camera_offline", "subject": "camera:x",
        "camera_id": county.other_camera, "area_id": county.other_town, "begin_us": 5,
        "folded_into": None, "detail": {},
    }  # fmt: skip
    mine = {**alarm, "id": "alm_2", "subject": "y", "camera_id": county.camera}
    network = {**alarm, "id": "alm_3", "kind": "network_down", "camera_id": None, "area_id": None}
    await county.write("alarms.apply", opened=[alarm, mine, network], changed=[], closed=[])
    async with aiohttp.ClientSession() as client:
        sockets = [await connect(county, client, origin, one) for one in ("clerk", "all")]
        auditor = await connect(county, client, origin, "auditor")
        for socket in (*sockets, auditor):
            await next_of(socket, "camera_state")
        signalling.events.put_nowait(row)
        signalling.events.put_nowait({**row, "id": "dev_2", "camera_id": county.camera})
        clerk, everybody = sockets
        assert (await next_of(clerk, "device_event"))["id"] == "dev_2"
        seen = {(await next_of(everybody, "device_event"))["id"] for _ in range(2)}
        assert seen == {"dev_1", "dev_2"}
        county.services.alarm_watch.tell(["alm_1", "alm_2", "alm_3"])
        told = await next_of(clerk, "alarm")
        assert (told["id"], told["camera_name"], told["state"]) == ("alm_2", "村口", "open")
        seen = {(await next_of(everybody, "alarm"))["id"] for _ in range(3)}
        assert seen == {"alm_1", "alm_2", "alm_3"}
        # Neither clerk nor auditor was told of the rest.
        shard.say(county.camera, "offline")
        for socket in (clerk, auditor):
            assert (await socket.receive_json(timeout=10))["type"] == "camera_state"


async def test_a_holding_ends_with_the_sign_in_or_the_right(
    county: County,  # noqa: F811
    signalling: Signalling,
) -> None:
    user_id = await county.user("clerk", "operator", county.town)
    client = await county.sign_in("clerk")
    (cookie,) = client.cookies.values()
    own = token_hash(cookie)

    async def hold(**changed: Any) -> list[str]:
        holder = {**_holder(user_id).to_message(), "token_hash": own, **changed}
        signalling.steering.put_nowait(
            {
                county.camera: {
                    "holder": {**holder, "since_us": 1, "until_us": 2},
                    "moving": False,
                    "patrol": None,
                }
            }
        )
        async with asyncio.timeout(10):
            while (county.services.steering.of(county.camera)["holder"] or {}).get(  # noqa: ASYNC110
                "token_hash"
            ) != holder["token_hash"]:
                await asyncio.sleep(0.01)
        return await withdraw_steering(county.services)

    assert await hold() == []
    assert await hold(token_hash="f" * 64) == [county.camera]
    assert signalling.ended == [
        {"camera_id": county.camera, "cause": "withdrawn", "token_hash": "f" * 64}
    ]
    grants = (await client.get("/api/grants")).json()["items"]
    await county.write("grants.withdraw", grant_id=grants[0]["id"])
    assert await hold() == [county.camera]
    await client.aclose()
