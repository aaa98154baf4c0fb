"""Reading in rounds: everything arrives in order, ends are told, one failure harms nobody else."""

from __future__ import annotations

import asyncio
import socket

import pytest

from camera_adapters import gathered_reads as module
from camera_adapters.gathered_reads import gathered_reads


class Reader:
    """One end of a socket pair, read in rounds."""

    def __init__(self) -> None:
        self.own, self.peer = socket.socketpair()
        self.own.setblocking(False)
        self.received = b""
        self.ended = asyncio.Event()
        self.news = asyncio.Event()
        self.reads = gathered_reads(asyncio.get_running_loop())
        self.reads.add(self.own.fileno(), self.take)

    def take(self, data: bytes) -> None:
        self.received += data
        self.news.set()
        if not data:
            self.reads.remove(self.own.fileno())
            self.ended.set()

    async def until(self, length: int) -> None:
        async with asyncio.timeout(10):
            while len(self.received) < length:
                self.news.clear()
                await self.news.wait()

    def close(self) -> None:
        self.reads.remove(self.own.fileno())
        self.own.close()
        self.peer.close()


async def test_many_sockets_in_order_and_to_the_end() -> None:
    readers = [Reader() for _ in range(30)]
    for number in range(20):
        for reader in readers:
            reader.peer.sendall(b"%03d" % number)
        await asyncio.sleep(0)
    for reader in readers:
        await reader.until(60)
        assert reader.received == b"".join(b"%03d" % number for number in range(20))
        reader.peer.close()
    async with asyncio.timeout(10):
        for reader in readers:
            await reader.ended.wait()
            reader.close()


async def test_nothing_is_left_behind_when_the_last_goes() -> None:
    loop = asyncio.get_running_loop()
    first, second = Reader(), Reader()
    assert first.reads is second.reads
    first.close()
    assert loop in module._by_loop
    second.close()
    assert loop not in module._by_loop
    again = Reader()
    assert again.reads is not first.reads
    again.peer.sendall(b"x")
    await again.until(1)
    again.close()


async def test_one_that_fails_is_left_out() -> None:
    failing, good = Reader(), Reader()
    failing.reads.remove(failing.own.fileno())

    def fail(data: bytes) -> None:
        raise RuntimeError("taker")

    failing.reads.add(failing.own.fileno(), fail)
    failing.peer.sendall(b"x")
    good.peer.sendall(b"y")
    await good.until(1)
    good.peer.sendall(b"z")
    await good.until(2)
    good.close()
    failing.close()


async def test_datagrams_are_read_by_their_own_reader_in_the_same_rounds() -> None:
    stream = Reader()
    own, peer = socket.socketpair(type=socket.SOCK_DGRAM)
    own.setblocking(False)
    received: list[bytes] = []
    came = asyncio.Event()

    def read() -> None:
        received.append(own.recv(100))
        came.set()

    stream.reads.add_reader(own.fileno(), read)
    for one in (b"a", b"b"):
        came.clear()
        peer.send(one)
        async with asyncio.timeout(10):
            await came.wait()
    assert received == [b"a", b"b"]
    stream.close()
    loop = asyncio.get_running_loop()
    assert loop in module._by_loop
    stream.reads.remove(own.fileno())
    assert loop not in module._by_loop
    own.close()
    peer.close()


async def test_a_long_round_lets_the_loop_have_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HOLD_LIMIT_S", -1.0)
    readers = [Reader() for _ in range(40)]
    for reader in readers:
        reader.peer.sendall(b"x")
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not all(reader.received for reader in readers):
            asyncio.get_running_loop().call_soon(turn)

    # Every turn of the loop meanwhile is counted: forty sockets take five rounds of eight.
    await readers[0].until(1)
    turn()
    for reader in readers:
        await reader.until(1)
        reader.close()
    assert turns >= 4
