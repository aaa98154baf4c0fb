"""Looking for devices in a network of its own: by multicast, by unicast, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import aiohttp
import pytest

from camera_adapters.onvif import discovery, ptz, search
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import describe
from camera_adapters.onvif.exchange import create_session
from camera_adapters.onvif.search import FoundDevice, Progress
from camera_adapters.rtsp.probe import probe
from tests.peers.far_network import FarNetwork, far_network
from tests.peers.onvif_device import Habits, OnvifDevice

_PEERS = Path(__file__).resolve().parent.parent.parent / "peers"
USER, PASSWORD = "admin", "gate 密码 7"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_session() as one:
        yield one


@contextlib.contextmanager
def peer_there(network: FarNetwork, folder: Path, script: str, *arguments: str) -> Iterator[None]:
    """A peer's script within the namespace, from when it is ready on. What it writes into its
    working directory is in ``folder``.
    """
    subprocess.run(
        ["ip", "-n", network.namespace, "route", "add", "default", "via", network.ours],
        check=True,
    )
    process = subprocess.Popen(
        [
            "ip",
            "netns",
            "exec",
            network.namespace,
            sys.executable,
            str(_PEERS / script),
            *arguments,
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def network() -> Iterator[FarNetwork]:
    with far_network() as made:
        yield made


async def found_by(session: aiohttp.ClientSession, **where: object) -> list[FoundDevice]:
    found = search.search(session, **where)  # type: ignore[arg-type]
    return [one async for one in found if isinstance(one, FoundDevice)]


async def test_ipycam_is_found_described_and_steered(
    session: aiohttp.ClientSession, network: FarNetwork, tmp_path: Path
) -> None:
    pytest.importorskip("ipycam")
    with peer_there(network, tmp_path, "ipycam_camera.py", network.theirs, USER, PASSWORD):
        (by_multicast,) = await found_by(session, interfaces=[network.link])
        assert (by_multicast.host, by_multicast.port) == (network.theirs, 8080)
        assert (by_multicast.how, by_multicast.name) == ("multicast", "gate")
        around = str(IPv4Network(f"{network.theirs}/30", strict=False))
        (by_unicast,) = await found_by(session, ranges=[around], ports=[80, 8080], rate=1000)
        assert (by_unicast.host, by_unicast.port) == (network.theirs, 8080)
        assert (by_unicast.how, by_unicast.endpoint) == ("probe", by_multicast.endpoint)

        client = OnvifClient(session, by_unicast.host, by_unicast.port, USER, PASSWORD)
        description = await describe(client, {})
        # It tells its time to nobody without a password: HTTP's own date stands in.
        assert client.offset_us is not None and abs(client.offset_us) < 2_000_000
        (channel,) = description.channels
        assert channel.main_url == f"rtsp://{network.theirs}:8554/video_main"
        assert channel.sub_url == f"rtsp://{network.theirs}:8554/video_sub"
        assert channel.main.encoder is not None and channel.main.encoder.width == 640
        await client.call(ptz.continuous_move(channel.ptz_profile, 0.5, 0, 0, 5))
        await client.call(ptz.stop(channel.ptz_profile))
        # Its answers use prefixes that it does not declare.
        answer = await client.call(ptz.set_preset(channel.ptz_profile, None, "门 <1>"))
        token = ptz.parse_set_preset(answer)
        answer = await client.call(ptz.get_presets(channel.ptz_profile))
        assert token in [one.token for one in ptz.parse_presets(answer)]
        await client.call(ptz.goto_preset(channel.ptz_profile, token))
        position = ptz.parse_status(await client.call(ptz.get_status(channel.ptz_profile)))
        assert position.zoom is not None
        played = await probe(channel.main_url, USER, PASSWORD)
        assert played.ok, played.line


async def test_a_publisher_of_another_library_is_found_with_its_scopes(
    session: aiohttp.ClientSession, network: FarNetwork, tmp_path: Path
) -> None:
    with peer_there(network, tmp_path, "wsdiscovery_device.py", network.theirs):
        (found,) = await found_by(session, interfaces=[network.ours])
    assert (found.host, found.port, found.name) == (network.theirs, 8899, "桥头")
    assert found.hardware == "DH-IPC"


async def test_addresses_without_multicast_are_asked_by_http(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice() as device, OnvifDevice(Habits(sign_in="none")) as open_to_all:
        ports = [1, device.port, open_to_all.port]
        (found,) = await found_by(session, ranges=["127.0.0.1"], ports=ports, rate=1000)
        assert found.how == "http"
        assert found.port in (device.port, open_to_all.port)
        assert device.wrong_passwords == 0


async def test_a_web_page_is_no_device(session: aiohttp.ClientSession) -> None:
    async def web_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=a, nonce=b\r\n")
            writer.write(b"Content-Length: 6\r\n\r\n<html>")
        writer.close()

    async with await asyncio.start_server(web_page, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await found_by(session, ranges=["127.0.0.1"], ports=[port]) == []


async def test_a_search_that_is_closed_leaves_nothing_behind(
    session: aiohttp.ClientSession,
) -> None:
    before = asyncio.all_tasks()
    found = search.search(session, ranges=["127.0.1.0/24"], ports=[1], rate=1000)
    async for news in found:
        assert isinstance(news, Progress)
        assert news.of_addresses == 254
        break
    await found.aclose()
    assert asyncio.all_tasks() == before


async def test_no_more_addresses_a_second_than_allowed(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    async def ask(*_: object) -> None:
        asked.append(asyncio.get_running_loop().time())

    monkeypatch.setattr(search, "_ask_address", ask)
    await found_by(session, ranges=["127.0.2.1-127.0.2.20"], rate=100)
    assert len(asked) == 20
    assert asked[-1] - asked[0] >= 0.18


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"interfaces": ["nowhere0"]}, "no network interface 'nowhere0' here; there are: .*lo"),
        ({"ranges": ["10.0.0.0/8"]}, "search in parts"),
        ({"ranges": ["village"]}, "is no range of addresses"),
        ({"ranges": ["10.0.0.9-10.0.0.1"]}, "ends before it begins"),
        ({"ranges": ["10.0.0.1"], "ports": range(1, 99)}, "at most 16 ports"),
    ],
)
async def test_what_cannot_be_searched_is_said(
    session: aiohttp.ClientSession, where: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await found_by(session, **where)


async def test_a_flood_of_datagrams_is_bounded(session: aiohttp.ClientSession) -> None:
    answers = search._Answers()
    match = (
        b"<E><Body><ProbeMatches><ProbeMatch><XAddrs>http://10.0.0.1/x</XAddrs></ProbeMatch>"
        b"</ProbeMatches></Body></E>"
    )
    for number in range(25_000):
        answers.datagram_received(match, (socket.inet_ntoa(number.to_bytes(4, "big")), 3702))
    assert len(answers.matches) == 20_000
    assert discovery.parse_matches(b"<E>" + match * 50 + b"</E>")[16:] == []
