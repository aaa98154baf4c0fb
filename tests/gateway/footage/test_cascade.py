"""Recordings for a platform above: received by a plain socket, read by FFmpeg."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from typing import Any

import av
import pytest

from camera_adapters.gb28181.media_ports import PortPool, bind_pair
from gateway.control.channel import ControlError
from gateway.footage.cascade import CascadePlayback
from gateway.masks import MaskReader
from tests.gateway.footage.conftest import CAMERA, START_US, Clip, World

HERE = "127.0.0.1"
SECOND_US = 1_000_000


class Receiver:
    """Where the platform above takes media."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 2**20)
        self.socket.bind((HERE, 0))
        self.socket.setblocking(False)
        self.program_stream = b""
        self.times: list[int] = []

    async def pictures(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        while count:
            packet = await loop.sock_recv(self.socket, 2000)
            self.program_stream += packet[12:]
            if packet[1] & 0x80:
                self.times.append(int.from_bytes(packet[4:8], "big"))
                count -= 1

    def frames(self) -> list[Any]:
        with av.open(io.BytesIO(self.program_stream), format="mpeg") as container:
            return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


class Session:
    """One ``cascade.send``, as signalling holds it."""

    def __init__(
        self, world: World, receiver: Receiver, ports: PortPool | None = None, **arguments: Any
    ) -> None:
        self.cascade = CascadePlayback(
            world.server.reader,
            world.server.transcoding,
            MaskReader(world.engine),
            HERE,
            ports or PortPool(),
        )
        self._commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        asked = {
            "camera_id": CAMERA,
            "quality": "main",
            "may_lift_masks": False,
            "target": {
                "address": HERE,
                "port": receiver.socket.getsockname()[1],
                "transport": "udp",
                "setup": "",
                "ssrc": 7,
                "payload_type": 96,
            },
            "start_us": START_US,
            "end_us": START_US + 4 * SECOND_US,
            "speed": 16.0,
        }
        self.items: AsyncIterator[dict[str, Any]] = self.cascade.calls()["cascade.send"](
            **(asked | arguments), incoming=self._incoming()
        )

    async def _incoming(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self._commands.get()

    def say(self, action: str, **arguments: Any) -> None:
        self._commands.put_nowait({"action": action, **arguments})

    async def close(self) -> None:
        await self.items.aclose()  # type: ignore[attr-defined]


async def test_download_brings_every_picture_and_says_when_it_is_over(
    world: World, h264: Clip
) -> None:
    await world.record(h264.tracks, h264.units[:100])
    receiver = Receiver()
    session = Session(world, receiver)
    assert (await anext(session.items))["type"] == "ready"
    session.say("start")
    await receiver.pictures(40)
    assert (await anext(session.items)) == {"type": "file_end"}
    assert len(receiver.frames()) >= 39
    await session.close()
    assert len(session.cascade) == 0


async def test_recordings_leave_from_the_configured_ports(world: World, h264: Clip) -> None:
    await world.record(h264.tracks, h264.units[:100])
    while (found := bind_pair(PortPool(), HERE)).port & 1:
        found.close()
    found.close()
    ports = PortPool(found.port, found.port + 1)
    session = Session(world, Receiver(), ports)
    assert (await anext(session.items))["port"] == found.port
    assert ports.in_use == 1
    await session.close()
    assert ports.in_use == 0


async def test_nothing_recorded_is_refused(world: World) -> None:
    session = Session(world, Receiver())
    with pytest.raises(ControlError) as refused:
        await anext(session.items)
    assert refused.value.code == "not_found"


async def test_playback_is_sought_paused_and_hastened(world: World, h264: Clip) -> None:
    await world.record(h264.tracks, h264.units[:300])
    receiver = Receiver()
    session = Session(world, receiver, end_us=START_US + 30 * SECOND_US, speed=0.0)
    await anext(session.items)
    session.say("start")
    await receiver.pictures(3)
    session.say("pause")
    session.say("seek", from_s=20.0)
    session.say("scale", scale=4.0)
    session.say("resume")
    before = len(receiver.times)
    await receiver.pictures(40)
    # In time of the recording: from some tenths of a second to 20 s and on.
    jumps = [
        (later - earlier) / 90_000
        for earlier, later in zip(receiver.times, receiver.times[1:], strict=False)
    ]
    assert max(jumps) > 15
    assert before < len(receiver.times)
    await session.close()


async def test_backwards_only_keyframes_go_out(world: World, h264: Clip) -> None:
    await world.record(h264.tracks, h264.units[:300])
    receiver = Receiver()
    session = Session(world, receiver, end_us=START_US + 30 * SECOND_US, speed=0.0)
    await anext(session.items)
    session.say("seek", from_s=29.0)
    session.say("scale", scale=-16.0)
    session.say("start")
    keyframes = sum(1 for unit in h264.units[:290] if unit.keyframe)
    await receiver.pictures(min(3, keyframes))
    await session.close()


async def test_what_is_masked_comes_covered(world: World, h264: Clip) -> None:
    await world.record(h264.tracks, h264.units[:100])
    everything = [{"name": "all", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}]
    await world.rows.write(
        "masks.put",
        camera_id=CAMERA,
        version=0,
        masks=everything,
        user_id="usr_1",
        user_name="wang",
    )
    covered, seen = Receiver(), Receiver()
    for receiver, lifts in ((covered, False), (seen, True)):
        session = Session(world, receiver, may_lift_masks=lifts)
        await anext(session.items)
        session.say("start")
        await receiver.pictures(20)
        await session.close()
    assert max(frame.std() for frame in covered.frames()) < 3
    assert min(frame.std() for frame in seen.frames()) > 20
