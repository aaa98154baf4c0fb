"""uvicorn within a process of ours, on sockets that are bound already."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's, not uvicorn's."""
        yield


@contextlib.asynccontextmanager
async def serving(config: uvicorn.Config, listening: socket.socket) -> AsyncIterator[None]:
    """Answer on a bound socket from here on, and close it at the end. Raises OSError."""
    server = _Server(config)
    answering = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if answering.done():
                answering.result()
                raise OSError("the HTTP server ended while starting")
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait((answering,))
        listening.close()
