"""``/s/NAME/…`` through a real server to a real process behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.api.access import SESSION_COOKIE
from gateway.api.process import bind, serve_http
from gateway.api.processes import Processes
from gateway.control.machine_tls import server_context
from gateway.control.serving import control_server
from gateway.identifiers import now_us
from gateway.settings import ListenSettings
from gateway.settings.cluster import ClusterSettings
from tests.gateway.api.conftest import County

BIG = bytes(range(256)) * 4096 * 8


class Upstream:
    """A media process that tells what it was sent."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.sent = 0
        self.heard = 0
        self.application = web.Application(client_max_size=2**30)
        self.application.router.add_route("*", "/s/shard-1/echo/{rest:.*}", self.echo)
        self.application.router.add_route("*", "/s/shard-1/meeting/{rest:.*}", self.echo)
        self.application.router.add_get("/s/shard-1/big", self.big)
        self.application.router.add_get("/s/shard-1/endless", self.endless)
        self.application.router.add_get("/s/shard-1/socket", self.socket)

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.heard += 1
        response = web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": {key.lower(): value for key, value in request.headers.items()},
                "bytes": len(body),
            },
            status=201,
            headers={"Location": "whep/1", "Connection": "keep-alive"},
        )
        response.set_cookie("playback", "1", path="/s/shard-1")
        return response

    async def big(self, request: web.Request) -> web.Response:
        start, end = request.http_range.start or 0, request.http_range.stop or len(BIG)
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(BIG)}"}
        return web.Response(status=206, body=BIG[start:end], headers=headers)

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
                self.sent += 65536
        finally:
            self.cancelled.set()

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"cookie": request.headers.get("Cookie", "")})
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await socket.send_bytes(message.data[::-1])
            elif message.data == "stop":
                break
            elif message.data == "die":
                assert request.transport is not None
                request.transport.abort()
            else:
                await socket.send_str(message.data.upper())
        await socket.close(code=4000)
        return socket


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(params=["here", "elsewhere"])
async def place(request: pytest.FixtureRequest) -> str:
    """On which machine the upstream runs."""
    return str(request.param)


@pytest.fixture
async def origin(county: County, upstream: Upstream, place: str) -> AsyncIterator[str]:
    """The API's address, with the upstream as shard-1 behind it, on this machine or on another."""
    secret = county.services.secret
    runner = web.AppRunner(upstream.application, handler_cancellation=True)
    await runner.setup()
    elsewhere = place == "elsewhere"
    context = server_context(secret, "shard-1") if elsewhere else None
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    if elsewhere:
        await be_one_of_several(county)
    for name, kind in (("shard-1", "shard"), ("writer", "writer")):
        await report(county, name, kind, port, place)
    listening = bind(ListenSettings(port=0))
    async with serve_http(county.app, listening):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    await runner.cleanup()


async def be_one_of_several(county: County) -> None:
    """Have the API's machine be ``here``, of a cluster."""
    services = county.services
    cluster = ClusterSettings(node="here", listen_address="127.0.0.1")
    settings = services.settings.model_copy(update={"cluster": cluster})
    await services.processes.close()
    services.processes = Processes(settings, services.secret, services.reader)


async def report(county: County, name: str, kind: str, port: int, place: str) -> None:
    here = place == "here"
    await county.write(
        "processes.report",
        name=name,
        kind=kind,
        node=place,
        process_id=1,
        http_address="127.0.0.1",
        # The loopback of another machine is nobody's here.
        http_port=port if here else 1,
        control_address="127.0.0.1",
        control_port=1,
        peer_http_port=None if here else port,
        started_us=1,
    )


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as opened:
        yield opened


async def test_a_request_goes_through_as_it_is(origin: str, client: aiohttp.ClientSession) -> None:
    headers = {
        "Cookie": f"{SESSION_COOKIE}=secret; playback=1",
        "X-Forwarded-For": "6.6.6.6",
        "Content-Type": "application/sdp",
    }
    async with client.post(
        f"{origin}/s/shard-1/echo/a%2Fb/%E6%9D%91?ticket=x.y&n=1", data=b"v=0", headers=headers
    ) as response:
        seen = await response.json()
        assert response.status == 201
        assert response.headers["Location"] == "whep/1"
        assert "playback=1" in response.headers["Set-Cookie"]
        assert len(response.headers.getall("Date")) == 1
    assert seen["method"] == "POST"
    assert seen["path"] == "/s/shard-1/echo/a%2Fb/%E6%9D%91?ticket=x.y&n=1"
    assert seen["bytes"] == 3
    assert seen["headers"]["content-type"] == "application/sdp"
    assert seen["headers"]["cookie"] == "playback=1"
    assert seen["headers"]["host"] == origin.removeprefix("http://")


async def test_ranges_and_large_bodies(origin: str, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{origin}/s/shard-1/big", headers={"Range": "bytes=5-104"}) as response:
        assert response.status == 206
        assert await response.read() == BIG[5:105]
    async with client.get(f"{origin}/s/shard-1/big", headers={"Range": "bytes=0-"}) as response:
        assert await response.read() == BIG
    async with client.post(f"{origin}/s/shard-1/echo/up", data=BIG) as response:
        assert (await response.json())["bytes"] == len(BIG)


async def test_a_browser_that_goes_away_stops_the_process_and_a_slow_one_slows_it(
    origin: str, client: aiohttp.ClientSession, upstream: Upstream
) -> None:
    response = await client.get(f"{origin}/s/shard-1/endless")
    await response.content.readexactly(1_000_000)
    before = -1
    while upstream.sent != before:  # until every buffer on the way is full
        before = upstream.sent
        await asyncio.sleep(0.2)
    assert upstream.sent < 64 * 1024 * 1024
    response.close()
    await asyncio.wait_for(upstream.cancelled.wait(), 10)


async def test_messages_go_both_ways_and_the_code_comes_back(
    origin: str, client: aiohttp.ClientSession
) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}=secret; playback=1"}
    async with client.ws_connect(f"{origin}/s/shard-1/socket?ticket=1", headers=headers) as socket:
        assert await socket.receive_json() == {"cookie": "playback=1"}
        await socket.send_str("run")
        assert await socket.receive_str() == "RUN"
        await socket.send_bytes(BIG[:100_000])
        assert await socket.receive_bytes() == BIG[:100_000][::-1]
        await socket.send_str("stop")
        closing = await socket.receive()
        assert closing.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert socket.close_code == 4000


async def test_a_process_that_is_lost_says_come_again(
    origin: str, client: aiohttp.ClientSession
) -> None:
    async with client.ws_connect(f"{origin}/s/shard-1/socket") as socket:
        await socket.receive_json()
        await socket.send_str("die")
        await socket.receive()
        assert socket.close_code == 1012


async def test_a_page_of_another_site_gets_no_socket(
    origin: str, client: aiohttp.ClientSession, county: County
) -> None:
    await county.user("wang", "viewer", county.town)
    async with await county.sign_in("wang") as person:
        own = {"Cookie": f"{SESSION_COOKIE}={person.cookies[SESSION_COOKIE]}"}
    for path in ("/s/shard-1/socket", "/api/events"):
        async with client.ws_connect(origin + path, headers=own | {"Origin": origin}):
            pass  # it is the origin alone that is refused
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(origin + path, headers=own | {"Origin": "http://evil.test"})


async def test_a_meetings_own_address_leads_a_codec_to_where_it_runs(
    origin: str, client: aiohttp.ClientSession, county: County
) -> None:
    chair = await county.user("chair", None)
    columns = {
        "title": "例会", "area_id": county.town, "created_by": chair, "scheduled_us": now_us(),
        "planned_s": 3600, "starts_itself": False, "rings": False, "lobby": False,
        "muted_on_entry": False, "records": False,
    }  # fmt: skip
    meeting_id = await county.write(
        "meetings.create",
        columns=columns,
        chair={"user_id": chair, "name": "chair", "area_id": None},
    )
    address = f"{origin}/m/{meeting_id}"
    headers = {"Authorization": "Bearer x", "Content-Type": "application/sdp"}
    for nowhere in (address, f"{origin}/m/mtg_none"):
        async with client.post(f"{nowhere}/whip", data=b"v=0", headers=headers) as response:
            assert response.status == 409
            assert (await response.json())["error"]["code"] == "meeting_not_running"
    await county.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    async with client.post(f"{address}/whip", data=b"v=0", headers=headers) as response:
        seen = await response.json()
        # Relative to what was asked for: the session's address is the meeting's, too.
        assert (response.status, response.headers["Location"]) == (201, "whep/1")
    assert (seen["method"], seen["path"]) == ("POST", "/s/shard-1/meeting/whip")
    assert seen["headers"]["authorization"] == "Bearer x"
    async with client.delete(f"{address}/whep/abc-_1") as response:
        assert (await response.json())["path"] == "/s/shard-1/meeting/whep/abc-_1"
    for path in ("whip/a%2F..%2Fb", "mse", "whip/a/b"):
        async with client.post(f"{address}/{path}", data=b"v=0", headers=headers) as response:
            assert response.status in (404, 405, 422), path


async def test_only_media_processes_are_reached(origin: str, client: aiohttp.ClientSession) -> None:
    for name in ("writer", "api", "nobody", "shard-1%2F.."):
        async with client.get(f"{origin}/s/{name}/echo/x") as response:
            assert response.status in (404, 405), name


async def test_a_process_that_is_away_is_said_to_be(
    origin: str, client: aiohttp.ClientSession, county: County, free_port: int, place: str
) -> None:
    await report(county, "shard-1", "shard", free_port, place)
    county.services.processes.forget("shard-1")
    async with client.get(f"{origin}/s/shard-1/echo/x") as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "unavailable"
    with contextlib.suppress(aiohttp.WSServerHandshakeError):
        socket = await client.ws_connect(f"{origin}/s/shard-1/socket")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize("place", ["elsewhere"])
@pytest.mark.parametrize(
    ("secret", "name"), [(b"of another cluster" * 2, "shard-1"), (None, "shard-2")]
)
async def test_who_is_not_the_process_of_this_cluster_is_told_nothing(
    origin: str,
    client: aiohttp.ClientSession,
    county: County,
    upstream: Upstream,
    secret: bytes | None,
    name: str,
) -> None:
    async with client.get(f"{origin}/s/shard-1/echo/x") as response:
        assert response.status == 201
    heard = upstream.heard
    impostor = web.AppRunner(upstream.application)
    await impostor.setup()
    context = server_context(secret or county.services.secret, name)
    await web.TCPSite(impostor, "127.0.0.1", 0, ssl_context=context).start()
    await report(county, "shard-1", "shard", impostor.addresses[0][1], "elsewhere")
    county.services.processes.forget("shard-1")
    async with client.get(f"{origin}/s/shard-1/echo/x?ticket=secret") as response:
        assert response.status == 503
    assert upstream.heard == heard
    await impostor.cleanup()


@pytest.mark.parametrize("place", ["elsewhere"])
async def test_another_machine_without_the_cluster_s_network_is_not_reached(
    origin: str, client: aiohttp.ClientSession, county: County
) -> None:
    await county.write("processes.report", name="shard-1", peer_http_port=None)
    county.services.processes.forget("shard-1")
    async with client.get(f"{origin}/s/shard-1/echo/x") as response:
        assert response.status == 404, "not what happens to listen on that port here"


@pytest.mark.parametrize("place", ["elsewhere"])
async def test_people_are_sent_to_this_machine_and_elsewhere_only_where_it_has_none(
    origin: str, county: County
) -> None:
    processes = county.services.processes
    assert await processes.names("shard") == ["shard-1"]
    assert await processes.living("shard") == [], "its control channel does not answer"
    assert await processes.at_hand("shard") == []
    secret, heard = county.services.secret, {"process.status": no_status}
    settings = county.services.settings.model_copy(
        update={"cluster": ClusterSettings(node="elsewhere", listen_address="127.0.0.1")}
    )
    answering = control_server(settings, "shard-1", secret, heard)
    await answering.start()
    await county.write("processes.report", name="shard-1", control_port=answering.port)
    assert await processes.living("shard") == ["shard-1"]
    assert await processes.at_hand("shard") == ["shard-1"]
    await report(county, "shard-2", "shard", 1, "here")
    processes.forget("shard-2")
    assert await processes.living("shard") == ["shard-1", "shard-2"]
    assert await processes.at_hand("shard") == ["shard-2"]
    await answering.close()


async def no_status() -> dict[str, Any]:
    return {}
