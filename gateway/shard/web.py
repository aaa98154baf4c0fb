"""The shard's HTTP: uvicorn inside the shard's own event loop, on a loopback port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from gateway.refused_tickets import KnownPeer
from gateway.transport.serving import serving

# What the kernel may hold of a viewer's stream: it is time that the viewer is behind.
_SEND_BUFFER_BYTES = 256 * 1024
_STOP_S = 3
# An offer of a meeting has some thirty sections, each with all that a browser can decode.
WEBSOCKET_BYTES_LIMIT = 512 * 1024


def media_app(name: str, routes: Sequence[BaseRoute]) -> ASGIApp:
    """``routes`` under ``/s/{name}``."""
    return KnownPeer(Starlette(routes=[Mount(f"/s/{name}", routes=list(routes))]))


@contextlib.asynccontextmanager
async def serve_http(name: str, routes: Sequence[BaseRoute]) -> AsyncIterator[int]:
    """Serve ``routes`` under ``/s/{name}``; gives the port. Raises OSError."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    listening.bind(("127.0.0.1", 0))
    port: int = listening.getsockname()[1]
    config = uvicorn.Config(
        media_app(name, routes),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws_per_message_deflate=False,
        ws_max_size=WEBSOCKET_BYTES_LIMIT,
        timeout_graceful_shutdown=_STOP_S,
    )
    async with serving(config, listening):
        yield port
