"""The events WebSocket on a real server, with states from a real control channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.api.access import SESSION_COOKIE
from gateway.api.process import bind, serve_http
from gateway.api.withdrawal import Withdrawal
from gateway.control.channel import ControlServer, control_path
from gateway.settings import ListenSettings, SignInSettings
from gateway.shard.told import RELEASED
from tests.gateway.api.accounts import configure
from tests.gateway.api.conftest import County


class Shard:
    """The part of a shard that tells states."""

    def __init__(self) -> None:
        self.updates: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield {"states": [await self.updates.get()]}

    def say(self, camera_id: str, state: str) -> None:
        self.updates.put_nowait({"camera_id": camera_id, "variant": "main", "state": state})


@pytest.fixture
async def shard(county: County) -> AsyncIterator[Shard]:
    made = Shard()
    path = control_path(county.services.settings, "shard-1")
    server = ControlServer(path, county.services.secret, {"shard.watch": made.watch})
    await server.start()
    await county.write(
        "processes.report",
        name="shard-1",
        kind="shard",
        node="here",
        process_id=1,
        http_address=None,
        http_port=None,
        started_us=1,
    )
    following = asyncio.create_task(county.services.states.run())
    yield made
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await server.close()


@pytest.fixture
async def origin(county: County) -> AsyncIterator[str]:
    listening = bind(ListenSettings(port=0))
    async with serve_http(county.app, listening):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def connect(
    county: County, client: aiohttp.ClientSession, origin: str, name: str
) -> aiohttp.ClientWebSocketResponse:
    signed_in = await county.sign_in(name)
    cookie = f"{SESSION_COOKIE}={signed_in.cookies[SESSION_COOKIE]}"
    await signed_in.aclose()
    return await client.ws_connect(f"{origin}/api/events", headers={"Cookie": cookie})


async def test_only_changes_of_visible_cameras_are_told(
    county: County, shard: Shard, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    shard.say(county.other_camera, "live")
    shard.say(county.camera, "connecting")
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        told = await socket.receive_json(timeout=10)
        while told["state"] != "connecting":
            told = await socket.receive_json(timeout=10)
        assert told["camera_id"] == county.camera
        shard.say(county.other_camera, "offline")
        shard.say(county.camera, "live")
        told = await socket.receive_json(timeout=10)
        assert (told["type"], told["camera_id"], told["state"]) == (
            "camera_state",
            county.camera,
            "live",
        )


async def test_a_camera_that_its_shard_gives_away_is_idle_and_not_what_it_was(
    county: County, shard: Shard, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        for said, heard in (("live", "live"), (RELEASED, "idle"), ("live", "live")):
            shard.say(county.camera, said)
            while (await socket.receive_json(timeout=10))["state"] != heard:
                pass
            known = county.services.states.of(county.camera)
            assert known == ({} if said == RELEASED else {"main": {"state": "live"}})


async def test_who_must_have_an_authenticator_hears_nothing_before(
    county: County, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    configure(county, sign_in=SignInSettings(totp_roles=["viewer"]))
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await connect(county, client, origin, "clerk")


async def test_many_changes_become_the_newest(county: County, shard: Shard, origin: str) -> None:
    await county.user("clerk", "viewer", county.town)
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        for number in range(500):
            shard.say(county.camera, f"state {number}")
        messages = 0
        while True:
            told = await socket.receive_json(timeout=10)
            messages += 1
            if told["state"] == "state 499":
                break
        assert messages < 100


async def test_revoked_sessions_are_told_to_their_viewer_alone(
    county: County, shard: Shard, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    await county.user("other", "viewer", county.town)
    for session_id, name in (("ses_1", "clerk"), ("ses_2", "other")):
        await county.write(
            "viewing.open",
            records=[],
            id=session_id,
            user_id=county.users[name],
            token_hash=None,
            process="nobody",
            action="live",
            camera_ids=[county.camera],
        )
    await county.user("admin", "system_admin")
    admin = await county.sign_in("admin")
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        while not county.services.revocation_listeners:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for name in ("other", "clerk"):
            path = f"/api/users/{county.users[name]}"
            assert (await admin.patch(path, json={"grants": []})).status_code == 200
        await Withdrawal(county.services).look()
        told = await socket.receive_json(timeout=10)
        assert told == {"type": "session_revoked", "session_id": "ses_1"}
    await admin.aclose()


async def test_what_somebody_may_see_from_now_on_is_told_though_nothing_changed_there(
    county: County, shard: Shard, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    shard.say(county.camera, "live")
    shard.say(county.other_camera, "offline")
    async with aiohttp.ClientSession() as client:
        socket = await connect(county, client, origin, "clerk")
        told = await socket.receive_json(timeout=10)
        assert (told["camera_id"], told["state"]) == (county.camera, "live")
        # It is handed to the clerk's township.
        columns = {"area_id": county.town}
        await county.write("cameras.change", camera_id=county.other_camera, columns=columns)
        told = await socket.receive_json(timeout=10)
        assert (told["camera_id"], told["state"]) == (county.other_camera, "offline")


async def test_a_wider_sight_begins_with_all_that_is_to_be_seen(
    county: County, shard: Shard, origin: str
) -> None:
    await county.user("clerk", "viewer", county.town)
    await county.user("admin", "system_admin")
    shard.say(county.camera, "live")
    shard.say(county.other_camera, "offline")
    async with aiohttp.ClientSession() as client, await county.sign_in("admin") as admin:
        socket = await connect(county, client, origin, "clerk")
        told = await socket.receive_json(timeout=10)
        assert told["camera_id"] == county.camera
        grants = [{"role": "viewer", "area_id": county.root}]
        path = f"/api/users/{county.users['clerk']}"
        assert (await admin.patch(path, json={"grants": grants})).status_code == 200
        await Withdrawal(county.services).look()
        heard = [await socket.receive_json(timeout=10) for _ in range(2)]
        assert {one["camera_id"] for one in heard} == {county.camera, county.other_camera}


async def test_strangers_are_turned_away(county: County, origin: str) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(f"{origin}/api/events")


async def test_a_viewer_that_vanishes_leaves_no_error(
    county: County, shard: Shard, origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    await county.user("clerk", "viewer", county.town)
    signed_in = await county.sign_in("clerk")
    cookie = signed_in.cookies[SESSION_COOKIE]
    await signed_in.aclose()
    host, _, port = origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Cookie: {SESSION_COOKIE}={cookie}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    while not county.services.revocation_listeners:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    # As a browser does whose machine loses its power: no closing handshake.
    writer.transport.abort()
    while county.services.revocation_listeners:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
