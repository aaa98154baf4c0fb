"""The shard's HTTP: uvicorn inside the shard's own event loop, on a loopback port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from gateway.refused_tickets import KnownPeer

# What the kernel may hold of a viewer's stream: it is time that the viewer is behind.
_SEND_BUFFER_BYTES = 256 * 1024
_STOP_S = 3
# An offer of a meeting has some thirty sections, each with all that a browser can decode.
_WEBSOCKET_MESSAGE_BYTES = 512 * 1024


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's, not uvicorn's."""
        yield


@contextlib.asynccontextmanager
async def serve_http(name: str, routes: Sequence[BaseRoute]) -> AsyncIterator[int]:
    """Serve ``routes`` under ``/s/{name}``; gives the port. Raises OSError."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    listening.bind(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    application = Starlette(routes=[Mount(f"/s/{name}", routes=list(routes))])
    server = _Server(
        uvicorn.Config(
            KnownPeer(application),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws_per_message_deflate=False,
            ws_max_size=_WEBSOCKET_MESSAGE_BYTES,
            timeout_graceful_shutdown=_STOP_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise OSError("the HTTP server ended while starting")
            await asyncio.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        await asyncio.wait((serving,))
        listening.close()
