"""The shared UDP port: where it binds, what it advertises, whom it listens to."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator

import pytest

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.advertised import NetworkAddresses
from camera_adapters.webrtc.ice_lite import Address, IceLiteAgent
from camera_adapters.webrtc.udp_mux import UdpMux, UdpSocket


class Peer:
    """Answers checks with its agent, keeps what else comes."""

    def __init__(self, ufrag: str) -> None:
        self.ice = IceLiteAgent("them", ufrag, "secret")
        self.datagrams: list[bytes] = []
        self.came = asyncio.Event()

    def on_check(
        self, message: stun.StunMessage, port: UdpSocket, address: Address
    ) -> bytes | None:
        return self.ice.answer(message, address, 0.0)

    def on_datagram(self, datagram: bytes) -> None:
        self.datagrams.append(datagram)
        self.came.set()


@pytest.fixture
async def mux() -> AsyncIterator[UdpMux]:
    opened = UdpMux.open(0, ["127.0.0.1"])
    yield opened
    opened.close()


def client() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


def check(ufrag: str, password: str = "secret") -> bytes:
    attributes = [(stun.USERNAME, f"{ufrag}:them".encode()), (stun.USE_CANDIDATE, b"")]
    return stun.build(stun.BINDING_REQUEST, secrets.token_bytes(12), attributes, password.encode())


async def ask(mux: UdpMux, one: socket.socket, datagram: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(one, datagram, ("127.0.0.1", mux.port))
    return await asyncio.wait_for(loop.sock_recv(one, 2048), 5)


async def test_several_networks_share_one_port() -> None:
    mux = UdpMux.open(0, ["127.0.0.1", "127.0.0.2"])
    try:
        bound = [one.socket.getsockname() for one in mux.sockets]
        assert bound == [("127.0.0.1", mux.port), ("127.0.0.2", mux.port)]
        assert [one.port for one in mux.candidates()] == [mux.port] * 2
        first, second = mux.candidates()
        assert first.local_preference > second.local_preference
    finally:
        mux.close()


async def test_an_address_behind_a_nat_makes_it_listen_everywhere() -> None:
    mux = UdpMux.open(0, ["203.0.113.9", "127.0.0.1"])
    try:
        assert [one.socket.getsockname()[0] for one in mux.sockets] == ["0.0.0.0"]
        assert [one.address for one in mux.candidates()] == ["203.0.113.9", "127.0.0.1"]
    finally:
        mux.close()


async def test_what_a_network_alone_is_told_is_listened_on_too() -> None:
    village = NetworkAddresses(ipaddress.ip_network("10.7.0.0/16"), ("127.0.0.3",))
    mux = UdpMux.open(0, ["127.0.0.1"], [village])
    try:
        assert [one.socket.getsockname()[0] for one in mux.sockets] == ["127.0.0.1", "127.0.0.3"]
        assert [one.address for one in mux.candidates("10.7.3.4")] == ["127.0.0.3"]
        assert [one.address for one in mux.candidates("10.8.3.4")] == ["127.0.0.1"]
    finally:
        mux.close()


async def test_a_taken_port_is_an_error(mux: UdpMux) -> None:
    with pytest.raises(OSError, match="in use") as error:
        UdpMux.open(mux.port, ["127.0.0.1"])
    assert error.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("addresses", [[], ["gateway.example"]])
async def test_what_cannot_be_advertised_is_refused(addresses: list[str]) -> None:
    with pytest.raises(ValueError, match=r"advertise|address"):
        UdpMux.open(0, addresses)


async def test_peers_are_told_apart_by_ufrag_then_by_address(mux: UdpMux) -> None:
    one, other = Peer("one"), Peer("other")
    mux.register("one", one)
    mux.register("other", other)
    with client() as first, client() as second:
        answer = stun.parse(await ask(mux, first, check("one")))
        assert answer.message_type == stun.BINDING_SUCCESS
        await ask(mux, second, check("other"))
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(second, b"\x16second", ("127.0.0.1", mux.port))
        await loop.sock_sendto(first, b"\x16first", ("127.0.0.1", mux.port))
        await asyncio.wait_for(one.came.wait(), 5)
        await asyncio.wait_for(other.came.wait(), 5)
    assert (one.datagrams, other.datagrams) == ([b"\x16first"], [b"\x16second"])


async def test_strangers_are_neither_heard_nor_answered(mux: UdpMux) -> None:
    peer = Peer("one")
    mux.register("one", peer)
    with client() as stranger, client() as friend:
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", mux.port)
        for datagram in (b"\x16hello", check("one", "guess"), check("nobody"), b"\0\1", b""):
            await loop.sock_sendto(stranger, datagram, address)
        await ask(mux, friend, check("one"))  # what came before has been read by now
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    assert peer.datagrams == []


async def test_a_forgotten_peer_is_not_heard_any_more(mux: UdpMux) -> None:
    peer, witness = Peer("one"), Peer("two")
    mux.register("one", peer)
    mux.register("two", witness)
    with client() as first, client() as second:
        await ask(mux, first, check("one"))
        mux.forget("one")
        mux.forget("one")
        await asyncio.get_running_loop().sock_sendto(first, b"\x16x", ("127.0.0.1", mux.port))
        await ask(mux, second, check("two"))
    assert peer.datagrams == []
    assert len(mux.sockets[0].peers) == 1


async def test_a_peer_has_a_bounded_number_of_addresses(mux: UdpMux) -> None:
    mux.register("one", Peer("one"))
    sockets = [client() for _ in range(40)]
    for one in sockets:
        await ask(mux, one, check("one"))
    assert len(mux.sockets[0].peers) == 16
    for one in sockets:
        one.close()


async def test_an_oversized_run_is_sent_plainly() -> None:
    """EMSGSIZE for one send (a path with a small MTU) must not end offload for all."""
    sender = UdpSocket(client())
    with client() as receiver:
        # 3 × 600 bytes is fine, but the kernel takes at most 128 segments of any size.
        run = memoryview(bytes(130 * 10))
        assert sender.send_run(run, 10, receiver.getsockname())
        loop = asyncio.get_running_loop()
        sizes = [len(await asyncio.wait_for(loop.sock_recv(receiver, 99), 5)) for _ in range(130)]
    sender.socket.close()
    assert sizes == [10] * 130
    assert sender.offload
    assert (sender.blocked, sender.failed) == (0, 0)
