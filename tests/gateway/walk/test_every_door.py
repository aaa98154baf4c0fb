"""Every door of every process of a running gateway: which there are, and who gets in.

The API's own routes are walked in test_api_walk.py; here are the processes that look at a ticket,
the addresses handed out to other players, the WebSockets, and the sockets that are open at all.
"""

from __future__ import annotations

import ast
import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.routing import BaseRoute

from gateway.cluster.child import PROCESS_MODULES
from gateway.footage.packages import PackageServer
from gateway.footage.renders import RenderServer
from gateway.footage.routes import footage_server
from gateway.identifiers import US_PER_S, now_us
from gateway.live.mse import MseEndpoint
from gateway.live.talk import TalkEndpoint
from gateway.live.whep import WhepEndpoint
from gateway.meetings.endpoint import MeetingEndpoint
from gateway.meetings.probe import ProbeEndpoint
from gateway.meetings.whip_whep import DeviceEndpoint
from gateway.secrets import cluster_secret
from gateway.tickets import Action, Ticket, TicketSigner
from tests.gateway.api.conftest import PASSWORD
from tests.peers.running_gateway import Gateway, command, running_gateway

REPOSITORY = Path(__file__).resolve().parents[3]

# Modules that open a way in: a route, or a socket that listens. A new one belongs here, and into
# one of the tests below or of test_api_walk.py.
WAYS_IN = {
    "gateway/control/channel.py",  # a Unix socket; its handshake: tests/gateway/control
    "gateway/footage/packages.py",
    "gateway/footage/renders.py",
    "gateway/footage/routes.py",
    "gateway/hotline_adapter/application.py",  # by signatures: tests/gateway/hotline_adapter
    "gateway/live/mse.py",
    "gateway/live/talk.py",
    "gateway/live/whep.py",
    "gateway/live/whip.py",  # by the camera's key: tests/gateway/live/test_whip.py
    "gateway/meetings/endpoint.py",
    "gateway/meetings/probe.py",
    "gateway/meetings/whip_whep.py",  # by a device's token: tests/gateway/meetings
    "gateway/shard/web.py",
    # What processes that stand alone let through: tests/gateway/field_gateway, hotline_adapter.
    "gateway/transport/outpost.py",
    "gateway/transport/trust_page.py",  # one page for everybody: tests/gateway/transport
    "camera_adapters/rtsp/server_transport.py",  # restreams and the demo's cameras
    # Devices and platforms, each off until configured, and asked for their digest or key.
    "camera_adapters/sip/transports.py",
    "camera_adapters/gb28181/media_reception.py",
    "camera_adapters/gb28181/media_sending.py",
    "camera_adapters/rtmp/listener.py",
    "gateway/platforms/gat1400/listener.py",
}
_OPENING = {
    "Route", "WebSocketRoute", "Mount", "Host", "add_route", "add_api_route", "add_websocket_route",
    "start_server", "start_unix_server", "create_server", "create_unix_server",
}  # fmt: skip

_PLAYBACK = "/playback/{camera_id}"
_BELOW = (
    "/index", "/keyframes", "/runs/{run_id}/init.mp4",
    "/segments/{segment_id}/fragments/{first:int}-{last:int}.m4s",
    "/segments/{segment_id}/keyframes/{number:int}.m4s", "/segments/{segment_id}/segment.mp4",
    "/frame.jpg", "/mp4", "/borrow", "/hls/index.m3u8", "/transcode/runs/{run_id}/init.mp4",
    "/transcode/segments/{segment_id}/fragments/{first:int}-{last:int}.m4s",
    "/transcode/segments/{segment_id}/keyframes/{number:int}.m4s",
)  # fmt: skip
# Path → which action its ticket is for. Cookies carry the same, signed.
FOOTAGE: dict[str, Action] = {
    "/sessions": "playback",
    **{
        camera + path: "playback"
        for camera in (_PLAYBACK, "/masked/{covered:int}/{camera_id}")
        for path in _BELOW
    },
    "/packages/{export_id}/package.zip": "export",
    "/packages/{export_id}/files/{path:path}": "export",
    "/renders/{recording_id}.mp4": "export",
}
SHARD: dict[str, Action] = {
    "/whep": "live",
    "/whep/{resource_id}": "live",
    "/mse": "live",
    "/talk": "talk",
    "/talk/{resource_id}": "talk",
    "/meeting": "meeting",
    "/meeting/probe": "meeting",
}
# By a token of their own, of which tickets are none.
DEVICES = {
    "/meeting/whip", "/meeting/whip/{resource_id}", "/meeting/whep", "/meeting/whep/{resource_id}",
}  # fmt: skip
# What is filled in where nothing is recorded under that name.
FILLED = {
    "{run_id}": "1", "{segment_id}": "1", "{first:int}": "0", "{last:int}": "0",
    "{number:int}": "0", "{covered:int}": "1", "{export_id}": "exp_1", "{path:path}": "a.mp4",
    "{resource_id}": "nobody", "{recording_id}": "mrc_1",
}  # fmt: skip
# Kinds of processes → how many TCP sockets each listens on, at most.
LISTENING = {"writer": 0, "api": 1, "shard": 2, "footage": 1, "transcoder": 0, "demo": 1}
# Nothing listens for devices until it is switched on.
LISTENING["signalling"] = 0
LISTENING["analysis"] = 0


def _paths(routes: list[BaseRoute]) -> set[str]:
    return {str(getattr(route, "path", route)) for route in routes}


def test_every_route_of_shards_and_footage_servers_is_known_here() -> None:
    nothing: Any = None
    footage = footage_server("footage-1", *[nothing] * 9)
    packages = PackageServer("footage-1", nothing, nothing, Path())
    renders = RenderServer(nothing, nothing, nothing)
    known = _paths([*footage.routes(), *packages.routes(), *renders.routes()])
    assert known == set(FOOTAGE)
    shard = [
        *WhepEndpoint(nothing, nothing).routes(),
        *MseEndpoint(nothing).routes(),
        *TalkEndpoint(nothing, nothing, nothing).routes(),
        *MeetingEndpoint(nothing, nothing).routes(),
        *ProbeEndpoint(nothing, nothing).routes(),
    ]
    assert _paths(shard) == set(SHARD)
    assert _paths(DeviceEndpoint(nothing, nothing, nothing).routes()) == DEVICES


def test_no_other_module_opens_a_way_in() -> None:
    found = set()
    for package in ("camera_adapters", "recorder", "search", "gateway"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if _called_in(path) & _OPENING:
                found.add(path.relative_to(REPOSITORY).as_posix())
    assert found == WAYS_IN
    assert set(PROCESS_MODULES) == set(LISTENING)


def _called_in(path: Path) -> set[str]:
    functions = [
        one.func for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)
    ]
    return {one.id for one in functions if isinstance(one, ast.Name)} | {
        one.attr for one in functions if isinstance(one, ast.Attribute)
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture
async def gateway(data: Path, free_port: int) -> AsyncIterator[Gateway]:
    settings = {"RESTREAM__ENABLED": "true", "RESTREAM__PORT": str(free_port)}
    async with running_gateway(data, **settings) as made:
        yield made


def _ticket(
    gateway: Gateway, camera_id: str, action: Action, user_id: str = "usr_walk", **changes: Any
) -> str:
    at_us = now_us()
    ticket = Ticket(
        session_id="ses_walk",
        user_id=user_id,
        user_name="walk",
        camera_ids=(camera_id,),
        variant="main",
        action=action,
        start_us=None if action == "live" else at_us - 3600 * US_PER_S,
        end_us=None if action == "live" else at_us,
        expires_us=at_us + 30 * US_PER_S,
        may_lift_masks=True,
    )
    return TicketSigner(cluster_secret(gateway.settings)).sign(replace(ticket, **changes))


def _wrong_tickets(gateway: Gateway, camera: str, other: str, action: Action) -> Iterator[str]:
    yield ""
    yield "x" * 7000
    yield "é.é"
    good = _ticket(gateway, camera, action)
    body, _, seal = good.partition(".")
    # One signature in a thousand ends so by itself.
    yield f"{body}.{seal[:-2]}{'BA' if seal.endswith('AA') else 'AA'}"
    yield _ticket(gateway, camera, action, session_id="ses_y").partition(".")[0] + "." + seal
    yield TicketSigner(b"another cluster" * 4).sign(
        replace(TicketSigner(cluster_secret(gateway.settings)).verify(good), session_id="ses_x")
    )
    yield _ticket(gateway, camera, action, session_id="ses_old", expires_us=now_us() - US_PER_S)
    foreign: Action = "playback" if action == "live" else "live"
    yield _ticket(gateway, camera, foreign, session_id="ses_foreign")
    if action not in ("live", "talk", "meeting"):
        if other != camera:
            yield _ticket(gateway, other, action, session_id="ses_other")
        yield _ticket(gateway, camera, action, session_id="ses_empty", start_us=None)


@pytest.mark.timeout(1200)
async def test_nobody_gets_in_without_the_right_ticket(gateway: Gateway, data: Path) -> None:
    async def recorded() -> bool:
        return await gateway.recording() == 4

    await gateway.until(recorded)
    camera, other = [one["id"] for one in (await gateway.get("/api/cameras"))["items"]][:2]
    admin = (await gateway.get("/api/session"))["user"]["id"]
    wrong: list[Any] = []
    for process, doors in (("footage-1", FOOTAGE), ("shard-1", SHARD)):
        for path, action in doors.items():
            filled = path.replace("{camera_id}", camera)
            for name, value in FILLED.items():
                filled = filled.replace(name, value)
            url = f"{gateway.url}/s/{process}{filled}"
            # A session may be for any camera: what it opens is asked at the other doors.
            elsewhere = camera if path == "/sessions" else other
            for ticket in _wrong_tickets(gateway, camera, elsewhere, action):
                said = await _knock(url, path, ticket)
                if said not in (401, 403, 404, 4401, 4403, 4404):
                    wrong.append((process, path, ticket[:30], said))
            # And the right one gets further, or this would say nothing.
            if not path.endswith("/{resource_id}") and FOOTAGE.get(path) != "export":
                said = await _knock(url, path, _ticket(gateway, camera, action, admin))
                if said in (401, 403, 4401, 4403):
                    wrong.append((process, path, "the right one", said))
    for path in DEVICES:
        url = f"{gateway.url}/s/shard-1{path.replace('{resource_id}', 'nobody')}"
        said = await _knock(url, path, _ticket(gateway, camera, "meeting", admin).partition(".")[0])
        if said not in (403, 404):
            wrong.append(("shard-1", path, "a ticket", said))
    assert wrong == []
    await _strangers_at_restreams(gateway, camera)
    await _foreign_people(gateway, data, camera, other)
    await _sockets_that_listen(gateway)


async def _knock(url: str, path: str, ticket: str) -> int:
    """The status that a door answers with; 4000 more where a WebSocket is closed."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as client:
        if path in ("/mse", "/meeting", "/meeting/probe"):
            async with client.ws_connect(url, params={"ticket": ticket}) as stream:
                first = await stream.receive()
                assert first.type is aiohttp.WSMsgType.TEXT
                if json.loads(first.data)["type"] not in ("refused", "end"):
                    return 200
                closing = await stream.receive()
                assert closing.type is aiohttp.WSMsgType.CLOSE
                return int(closing.data)
        if path in DEVICES:
            request = client.request(
                "DELETE" if "{" in path else "POST", url, params={"ticket": ticket}, data="v=0",
                headers={"Content-Type": "application/sdp", "Authorization": f"Bearer {ticket}"},
            )  # fmt: skip
        elif path == "/sessions":
            request = client.post(url, json={"ticket": ticket})
        elif path.startswith(("/whep", "/talk")):
            method = "DELETE" if "{" in path else "POST"
            request = client.request(
                method, url, params={"ticket": ticket}, data="v=0",
                headers={"Content-Type": "application/sdp"},
            )  # fmt: skip
        else:
            query = {"ticket": ticket, "start_us": "1", "end_us": str(now_us())}
            query["at_us"] = str(now_us() - 20 * US_PER_S)
            if path.endswith(("/mp4", "/index.m3u8", "/index", "/keyframes", "/frame.jpg")):
                query["start_us"] = str(now_us() - 60 * US_PER_S)
            method = "POST" if path.endswith("/borrow") else "GET"
            request = client.request(method, url, params=query)
        async with request as response:
            await response.read()
            return response.status


async def _strangers_at_restreams(gateway: Gateway, camera: str) -> None:
    """RTSP: no method gets anything without a token of one's own."""
    form = {"camera_id": camera, "expires_in_s": 60, "addresses": ["10.9.8.0/24"]}
    elsewhere = (await gateway.post("/api/restreams", form))["url"]
    base = elsewhere.rpartition("/")[0]
    for url in (base, f"{base}/", f"{base}/nobody", f"{base}/../x", elsewhere):
        for method in ("DESCRIBE", "SETUP", "PLAY", "ANNOUNCE", "RECORD", "TEARDOWN"):
            answer = await _rtsp(url, method)
            assert not answer.startswith("RTSP/1.0 2"), (url, method, answer)


async def _rtsp(url: str, method: str) -> str:
    host, _, port = url.removeprefix("rtsp://").partition("/")[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" if method == "SETUP" else ""
    writer.write(f"{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{transport}\r\n".encode())
    async with asyncio.timeout(60):
        line = await reader.readline()
    writer.close()
    return line.decode()


async def _foreign_people(gateway: Gateway, data: Path, camera: str, other: str) -> None:
    """Somebody of one township, with another's camera in every place where an id can be named."""
    seen = await gateway.get(f"/api/cameras/{camera}")
    town = (await gateway.post("/api/areas", {"name": "胡集镇"}))["id"]
    await gateway.client.patch(f"{gateway.url}/api/cameras/{other}", json={"area_id": town})
    made = await gateway.post(
        "/api/users",
        {
            "name": "operator",
            "password": PASSWORD,
            "grants": [{"role": role, "area_id": town} for role in ("operator", "investigator")],
        },
    )
    assert made["grants"]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        sign_in = {"name": "operator", "password": PASSWORD}
        assert (await client.post(f"{gateway.url}/api/session", json=sign_in)).status == 200
        change = {"old_password": PASSWORD, "new_password": "another horse 7"}
        assert (await client.post(f"{gateway.url}/api/session/password", json=change)).status == 204
        found = await (await client.get(f"{gateway.url}/api/cameras")).json()
        assert [one["id"] for one in found["items"]] == [other]
        by_name = {"query": seen["name"]}
        found = await (await client.get(f"{gateway.url}/api/cameras", params=by_name)).json()
        assert camera not in [one["id"] for one in found["items"]]
        at_us = now_us()
        minutes = {"start_us": at_us - 60 * US_PER_S, "end_us": at_us}
        for method, path, arguments in (
            ("GET", f"/api/cameras/{camera}", {}),
            ("GET", f"/api/cameras/{camera}/snapshot.jpg", {}),
            ("GET", f"/api/cameras/{camera}/masks", {}),
            ("POST", "/api/live", {"json": {"camera_id": camera}}),
            ("GET", "/api/timeline", {"params": {"camera_id": camera, **minutes}}),
            ("POST", "/api/playback", {"json": {"camera_ids": [other, camera], **minutes}}),
            ("POST", "/api/exports", {"json": {"camera_ids": [other, camera], **minutes}}),
            ("POST", "/api/holds", {"json": {"camera_id": camera, "reason": "x", **minutes}}),
            ("POST", "/api/bookmarks", {"json": {"camera_id": camera, "at_us": at_us}}),
        ):
            async with client.request(method, gateway.url + path, **arguments) as response:
                assert response.status == 404, (path, await response.text())
        await _only_own_footage(gateway, client, camera, other, minutes)
        await _only_own_events(gateway, client, other)
    status, said = await command(data, "user", "disable", "operator")
    assert status == 0, said


async def _only_own_footage(
    gateway: Gateway,
    client: aiohttp.ClientSession,
    camera: str,
    other: str,
    minutes: dict[str, int],
) -> None:
    """A session for one camera opens no picture, segment or run of another."""
    async with client.post(
        f"{gateway.url}/api/playback", json={"camera_ids": [other], **minutes}
    ) as response:
        session = await response.json()
    admin = await gateway.post("/api/playback", {"camera_ids": [camera], **minutes})
    opened = await gateway.post(f"/s/{admin['server']}/sessions", {"ticket": admin["ticket"]})
    assert opened is not None
    index = await gateway.get(admin["cameras"][0]["base_url"] + "/index", **minutes)
    segment, run = index["fragments"]["segment_id"][0], index["runs"][0]["run_id"]
    base = f"{gateway.url}/s/{session['server']}/playback"
    ticket = {"ticket": session["ticket"]}
    for camera_id in (camera, other):
        for path in (
            f"/segments/{segment}/fragments/0-0.m4s",
            f"/segments/{segment}/segment.mp4",
            f"/runs/{run}/init.mp4",
        ):
            async with client.get(f"{base}/{camera_id}{path}", params=ticket) as response:
                assert response.status == 404, (camera_id, path)
    async with client.get(
        f"{base}/{camera}/frame.jpg", params={**ticket, "at_us": minutes["end_us"]}
    ) as response:
        assert response.status == 404


async def _only_own_events(gateway: Gateway, client: aiohttp.ClientSession, own: str) -> None:
    async with client.ws_connect(f"{gateway.url}/api/events") as events:
        seen: set[str] = set()
        while not seen:
            message = await events.receive_json(timeout=60)
            if message["type"] == "camera_state":
                seen.add(message["camera_id"])
        assert seen == {own}
    foreign = {"Origin": "http://evil.test"}
    for headers, cookies in (({}, False), (foreign, True)):
        jar = client.cookie_jar if cookies else aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as stranger:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await stranger.ws_connect(f"{gateway.url}/api/events")


async def _sockets_that_listen(gateway: Gateway) -> None:
    """No process has a door that nobody knows of, and all but the API's are on loopback."""
    for name, process in (await gateway.processes()).items():
        listening = _listening_tcp(process["process_id"])
        kind = name.rpartition("-")[0] or name
        assert len(listening) <= LISTENING[kind], (name, listening)
        assert all(address.startswith("127.") for address in listening), (name, listening)


def _listening_tcp(process_id: int) -> list[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address = bytes.fromhex(fields[1].partition(":")[0])
                found.append(socket.inet_ntoa(address[::-1]) if table == "tcp" else "::")
    return found
