"""An ASGI application that really answers by HTTP on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import uvicorn

from gateway.transport.serving import serving


@contextlib.asynccontextmanager
async def answering(
    app: Any, context: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[int]:
    """The port on loopback where the application answers; any free one for 0."""
    listening = socket.create_server(("127.0.0.1", port))
    listening.setblocking(False)
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", access_log=False, server_header=False,
        ssl_context_factory=None if context is None else lambda *_: context,
    )  # fmt: skip
    async with serving(config, listening):
        yield listening.getsockname()[1]
