"""Voice to GB/T 28181 devices: signalling answers over a real control channel, the device is a
socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.source import MediaPlace
from camera_adapters.stream import Variant
from gateway.control.channel import ControlClient, ControlError, ControlServer
from gateway.live.talk import LoudspeakerRefused
from gateway.shard.desired import DesiredSource
from gateway.shard.loudspeakers import open_loudspeaker
from gateway.sources.registry import SourceContext

SECRET = b"s" * 32


def camera(url: str) -> DesiredSource:
    return DesiredSource("cam/main", "cam", Variant.MAIN, url, None, None, "auto", True, 1)


GATE = camera("gb28181://plt_1/34020000001370000001")


class Device:
    """A device that takes voice by UDP, and what signalling says of it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.asked: list[dict[str, Any]] = []
        self.refusal: dict[str, tuple[str, str]] = {}
        self.over = asyncio.Event()
        self.hangs_up = asyncio.Event()

    async def session(self, incoming: Any, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(arguments)
        refused = self.refusal.get(arguments["transport"])
        if refused is not None:
            raise ControlError(*refused)
        port = self.socket.getsockname()[1]
        try:
            yield {
                "type": "answer", "ssrc": 200000001, "address": "127.0.0.1", "port": port,
                "transport": "udp", "formats": {"8": "PCMA/8000"}, "file_bytes": None,
                "any_ssrc": False, "dialog": "d1",
            }  # fmt: skip
            await self.hangs_up.wait()
            yield {"type": "ended", "cause": "device_ended", "detail": "the device said BYE"}
        finally:
            self.over.set()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Device, SourceContext]]:
    device = Device()
    server = ControlServer(tmp_path / "s.sock", SECRET, {"media.session": device.session})
    await server.start()
    signalling = ControlClient(tmp_path / "s.sock", SECRET)
    media = MediaPlace(PortPool(), "127.0.0.1", "127.0.0.1")
    yield device, SourceContext(signalling=signalling, media=media)
    await signalling.close()
    await server.close()
    device.socket.close()


async def test_voice_goes_to_the_device_until_one_hangs_up(
    place: tuple[Device, SourceContext],
) -> None:
    device, context = place
    speaker = await open_loudspeaker(GATE, context)
    assert device.asked[0]["purpose"] == "talk"
    assert device.asked[0]["channel"] == "34020000001370000001"
    for _ in range(10):
        speaker.send(b"\xd5" * 160)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        packets = [await loop.sock_recv(device.socket, 2048) for _ in range(10)]
    heads = [struct.unpack_from(">BBHII", packet) for packet in packets]
    assert {(head[1] & 0x7F, head[4]) for head in heads} == {(8, 200000001)}
    assert [head[3] - heads[0][3] for head in heads] == [160 * n for n in range(10)]
    assert all(packet[12:] == b"\xd5" * 160 for packet in packets)
    speaker.close()
    await asyncio.wait_for(device.over.wait(), 20)
    assert speaker.ended.done()


async def test_a_device_that_hangs_up_is_noticed(place: tuple[Device, SourceContext]) -> None:
    device, context = place
    speaker = await open_loudspeaker(GATE, context)
    device.hangs_up.set()
    await asyncio.wait_for(asyncio.shield(speaker.ended), 20)


async def test_tcp_is_tried_where_the_device_wants_it_and_refusals_are_told(
    place: tuple[Device, SourceContext],
) -> None:
    device, context = place
    device.refusal = {
        "udp": ("unsupported", "the device wants its voice over TCP"),
        "tcp_passive": ("declined", "the device takes no voice"),
    }
    with pytest.raises(LoudspeakerRefused, match="takes no voice"):
        await open_loudspeaker(GATE, context)
    assert [one["transport"] for one in device.asked] == ["udp", "tcp_passive"]


async def test_cameras_without_a_way_for_voice_say_so() -> None:
    with pytest.raises(LoudspeakerRefused, match="no voice to http"):
        await open_loudspeaker(camera("http://h/x.flv"), SourceContext())
