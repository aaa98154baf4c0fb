"""Live pictures for a platform above: received by a plain socket, read by FFmpeg."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator
from typing import Any

import av
import pytest

from camera_adapters.gb28181.media_ports import PortPool, bind_pair
from camera_adapters.stream import Variant
from gateway.control.channel import ControlError
from gateway.masks import Polygons
from gateway.shard.cascade import CascadeSending
from tests.gateway.shard.conftest import CAMERA, World

HERE = "127.0.0.1"
MASKS: Polygons = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)


class Receiver:
    """Where the platform above takes media."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        self.socket.bind((HERE, 0))
        self.socket.setblocking(False)
        self.program_stream = b""

    @property
    def target(self) -> dict[str, Any]:
        port = self.socket.getsockname()[1]
        return {
            "address": HERE,
            "port": port,
            "transport": "udp",
            "setup": "",
            "ssrc": 7,
            "payload_type": 96,
        }

    async def pictures(self, count: int) -> None:
        """Take packets until so many more pictures are whole."""
        loop = asyncio.get_running_loop()
        while count:
            packet = await loop.sock_recv(self.socket, 2000)
            self.program_stream += packet[12:]
            count -= packet[1] >> 7

    def waiting(self) -> int:
        """How many packets have come and were not taken; takes them."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(2000):
                count += 1
        return count

    def decoded(self) -> int:
        with av.open(io.BytesIO(self.program_stream), format="mpeg") as container:
            return sum(1 for _ in container.decode(video=0))


class Session:
    """One ``cascade.send``, as signalling holds it."""

    def __init__(self, cascade: CascadeSending, receiver: Receiver, **arguments: Any) -> None:
        self._commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.items: AsyncIterator[dict[str, Any]] = cascade.calls()["cascade.send"](
            **(
                {
                    "camera_id": CAMERA,
                    "quality": "main",
                    "may_lift_masks": False,
                    "target": receiver.target,
                }
                | arguments
            ),
            incoming=self._incoming(),
        )

    async def _incoming(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self._commands.get()

    def start(self) -> None:
        self._commands.put_nowait({"action": "start"})

    async def close(self) -> None:
        await self.items.aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def cascade(world: World) -> CascadeSending:
    await world.hold(world.source(Variant.MAIN, recorded=False))
    return CascadeSending(world.shard, HERE, PortPool())


def one_pair() -> PortPool:
    """A range of one pair of ports that is free."""
    while True:
        found = bind_pair(PortPool(), HERE)
        found.close()
        if not found.port & 1 and found.control is not None:
            return PortPool(found.port, found.port + 1)


async def test_pictures_arrive_once_the_dialog_stands(cascade: CascadeSending) -> None:
    receiver = Receiver()
    session = Session(cascade, receiver)
    ready = await anext(session.items)
    assert (ready["type"], ready["video"]) == ("ready", "h264")
    assert receiver.waiting() == 0
    session.start()
    await receiver.pictures(30)
    assert receiver.decoded() >= 28  # the last ones may wait in the decoder
    assert len(cascade) == 1
    await session.close()
    assert len(cascade) == 0


async def test_camera_without_a_sub_stream_is_shown_by_its_main_one(
    cascade: CascadeSending,
) -> None:
    receiver = Receiver()
    session = Session(cascade, receiver, quality="sub")
    assert (await anext(session.items))["type"] == "ready"
    session.start()
    await receiver.pictures(3)
    await session.close()


async def test_nothing_beneath_a_mask_goes_out_once_it_is_drawn(
    world: World, cascade: CascadeSending
) -> None:
    masked, lifted = Receiver(), Receiver()
    sessions = [
        Session(cascade, masked),
        Session(cascade, lifted, may_lift_masks=True),
    ]
    for session in sessions:
        await anext(session.items)
        session.start()
    await masked.pictures(5)
    await lifted.pictures(5)
    world.shard.derived.cover({CAMERA: MASKS})
    cascade.cover()
    masked.waiting()
    await lifted.pictures(20)
    # The transcoder of this test makes no masked pictures: so there are none at all.
    assert masked.waiting() == 0
    for session in sessions:
        await session.close()


async def test_mask_counts_before_anybody_was_told_of_it(
    world: World, cascade: CascadeSending
) -> None:
    receiver, watcher = Receiver(), Receiver()
    session = Session(cascade, receiver)
    other = Session(cascade, watcher, may_lift_masks=True)
    for one in (session, other):
        await anext(one.items)
        one.start()
    await receiver.pictures(5)
    world.shard.derived.cover({CAMERA: MASKS})
    receiver.waiting()
    await watcher.pictures(30)
    assert receiver.waiting() == 0
    await session.close()
    await other.close()


async def test_media_leave_from_the_configured_ports_and_give_them_back(world: World) -> None:
    await world.hold(world.source(Variant.MAIN, recorded=False))
    ports = one_pair()
    cascade = CascadeSending(world.shard, HERE, ports)
    receiver = Receiver()
    session = Session(cascade, receiver)
    ready = await anext(session.items)
    assert ports.in_use == 1
    with pytest.raises(ControlError, match=r"gb28181\.media_ports") as refused:
        await anext(Session(cascade, Receiver()).items)
    assert refused.value.code == "unreachable"
    session.start()
    _, sender = await asyncio.get_running_loop().sock_recvfrom(receiver.socket, 2000)
    assert sender == (HERE, ready["port"])
    assert ready["port"] == ports._first
    await session.close()
    assert ports.in_use == 0


async def test_camera_that_is_not_held_here_is_refused(cascade: CascadeSending) -> None:
    session = Session(cascade, Receiver(), camera_id="cam_of_another")
    with pytest.raises(ControlError) as refused:
        await anext(session.items)
    assert refused.value.code == "not_found"


async def test_camera_that_is_taken_away_ends_the_session(
    world: World, cascade: CascadeSending
) -> None:
    receiver = Receiver()
    session = Session(cascade, receiver)
    await anext(session.items)
    session.start()
    await receiver.pictures(3)
    await world.shard.reconcile({})
    ended = await anext(session.items)
    assert ended["type"] == "ended"
    assert ended["bytes"] > 0
    assert ended["start_us"] <= ended["end_us"]
    await session.close()
