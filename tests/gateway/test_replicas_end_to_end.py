"""Two API processes behind a real nginx: one is killed, and nobody loses what they were doing.

Live views, meetings and steering are held by other processes; sign-ins, limits and sessions are
rows; what is done once for all is taken over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

import gateway.demo
from gateway.api.access import SESSION_COOKIE
from gateway.cluster import supervisor as supervisor_module
from gateway.cluster.reconciler import Reconciler
from gateway.cluster.supervisor import LocalSupervisor, local_processes
from gateway.commands.nginx_config import nginx_folder, watch_config
from gateway.control.channel import ControlClient, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer
from gateway.identifiers import new_id, now_us
from gateway.people.passwords import hash_password
from gateway.people.sign_in import token_hash
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from tests.gateway.test_operating_end_to_end import camera_of
from tests.peers.nginx import nginx_program, reload_command, running_nginx
from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.running_gateway import Gateway, command

PASSWORD = "correct horse 9"
ATTEMPTS = 4
_KINDS = ("writer", "shard", "signalling", "api")


@dataclass
class Place:
    """The gateway behind nginx; ``gateway`` is the chief's browser, who is the administrator."""

    settings: Settings
    supervisor: LocalSupervisor
    rows: RemoteRowWriter
    gateway: Gateway
    config: Path
    area: str
    users: dict[str, str]

    def process(self, name: str) -> Any:
        return next(one for one in self.supervisor.status() if one.name == name)

    def direct(self, name: str) -> str:
        """An API process itself, past nginx."""
        return f"http://127.0.0.1:{self.process(name).http_port}"

    async def leader(self) -> str | None:
        """Which API process does what is done once."""
        for name in self.settings.api_names:
            if self.process(name).state != "running":
                continue
            client = ControlClient(control_path(self.settings, name), cluster_secret(self.settings))
            try:
                if (await client.call("process.status"))["leading"]:
                    return name
            except (ConnectionError, TimeoutError):
                continue
            finally:
                await client.close()
        return None

    async def sign_in(self, name: str) -> str:
        """A new session of somebody; gives its cookie."""
        token = new_id("t")
        await self.rows.write(
            "sign_in.open", user_id=self.users[name], token_hash=token_hash(token),
            expires_us=now_us() + 3_600_000_000, address="127.0.0.1", user_agent="test", forgive=[],
        )  # fmt: skip
        return token


@contextlib.asynccontextmanager
async def browser(token: str) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"X-Gridsight": "1", "Cookie": f"{SESSION_COOKIE}={token}"}
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as client:
        yield client


@pytest.fixture
async def place(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    nginx_program()
    # A busy machine is no failure.
    monkeypatch.setattr(supervisor_module, "READY_TIMEOUT_S", 200.0)
    settings = load_settings(
        {
            "data_directory": str(tmp_path),
            "listen": {"port": free_port},
            "api": {"count": 2},
            "recording": {"segment_s": 4},
            "search": {"enabled": False},
            "sign_in": {"attempts": ATTEMPTS},
            "steering": {"idle_s": 120, "move_timeout_s": 5},
            "accountability": {"live_purpose": False, "playback_reason": False},
        },
        environment={},
    ).settings
    rows = RemoteRowWriter.from_settings(settings)
    specs = [one for one in local_processes(settings) if one.kind in _KINDS]
    supervisor = LocalSupervisor(settings, rows, specs)
    reader = create_reader_engine(settings)
    shard = ControlClient(control_path(settings, "shard-1"), cluster_secret(settings))
    reconciler = Reconciler(reader, rows, lambda _: shard)
    folder = nginx_folder(settings)
    config = folder / "nginx.conf"
    said: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(rows.close)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        stack.push_async_callback(reader.dispose)
        stack.push_async_callback(shard.close)
        for work in (
            reconciler.run(),
            watch_config(settings, config, reload_command(config), said.append, complete=True),
        ):
            stack.callback(asyncio.create_task(work).cancel)
        await _until(lambda: _is_there(config))
        await stack.enter_async_context(running_nginx(config, free_port))
        area = await rows.write("areas.create", parent_id=None, name="钟祥县")
        users = {}
        password_hash = hash_password(PASSWORD)
        for name, role in (("chief", "system_admin"), ("clerk", "operator")):
            users[name] = await rows.write(
                "accounts.create", name=name, display_name=name, password_hash=password_hash,
                must_change_password=False, granted=[{"role": role, "area_id": "*"}], area_id=None,
            )  # fmt: skip
        made = Place(settings, supervisor, rows, cast("Gateway", None), config, area, users)
        client = await stack.enter_async_context(browser(await made.sign_in("chief")))
        url = f"http://127.0.0.1:{free_port}"
        made.gateway = Gateway(cast("Any", None), settings, url, client)
        yield made


async def _is_there(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - what another process does
            await asyncio.sleep(0.05)


class Watching:
    """A WebSocket that is read all the time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.told: list[Any] = []
        self.pictures = 0
        self.closed = False
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(socket))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                self.pictures += 1
            elif message.type is aiohttp.WSMsgType.TEXT:
                self.told.append(message.json())
            self._news.set()
        self.closed = True
        self._news.set()

    def end(self) -> None:
        self._reading.cancel()


@contextlib.asynccontextmanager
async def watching(client: aiohttp.ClientSession, url: str) -> AsyncIterator[Watching]:
    async with client.ws_connect(url) as socket:
        made = Watching(socket)
        try:
            yield made
        finally:
            made.end()


@pytest.mark.timeout(400)
async def test_nothing_is_lost_with_an_api_process(place: Place, tmp_path: Path) -> None:
    await _sign_ins_count_together(place)
    await _an_import_is_known_everywhere(place)
    clip = load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")
    replayed = ReplayServer()
    replayed.add("gate", clip)
    await replayed.start()
    try:
        async with OnvifDevice(Habits()) as device:
            device.habits.rtsp = replayed.url("gate")
            _, camera = await camera_of(place.gateway, device)
            await _what_goes_on_while_the_leader_is_killed(place, device, camera)
            await _a_sign_out_is_heard_everywhere(place, camera)
    finally:
        await replayed.close()
    code, said = await command(tmp_path, "audit", "verify")
    assert code == 0, said


async def _sign_ins_count_together(place: Place) -> None:
    wrong = {"name": "clerk", "password": "not this one"}
    names = place.settings.api_names
    answers = []
    async with aiohttp.ClientSession(headers={"X-Gridsight": "1"}) as client:
        for number in range(ATTEMPTS + 1):
            url = place.direct(names[number % 2])
            # What a stranger says of where he is, is not believed of strangers' proxies.
            headers = {"X-Forwarded-For": "10.9.9.9"}
            async with client.post(f"{url}/api/session", json=wrong, headers=headers) as response:
                answers.append(response.status)
        assert answers == [401] * ATTEMPTS + [429], "each process counted for itself"
        async with client.post(
            f"{place.gateway.url}/api/session",
            json={"name": "nobody", "password": "x"},
            headers={"X-Forwarded-For": "10.8.8.8"},
        ) as response:
            assert response.status == 401
    refused = (await place.gateway.get("/api/audit", action="session.refused"))["items"]
    addresses = {one["user_name"]: one["address"] for one in refused}
    # Nginx says who asks it; those who asked the process itself spoke for themselves on loopback.
    assert addresses == {"nobody": "127.0.0.1", "clerk": "10.9.9.9"}


async def _an_import_is_known_everywhere(place: Place) -> None:
    one, other = (place.direct(name) for name in place.settings.api_names)
    client = place.gateway.client
    async with client.post(
        f"{one}/api/sheets/areas/imports", params={"name": "a.csv"}, data=b"x"
    ) as response:
        assert response.status == 202
        made = await response.json()

    async def read() -> bool:
        async with client.get(f"{other}/api/imports/{made['id']}") as response:
            assert response.status == 200, await response.text()
            return (await response.json())["state"] != "checking"

    await place.gateway.until(read)
    async with client.delete(f"{other}/api/imports/{made['id']}") as response:
        assert response.status == 204
    async with client.get(f"{one}/api/imports/{made['id']}") as response:
        assert response.status == 404


async def _what_goes_on_while_the_leader_is_killed(
    place: Place, device: OnvifDevice, camera: str
) -> None:
    gate = place.gateway
    here = f"/api/cameras/{camera}/ptz"
    live = await _live(gate.client, gate.url, camera)
    meeting = (await gate.post("/api/meetings", {"title": "会商", "area_id": place.area}))["id"]
    await gate.post(f"/api/meetings/{meeting}/start", {})
    seat = await gate.post(f"/api/meetings/{meeting}/join", {})
    async with contextlib.AsyncExitStack() as stack:

        async def connected(path: str) -> Watching:
            return await stack.enter_async_context(watching(gate.client, gate.url + path))

        viewer = await connected(live)
        room = await connected(seat["url"])
        # As many as that each API process has some of them.
        consoles = [await connected("/api/events") for _ in range(4)]
        await viewer.until(lambda: viewer.pictures > 5)
        await room.until(lambda: any(one["type"] == "room" for one in room.told))
        device.moves.clear()
        assert (await gate.post(here, {"action": "move", "pan": 0.5}))["own"]
        for one in consoles:
            await one.until(lambda told=one.told: any(_holds(each, camera) for each in told))

        before = await place.leader()
        assert before is not None
        old = place.process(before)
        answers: list[int] = []
        asking = asyncio.create_task(_ask_for_ever(gate, answers))
        os.kill(old.process_id, signal.SIGKILL)
        killed_s = time.monotonic()
        seen, already = viewer.pictures, len(answers)
        await _until(lambda: _another_leads(place, before))
        took_s = time.monotonic() - killed_s
        print(f"another API process led {took_s:.1f} s after the leader was killed")

        assert (await gate.get(here))["holder"]["name"] == "chief"
        await device.until(lambda one: [move.split()[0] for move in one.moves][-1:] == ["Stop"])
        assert (await gate.post(here, {"action": "move", "pan": 0.5}))["own"]
        await viewer.until(lambda: viewer.pictures > seen + 5 or viewer.closed)
        assert not viewer.closed and not room.closed
        lost = [one for one in consoles if one.closed]
        assert 0 < len(lost) < len(consoles), "those of the other process were not disturbed"
        again = await connected("/api/events")
        await again.until(lambda: any(_holds(one, camera) for one in again.told))
        await _until(lambda: _is_back(place, before, old.http_port))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert len(answers) > already
        assert set(answers) == {200}, "nginx asked another one each time"
        await gate.post(f"/api/meetings/{meeting}/end", {})
        await room.until(lambda: any(one["type"] == "end" for one in room.told))


async def _live(client: aiohttp.ClientSession, url: str, camera: str) -> str:
    form = {"camera_id": camera, "client": {"webrtc": False}}
    async with asyncio.timeout(60):
        while True:
            async with client.post(f"{url}/api/live", json=form) as response:
                if response.status == 200:
                    return str((await response.json())["mse_url"])
            await asyncio.sleep(0.2)


def _holds(message: dict[str, Any], camera: str) -> bool:
    return bool(message["type"] == "ptz" and message["camera_id"] == camera and message["holder"])


async def _ask_for_ever(gate: Gateway, answers: list[int]) -> None:
    while True:
        async with gate.client.get(f"{gate.url}/api/session") as response:
            answers.append(response.status)
        await asyncio.sleep(0.05)


async def _another_leads(place: Place, before: str) -> bool:
    leader = await place.leader()
    return leader is not None and leader != before


async def _is_back(place: Place, name: str, former_port: int) -> bool:
    port = place.process(name).http_port
    if place.process(name).state != "running" or port == former_port:
        return False
    text = place.config.read_text()
    return f":{port} " in text and f":{former_port} " not in text


async def _a_sign_out_is_heard_everywhere(place: Place, camera: str) -> None:
    gate = place.gateway
    async with browser(await place.sign_in("clerk")) as client:
        live = await _live(client, gate.url, camera)
        async with (
            watching(client, gate.url + live) as viewer,
            contextlib.AsyncExitStack() as stack,
        ):
            consoles = [
                await stack.enter_async_context(
                    watching(client, f"{place.direct(name)}/api/events")
                )
                for name in place.settings.api_names
            ]
            await viewer.until(lambda: viewer.pictures > 2)
            await gate.post("/api/sessions/close", {"user_id": place.users["clerk"]})
            for name in place.settings.api_names:
                async with client.get(f"{place.direct(name)}/api/session") as response:
                    assert response.status == 401
            await viewer.until(lambda: viewer.closed)
            for one in consoles:
                await one.until(lambda closed=one: closed.closed)
