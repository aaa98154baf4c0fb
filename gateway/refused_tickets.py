"""Tickets that a media process refuses, told to the register: who tries forged or old ones."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.audit import AuditRecord, append
from gateway.control.channel import ControlError
from gateway.seldom import Seldom
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

_peer: ContextVar[str | None] = ContextVar("peer", default=None)


class KnownPeer:
    """ASGI: lets what a request runs into know from which address it came."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        client = scope.get("client")
        _peer.set(client[0] if client else None)
        await self._app(scope, receive, send)


class RefusedTickets:
    """Writes refusals down beside the request, the same from one address once a minute."""

    def __init__(self, rows: RowWriter, process: str) -> None:
        self._rows = rows
        self._process = process
        self._seldom = Seldom()
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, why: str, address: str | None = None) -> None:
        """A ticket was refused just now; ``address`` is known where it came by HTTP. Never blocks,
        never fails.
        """
        address = address or _peer.get()
        if not self._seldom.is_first(address, why):
            return
        detail = {"why": why, "process": self._process}
        record = AuditRecord("ticket.refused", address=address, detail=detail)
        task = asyncio.get_running_loop().create_task(self._write(record))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, record: AuditRecord) -> None:
        try:
            await append(self._rows, [record])
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            # Refused it was all the same.
            _log.error("a refused ticket could not be recorded", why=str(error))
