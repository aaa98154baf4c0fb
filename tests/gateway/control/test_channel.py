"""The control channel between two real ends: on a Unix socket, and as between machines.

What is peculiar to either is in ``test_between_machines.py`` and below here.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import stat
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.control.channel import ControlClient, ControlError, ControlServer
from gateway.control.frames import Kind
from gateway.control.link import WINDOW_ITEMS
from tests.gateway.control.machines import served_to_machines

SECRET = b"s" * 32


async def add(left: int, right: int) -> int:
    return left + right


async def refuse() -> None:
    raise ControlError("too_many", "come back later")


async def fail() -> None:
    raise ZeroDivisionError("secret detail")


async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


async def double(incoming: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in incoming:
        yield number * 2


@contextlib.asynccontextmanager
async def served(path: Path, handlers: dict[str, Any]) -> AsyncIterator[ControlClient]:
    server = ControlServer(path, SECRET, handlers)
    await server.start()
    client = ControlClient(path, SECRET)
    try:
        yield client
    finally:
        await client.close()
        await server.close()


Serve = Callable[[Path, dict[str, Any]], contextlib.AbstractAsyncContextManager[ControlClient]]


@pytest.fixture(params=["unix socket", "between machines"])
def serve(request: pytest.FixtureRequest) -> Serve:
    """Serves the handlers, and gives a client of theirs."""
    return served if request.param == "unix socket" else served_to_machines


HANDLERS = {"add": add, "refuse": refuse, "fail": fail, "count": count, "double": double}


@pytest.fixture
async def client(serve: Serve, tmp_path: Path) -> AsyncIterator[ControlClient]:
    async with serve(tmp_path / "shard-1.sock", HANDLERS) as connected:
        yield connected


async def test_a_call_is_answered(client: ControlClient) -> None:
    assert await client.call("add", left=1, right=2) == 3


async def test_calls_do_not_wait_for_one_another(serve: Serve, tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait() -> str:
        await release.wait()
        return "late"

    async with serve(tmp_path / "a.sock", {"wait": wait, "add": add}) as client:
        waiting = asyncio.create_task(client.call("wait"))
        assert await client.call("add", left=2, right=2) == 4
        release.set()
        assert await waiting == "late"


async def test_a_refusal_carries_its_code(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="come back later") as caught:
        await client.call("refuse")
    assert caught.value.code == "too_many"


async def test_a_failure_does_not_tell_its_inside_nor_harm_the_connection(
    client: ControlClient,
) -> None:
    with pytest.raises(ControlError) as caught:
        await client.call("fail")
    assert caught.value.code == "failed"
    assert "secret detail" not in str(caught.value)
    assert await client.call("add", left=1, right=1) == 2


async def test_an_unknown_call_and_wrong_arguments_are_errors(client: ControlClient) -> None:
    with pytest.raises(ControlError, match="no such call"):
        await client.call("nothing")
    with pytest.raises(ControlError):
        await client.call("add", left=1)
    with pytest.raises(ControlError, match="no such call"):
        await client.call("count", to=3)


async def test_a_stream_gives_every_item_in_order(client: ControlClient) -> None:
    many = WINDOW_ITEMS * 5 + 3
    assert [item async for item in client.stream("count", to=many)] == list(range(many))


async def test_a_stream_takes_items_upward(client: ControlClient) -> None:
    many = WINDOW_ITEMS * 3
    async with client.stream("double") as stream:

        async def send() -> None:
            for number in range(many):
                await stream.send(number)
            await stream.end()

        sending = asyncio.create_task(send())
        assert [item async for item in stream] == [number * 2 for number in range(many)]
        await sending


async def test_a_slow_reader_makes_only_its_own_sender_wait(serve: Serve, tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    async with (
        serve(tmp_path / "a.sock", {"endless": endless, "add": add}) as client,
        client.stream("endless"),
    ):
        for number in range(500):
            assert await client.call("add", left=number, right=1) == number + 1
        assert sent <= WINDOW_ITEMS + 1


async def test_leaving_a_stream_cancels_its_handler(serve: Serve, tmp_path: Path) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with serve(tmp_path / "a.sock", {"endless": endless}) as client:
        async with client.stream("endless") as stream:
            assert await anext(stream) == 1
        await asyncio.wait_for(closed.wait(), 60)


async def test_a_cancelled_call_cancels_its_handler(serve: Serve, tmp_path: Path) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serve(tmp_path / "a.sock", {"wait": wait}) as client:
        calling = asyncio.create_task(client.call("wait"))
        await began.wait()
        calling.cancel()
        await asyncio.wait_for(ended.wait(), 60)


async def test_a_call_that_comes_as_the_server_stops_leaves_nothing_behind(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "shard-1.sock", SECRET, HANDLERS)
    await server.start()
    client = ControlClient(tmp_path / "shard-1.sock", SECRET)
    assert await client.call("add", left=1, right=2) == 3
    (link,) = server._links
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # Cancelled before it has begun.
        server._on_message(link, [Kind.CALL, 99, "add", {"left": 1, "right": 2}])
        await server.close()
        gc.collect()
    assert [str(one.message) for one in warned if one.category is RuntimeWarning] == []
    await client.close()


async def test_a_client_reaches_a_restarted_server(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    first = ControlServer(path, SECRET, {"add": add})
    await first.start()
    client = ControlClient(path, SECRET)
    assert await client.call("add", left=1, right=2) == 3
    await first.close()
    while client._link is not None:  # noqa: ASYNC110 - its end is not yet read
        await asyncio.sleep(0)
    second = ControlServer(path, SECRET, {"add": add})
    calling = asyncio.create_task(client.call("add", left=3, right=4))
    await second.start()
    assert await calling == 7
    await client.close()
    await second.close()


async def test_a_lost_server_ends_calls_and_streams_with_connection_error(tmp_path: Path) -> None:
    began = asyncio.Event()

    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    async def silent() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    path = tmp_path / "a.sock"
    server = ControlServer(path, SECRET, {"wait": wait, "silent": silent})
    await server.start()
    client = ControlClient(path, SECRET)
    stream = client.stream("silent")
    assert await anext(stream) == 1
    calling = asyncio.create_task(client.call("wait"))
    await began.wait()
    link = client._link
    assert link is not None and link._transport is not None
    link._transport.abort()
    with pytest.raises(ConnectionError):
        await calling
    with pytest.raises(ConnectionError):
        await anext(stream)
    await client.close()
    await server.close()


async def test_nobody_without_the_secret_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    server = ControlServer(path, SECRET, {"add": add})
    await server.start()
    stranger = ControlClient(path, b"x" * 32, connect_timeout_s=0.3)
    with pytest.raises(ConnectionError):
        await stranger.call("add", left=1, right=2)
    await stranger.close()
    await server.close()


async def test_a_client_refuses_a_server_without_the_secret(tmp_path: Path) -> None:
    # It sends its proof, but no call: an impostor on the path learns nothing that it can use.
    received = bytearray()
    path = tmp_path / "a.sock"

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from gateway.control.frames import encode

        writer.write(encode([1, b"n" * 32]))
        received.extend(await reader.readexactly(4 + 69))
        writer.write(encode([b"p" * 32]))
        received.extend(await reader.read())
        writer.close()

    server = await asyncio.start_unix_server(impostor, path)
    client = ControlClient(path, SECRET, connect_timeout_s=0.3)
    with pytest.raises(ConnectionError):
        await client.call("add", left=1, right=2)
    assert b"add" not in received
    await client.close()
    server.close()


async def test_the_socket_belongs_to_this_user_alone_and_its_path_may_be_long(
    tmp_path: Path,
) -> None:
    path = tmp_path / ("d" * 100) / "shard-1.sock"
    async with served(path, {"add": add}) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await client.call("add", left=1, right=2) == 3


async def test_garbage_closes_one_connection_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "shard-1.sock"
    async with served(path, HANDLERS) as client:
        for garbage in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_unix_connection(path)
            await reader.readexactly(4)
            writer.write(garbage)
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
        assert await client.call("add", left=1, right=2) == 3
