"""The control channel between machines: who gets through, and what a bad network can do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.control import channel, link
from gateway.control.address import RemoteAddress
from gateway.control.channel import ControlClient
from gateway.control.frames import FrameDecoder, Kind, encode
from gateway.control.handshake import ClientHandshake
from gateway.control.machine_tls import client_context, cluster_authority
from tests.gateway.control.machines import (
    PROCESS,
    SECRET,
    client_of,
    machine,
    network,
)

OTHER_SECRET = b"o" * 32


async def add(left: int, right: int) -> int:
    return left + right


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[RemoteAddress]:
    async with machine(tmp_path / "shard-1.sock", {"add": add}) as where:
        yield where


async def is_refused(client: ControlClient) -> bool:
    try:
        await client.call("add", left=1, right=2)
    except ConnectionError:
        return True
    finally:
        await client.close()
    return False


def test_all_machines_derive_the_same_authority_and_no_other_cluster_does() -> None:
    def bytes_of(secret: bytes) -> bytes:
        return cluster_authority(secret)[1].public_bytes(serialization.Encoding.DER)

    assert bytes_of(SECRET) == bytes_of(SECRET)
    assert bytes_of(SECRET) != bytes_of(OTHER_SECRET)


async def test_another_machine_of_the_cluster_is_answered(address: RemoteAddress) -> None:
    client = client_of(address)
    assert await client.call("add", left=1, right=2) == 3
    await client.close()


async def test_another_cluster_is_refused_and_refuses(address: RemoteAddress) -> None:
    assert await is_refused(client_of(address, OTHER_SECRET, connect_timeout_s=0.3))


async def test_the_secret_inside_is_proved_even_behind_the_right_certificate(
    address: RemoteAddress,
) -> None:
    tls = client_context(SECRET, "api.node-b")
    assert await is_refused(ControlClient(address, OTHER_SECRET, tls=tls, connect_timeout_s=0.3))


async def test_a_process_does_not_pass_for_another(address: RemoteAddress) -> None:
    other = RemoteAddress("shard-2.node-a", address.host, address.port)
    assert await is_refused(client_of(other, connect_timeout_s=0.3))


async def test_without_a_certificate_or_with_an_old_version_nothing_is_answered(
    address: RemoteAddress,
) -> None:
    without = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    without.check_hostname = False
    without.verify_mode = ssl.CERT_NONE
    old = client_context(SECRET, "api.node-b")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    for tls in (without, old):
        assert await is_refused(ControlClient(address, SECRET, tls=tls, connect_timeout_s=0.3))


async def test_plain_text_is_not_answered(address: RemoteAddress) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(encode([b"n" * 32, b"p" * 32]))
    writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await reader.read()
    assert not answer or answer[0] == 21, "at most a TLS alert"
    writer.close()


async def test_a_recorded_handshake_is_worth_nothing_the_next_time(address: RemoteAddress) -> None:
    tls = client_context(SECRET, "api.node-b")

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            address.host, address.port, ssl=tls, server_hostname=PROCESS
        )

    reader, writer = await connect()
    handshake, decoder = ClientHandshake(SECRET), FrameDecoder()
    (greeting,) = decoder.feed(await reader.read(1000))
    proof = handshake.receive(greeting)
    writer.write(proof)
    (answer,) = decoder.feed(await reader.read(1000))
    handshake.receive(answer)
    assert handshake.done
    call = encode([Kind.CALL, 1, "add", {"left": 1, "right": 2}])
    writer.write(call)
    (result,) = decoder.feed(await reader.read(1000))
    assert result == [Kind.RESULT, 1, 3]
    writer.close()

    reader, writer = await connect()
    assert await reader.read(1000)
    writer.write(proof + call)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b"", "closed, and nothing said"
    writer.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 4000), st.integers(1, 255), st.booleans())
def test_a_changed_byte_ends_the_connection_and_never_changes_an_answer(
    position: int, flip: int, upwards: bool
) -> None:
    def change(before: int, data: bytes) -> bytes:
        if not before <= position < before + len(data):
            return data
        changed = bytearray(data)
        changed[position - before] ^= flip
        return bytes(changed)

    def carry(before: int, data: bytes) -> bytes:
        return data

    async def call(folder: Path) -> None:
        ways = (change, carry) if upwards else (carry, change)
        async with (
            machine(folder / "shard-1.sock", {"add": add}) as address,
            network(address, *ways) as far,
        ):
            client = client_of(far, connect_timeout_s=0.2, call_timeout_s=0.5)
            # A length that was made longer waits for bytes that never come.
            with contextlib.suppress(ConnectionError, TimeoutError):
                for number in range(5):
                    assert await client.call("add", left=number, right=1) == number + 1
            await client.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(call(Path(folder)))


async def test_a_link_that_carries_nothing_more_ends_its_calls(address: RemoteAddress) -> None:
    cut = False

    def carry(_: int, data: bytes) -> bytes | None:
        return None if cut else data

    async with network(address, carry, carry) as far:
        client = client_of(far, connect_timeout_s=0.3, call_timeout_s=0.3)
        assert await client.call("add", left=1, right=2) == 3
        cut = True
        with pytest.raises(TimeoutError):
            await client.call("add", left=1, right=2)
        await client.close()


async def test_a_machine_that_is_gone_is_noticed_by_the_kernel(address: RemoteAddress) -> None:
    client = client_of(address)
    await client.call("add", left=1, right=2)
    assert client._link is not None and client._link._transport is not None
    connection = client._link._transport.get_extra_info("socket")
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3_000
    await client.close()


async def test_a_silent_machine_is_waited_for_once_by_all_who_ask() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        host, port = silent.getsockname()
        client = client_of(RemoteAddress(PROCESS, host, port), connect_timeout_s=0.3)
        asked = [client.call("add", left=1, right=2) for _ in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in answers] == [ConnectionError] * 5
        assert "its machine is silent" in str(answers[0])
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
        await client.close()


async def test_a_machine_that_was_silent_is_asked_again(
    address: RemoteAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_AWAY_S", 0.0)
    cut = True

    def carry(_: int, data: bytes) -> bytes | None:
        return None if cut else data

    async with network(address, carry, carry) as far:
        client = client_of(far, connect_timeout_s=0.3)
        with pytest.raises(ConnectionError):
            await client.call("add", left=1, right=2)
        cut = False
        assert await client.call("add", left=1, right=2) == 3
        await client.close()


async def test_who_connects_and_says_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HANDSHAKE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(channel, "HANDSHAKE_TIMEOUT_S", 0.2)
    async with machine(tmp_path / "shard-1.sock", {"add": add}) as address:
        silent, silent_writer = await asyncio.open_connection(address.host, address.port)
        tls = client_context(SECRET, "api.node-b")
        greeted, greeted_writer = await asyncio.open_connection(
            address.host, address.port, ssl=tls, server_hostname=PROCESS
        )
        async with asyncio.timeout(60):
            for reader in (silent, greeted):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
        for writer in (silent_writer, greeted_writer):
            writer.close()
        client = client_of(address)
        assert await client.call("add", left=1, right=2) == 3
        await client.close()
