"""A process's HTTP for the other machines of its cluster: the same application behind mutual TLS.

The API of the machine where somebody signed in passes ``/s/NAME/…`` on to here. Whoever gets
through the handshake is of the cluster and is believed about whom it speaks for; who may do what
there is decided by the tickets, as on loopback.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp

from gateway.control.machine_tls import server_context
from gateway.control.serving import listen_for_machines
from gateway.settings import Settings
from gateway.transport.serving import serving

_STOP_S = 3


@contextlib.asynccontextmanager
async def serve_machines(
    settings: Settings,
    name: str,
    secret: bytes,
    app: ASGIApp,
    *,
    websocket_bytes_limit: int = 16 * 1024 * 1024,
) -> AsyncIterator[int | None]:
    """Answer as process ``name``, on one of ``cluster.control_ports``; gives the port, None where
    this machine stands alone. Raises OSError.
    """
    if settings.cluster.listen_address is None:
        yield None
        return
    listening = listen_for_machines(settings)
    port: int = listening.getsockname()[1]
    context = server_context(secret, name)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="*",
        ws_per_message_deflate=False,
        ws_max_size=websocket_bytes_limit,
        timeout_graceful_shutdown=_STOP_S,
        ssl_context_factory=lambda *_: context,
    )
    async with serving(config, listening):
        yield port
