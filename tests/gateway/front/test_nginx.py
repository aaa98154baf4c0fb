"""A real nginx with the configuration that we make: what goes where, and what is never repeated."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.front.nginx import Endpoint, Front, http_part, whole
from tests.peers.nginx import running_nginx

SESSION = "gridsight_session=secret"


@dataclass
class Backend:
    """A process behind nginx that tells what it was asked. ``breaks``: it hangs up instead."""

    name: str
    port: int = 0
    breaks: bool = False
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.headers.get("upgrade") == "websocket":
            socket_ = web.WebSocketResponse()
            await socket_.prepare(request)
            await socket_.send_str(self.name)
            await socket_.close()
            return socket_
        body = await request.read()
        if self.breaks:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(text=f"{self.name} {request.method} {request.raw_path} {len(body)}")


@contextlib.asynccontextmanager
async def backend(name: str) -> AsyncIterator[Backend]:
    made = Backend(name)
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Place:
    url: str
    one: Backend
    two: Backend
    shard: Backend
    client: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **how: object) -> tuple[int, str]:
        async with self.client.request(method, self.url + path, **how) as response:  # type: ignore[arg-type]
            return response.status, await response.text()


@pytest.fixture
async def place(tmp_path: Path, free_port: int) -> AsyncIterator[Place]:
    async with backend("one") as one, backend("two") as two, backend("shard") as shard:
        front = Front(
            "127.0.0.1",
            free_port,
            {"api-1": Endpoint("127.0.0.1", one.port), "api-2": Endpoint("127.0.0.1", two.port)},
            {
                "shard-1": Endpoint("127.0.0.1", shard.port),
                "shard-2": Endpoint("127.0.0.1", _nobody()),
            },
            "gridsight_session",
        )
        config = tmp_path / "nginx.conf"
        config.write_text(whole(front, tmp_path))
        async with (
            running_nginx(config, free_port),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        ):
            yield Place(f"http://127.0.0.1:{free_port}", one, two, shard, client)


def _nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_what_may_be_asked_again_is_and_what_changes_something_is_not(place: Place) -> None:
    place.one.breaks = True
    for _ in range(6):
        assert (await place.ask("GET", "/api/areas"))[1] == "two GET /api/areas 0"
    place.two.breaks = True
    for backend_ in (place.one, place.two):
        backend_.asked.clear()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        # What was away has its turn again.
        status, said = await place.ask(method, "/api/areas", json={})
        while not place.one.asked and not place.two.asked:
            status, said = await place.ask(method, "/api/areas", json={})
        assert (status, "unavailable" in said) == (503, True)
        asked = [one.method for one in (*place.one.asked, *place.two.asked)]
        assert asked == [method], "it may have been carried out, and was sent again"
        place.one.asked.clear()
        place.two.asked.clear()


async def test_a_write_goes_to_another_where_nobody_took_it(tmp_path: Path, free_port: int) -> None:
    async with backend("one") as one:
        apis = {
            f"api-{number}": Endpoint("127.0.0.1", port)
            for number, port in enumerate((one.port, _nobody(), _nobody()))
        }
        config = tmp_path / "nginx.conf"
        config.write_text(whole(Front("127.0.0.1", free_port, apis, {}, "s"), tmp_path))
        async with running_nginx(config, free_port), aiohttp.ClientSession() as client:
            for _ in range(9):
                async with client.post(f"http://127.0.0.1:{free_port}/x", data=b"y") as response:
                    assert await response.text() == "one POST /x 1"


async def test_a_process_is_asked_without_the_sign_in_and_told_who_asks(place: Place) -> None:
    headers = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Gridsight-Plain": "1"}
    before, after, twice = f"{SESSION}; a=1", f"a=1; {SESSION}", f"{SESSION}; {SESSION}"
    for cookie in (f"{after}; b=2", before, after, SESSION, twice):
        place.shard.asked.clear()
        status, said = await place.ask(
            "GET", "/s/shard-1/a%2Fb?x=1", headers={**headers, "Cookie": cookie}
        )
        assert (status, said) == (200, "shard GET /s/shard-1/a%2Fb?x=1 0")
        (asked,) = place.shard.asked
        assert "secret" not in asked.headers.get("Cookie", "")
        assert ("a=1" in asked.headers.get("Cookie", "")) == ("a=1" in cookie)
        assert asked.headers["X-Forwarded-For"] == "127.0.0.1"
        assert "Forwarded" not in asked.headers
    await place.ask("GET", "/api/areas", headers={**headers, "Cookie": SESSION})
    (asked,) = (*place.one.asked, *place.two.asked)
    assert asked.headers["Cookie"] == SESSION
    assert asked.headers["X-Forwarded-For"] == "127.0.0.1"
    assert "X-Gridsight-Plain" not in asked.headers


async def test_a_websocket_goes_through_but_not_for_another_sites_page(place: Place) -> None:
    own = place.url.removeprefix("http://")
    for origin in (None, f"http://{own}"):
        async with place.client.ws_connect(f"{place.url}/s/shard-1/mse", origin=origin) as socket_:
            assert await socket_.receive_str() == "shard"
    for origin in ("http://elsewhere.test", "null", f"http://{own}.elsewhere.test"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.client.ws_connect(f"{place.url}/s/shard-1/mse", origin=origin)
        assert refused.value.status == 403
    async with place.client.ws_connect(f"{place.url}/api/events") as socket_:
        assert await socket_.receive_str() in ("one", "two")


async def test_an_upload_and_a_process_that_is_away_or_unknown(place: Place) -> None:
    size = 16 * 1024 * 1024
    status, said = await place.ask("POST", "/api/search/photos", data=bytes(size))
    assert (status, said.split()[-1]) == (200, str(size))
    status, said = await place.ask("POST", "/s/shard-2/whep", data=b"offer")
    assert (status, "unavailable" in said) == (503, True)
    # Its port is not known here; the API knows.
    status, said = await place.ask("GET", "/s/shard-9/x")
    assert (status, said.split()[1:]) == (200, ["GET", "/s/shard-9/x", "0"])


@pytest.mark.parametrize("name", ["shard 1", "a;b", "x/../y", "{", ""])
def test_no_name_becomes_a_part_of_the_configuration(name: str) -> None:
    with pytest.raises(ValueError, match="name of a process"):
        http_part(Front("127.0.0.1", 80, {}, {name: Endpoint("127.0.0.1", 1)}, "s"))


async def test_what_is_asked_while_all_are_taken_out_is_asked_of_all(
    tmp_path: Path, free_port: int
) -> None:
    async with backend("one") as one:
        apis = {"api-1": Endpoint("127.0.0.1", one.port, down=True)}
        config = tmp_path / "nginx.conf"
        config.write_text(whole(Front("127.0.0.1", free_port, apis, {}, "s"), tmp_path))
        async with (
            running_nginx(config, free_port),
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{free_port}/x") as response,
        ):
            assert await response.text() == "one GET /x 0"
