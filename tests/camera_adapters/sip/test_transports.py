"""Connections that misbehave, and the queue before the work."""

from __future__ import annotations

import asyncio

import pytest

from camera_adapters.sip.messages import Message, MessageError
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.transports import Inbox, TcpConnections

OPTIONS = b"OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"


class Listening:
    """A TCP side that counts what it gets."""

    def __init__(self, **limits: float) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.malformed: list[str] = []
        self.lost: asyncio.Queue[Peer] = asyncio.Queue()
        self.connections = TcpConnections(
            lambda message, peer: self.messages.put_nowait(message),
            self.lost.put_nowait,
            self._on_malformed,
            **limits,  # type: ignore[arg-type]
        )

    def _on_malformed(self, peer: Peer, error: MessageError) -> None:
        self.malformed.append(str(error))

    async def __aenter__(self) -> Listening:
        await self.connections.listen("127.0.0.1", 0)
        assert self.connections._server is not None
        self.port = self.connections._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connections.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


async def test_message_in_crumbs_and_two_in_one_piece() -> None:
    async with Listening() as side:
        _, writer = await side.connect()
        for byte in OPTIONS:
            writer.write(bytes([byte]))
            await writer.drain()
        await side.messages.get()
        writer.write(OPTIONS * 2)
        await side.messages.get()
        await side.messages.get()
        writer.close()


async def test_garbage_is_cut_off_and_harms_no_other() -> None:
    async with Listening() as side:
        reader, writer = await side.connect()
        _, other = await side.connect()
        writer.write(b"x" * 20_000)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert "16384" in side.malformed[0]
        other.write(OPTIONS)
        await side.messages.get()
        assert len(side.connections) == 1
        writer.close()
        other.close()


async def test_more_connections_than_a_host_may_have_are_refused() -> None:
    async with Listening(per_host=2) as side:
        kept = [await side.connect() for _ in range(2)]
        for _, writer in kept:
            writer.write(OPTIONS)
            await side.messages.get()
        reader, writer = await side.connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert (len(side.connections), side.connections.refused) == (2, 1)
        for _, one in [*kept, (reader, writer)]:
            one.close()


async def test_connection_on_which_nothing_comes_is_closed() -> None:
    async with Listening(idle_s=0.1) as side:
        reader, writer = await side.connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert (await side.lost.get()).host == "127.0.0.1"
        assert len(side.connections) == 0
        writer.close()


async def test_inbox_keeps_order_and_its_bound() -> None:
    done: list[bytes] = []
    slices: list[int] = []
    empty = asyncio.Event()

    def after() -> None:
        slices.append(len(done))
        if len(done) == 100:
            empty.set()

    def work(item: bytes | Message, _: Peer) -> None:
        assert isinstance(item, bytes)
        done.append(item)

    # Each slice is over as soon as it began: the loop gets its turn after every message.
    inbox = Inbox(work, after, limit=100, slice_s=1e-9)
    for number in range(150):
        inbox.put(str(number).encode(), Peer("x", 1))
    await empty.wait()
    assert done == [str(number).encode() for number in range(100)]
    assert inbox.dropped == 50
    assert len(slices) > 1


async def test_strangers_leave_half_of_the_queue_to_who_is_known() -> None:
    done: list[bytes | Message] = []
    finished = asyncio.Event()
    inbox = Inbox(lambda item, _: done.append(item), finished.set, limit=100)
    for _ in range(500):
        inbox.put(b"stranger", Peer("x", 1), known=False)
    for _ in range(30):
        inbox.put(b"known", Peer("y", 1))
    await finished.wait()
    assert (done.count(b"stranger"), done.count(b"known")) == (50, 30)
