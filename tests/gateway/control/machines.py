"""A control channel as between two machines, on loopback, and a misbehaving network in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gateway.control.address import RemoteAddress
from gateway.control.channel import ControlClient, ControlServer
from gateway.control.machine_tls import client_context, server_context

SECRET = b"s" * 32
PROCESS = "shard-1.node-a"


def open_port() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


@contextlib.asynccontextmanager
async def machine(path: Path, handlers: dict[str, Any]) -> AsyncIterator[RemoteAddress]:
    """A process that answers other machines; gives where."""
    tls = server_context(SECRET, PROCESS)
    server = ControlServer(path, SECRET, handlers, tls=tls, open_port=open_port)
    await server.start()
    assert server.port is not None
    try:
        yield RemoteAddress(PROCESS, "127.0.0.1", server.port)
    finally:
        await server.close()


def client_of(address: RemoteAddress, secret: bytes = SECRET, **timeouts: Any) -> ControlClient:
    """A process of another machine calls."""
    tls = client_context(secret, "api.node-b")
    return ControlClient(address, secret, tls=tls, **timeouts)


@contextlib.asynccontextmanager
async def served_to_machines(path: Path, handlers: dict[str, Any]) -> AsyncIterator[ControlClient]:
    """The handlers, and a client on another machine."""
    async with machine(path, handlers) as address:
        client = client_of(address)
        try:
            yield client
        finally:
            await client.close()


Change = Callable[[int, bytes], bytes | None]


@contextlib.asynccontextmanager
async def network(
    to: RemoteAddress, upwards: Change, downwards: Change
) -> AsyncIterator[RemoteAddress]:
    """Carries connections to ``to``. Each direction's change is given the number of bytes that went
    before and what comes; it gives what to carry, None for nothing more, ever.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def carry(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change
    ) -> None:
        seen = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                carried = change(seen, data)
                seen += len(data)
                if carried is None:
                    await asyncio.Event().wait()
                    return
                writer.write(carried)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(to.host, to.port)
        both = (carry(reader, back, upwards), carry(there, writer, downwards))
        tasks.update(asyncio.create_task(one) for one in both)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield RemoteAddress(to.process, "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
