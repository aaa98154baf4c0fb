"""Signalling on several machines: one speaks, the others are started and wait for its lease.

A process that waits has its programs loaded and its connections to database and keys; it opens the
ports of the protocols when it leads. While the database does not answer, who speaks goes on: media
hang on its conversations, and nobody else can begin meanwhile. Who was cut off alone learns of its
successor when the database answers again, and what it writes is refused from then on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster.interface import SIGNALLING
from gateway.cluster.leading import Leadership
from gateway.cluster.lifetime import LoopLag
from gateway.control.channel import control_path
from gateway.control.serving import control_server
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import RowWriter

_log = structlog.get_logger(__name__)

Speak = Callable[[RowWriter], contextlib.AbstractAsyncContextManager[int | None]]


@contextlib.asynccontextmanager
async def standing_by(
    settings: Settings,
    name: str,
    secret: bytes,
    reader: AsyncEngine,
    rows: RowWriter,
    speak: Speak,
    lag: LoopLag,
) -> AsyncIterator[int | None]:
    """Speak whenever the lease is this process's: ``speak(rows)`` gives the port at which its
    conversations are reached. ``name`` is this process's own, and answers whether it speaks; gives
    its port.

    The socket ``signalling.sock`` of the run directory is there while this machine speaks.
    """
    # Of one that was killed while it spoke.
    control_path(settings, SIGNALLING).unlink(missing_ok=True)
    node = settings.cluster.node_name
    leadership = Leadership(
        reader, rows, SIGNALLING, f"{node} {uuid.uuid4().hex}", outlasts_silence=True
    )

    async def lead(fenced: RowWriter) -> None:
        try:
            async with speak(fenced) as port:
                await fenced.write(
                    "processes.report",
                    name=SIGNALLING,
                    kind=SIGNALLING,
                    node=node,
                    process_id=os.getpid(),
                    http_address=None,
                    http_port=None,
                    control_address=settings.cluster.reached_at,
                    control_port=port,
                    peer_http_port=None,
                    started_us=now_us(),
                )
                _log.info("signalling speaks here now")
                await asyncio.Event().wait()
        except Exception as error:
            # Another machine may do better; the supervisor starts this one again, to wait.
            _log.error("signalling cannot speak here, and ends", why=str(error))
            os.kill(os.getpid(), signal.SIGTERM)
            raise

    async def status() -> dict[str, Any]:
        return {
            "event_loop_lag_ms": lag.worst_ms(),
            "signalling_speaks": float(leadership.epoch is not None),
        }

    server = control_server(settings, name, secret, {"process.status": status})
    await server.start()
    leading = asyncio.create_task(leadership.run(lead))
    try:
        yield server.port
    finally:
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        await server.close()
