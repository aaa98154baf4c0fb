"""A TCP proxy that misbehaves on request: what networks and object stores do on bad days."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Mood = Literal["pass", "hang", "reset", "error_500", "error_507", "slow_down"]

_ANSWERS = {
    "error_500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n"
    b"Content-Type: text/plain\r\nConnection: close\r\n\r\noops",
    "error_507": b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 4\r\n"
    b"Content-Type: text/plain\r\nConnection: close\r\n\r\nfull",
    "slow_down": b"HTTP/1.1 503 Slow Down\r\nContent-Length: 79\r\n"
    b"Content-Type: application/xml\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>",
}


class FaultProxy:
    """Listens on ``port`` of ``host`` and passes connections on to ``target_port`` of this machine,
    as long as its mood is ``pass``, upwards no faster than ``bytes_per_s``. :meth:`refuse` closes
    the port itself. ``async with FaultProxy(port): ...``
    """

    def __init__(self, target_port: int | None = None, host: str = "127.0.0.1") -> None:
        self.mood: Mood = "pass"
        self.bytes_per_s: float | None = None
        self.port = 0
        self._host = host
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultProxy:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def accept(self) -> None:
        """Listen (again), on the same port as before."""
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def refuse(self) -> None:
        """Listen no more, and drop all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.drop()

    async def drop(self) -> None:
        """Drop all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._relay(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mood == "hang":
            await asyncio.Event().wait()
        if self.mood == "reset":
            await reader.read(1)
            writer.transport.abort()
            return
        if self.mood in _ANSWERS:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWERS[self.mood])
            await writer.drain()
            # Take the body in, or the close would be a reset that overtakes the answer.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while await reader.read(1 << 16):
                        pass
            return
        assert self._target_port is not None
        upstream_reader, upstream_writer = await asyncio.open_connection(
            "127.0.0.1", self._target_port
        )
        try:
            await asyncio.gather(
                self._upwards(reader, upstream_writer), _copy(upstream_reader, writer)
            )
        finally:
            upstream_writer.close()

    async def _upwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self.bytes_per_s is not None:
                await asyncio.sleep(len(data) / self.bytes_per_s)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
