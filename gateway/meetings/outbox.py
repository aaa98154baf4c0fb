"""Texts on their way to a page: put in without waiting, sent in order, never without bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from starlette.websockets import WebSocket, WebSocketDisconnect

BYTES_LIMIT = 8 * 1024 * 1024
"""More than this waits for nobody who reads: the page is gone, or too slow to be in a meeting."""
_CLOSE_CODE_BASE = 4000
_SEND_S = 20.0


class Outbox:
    """The way to one page. After :meth:`end` nothing more is taken; what waits still goes out."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._reason: str | None = None

    def put(self, text: str) -> None:
        """Send this as soon as it is its turn."""
        if self._reason is not None:
            return
        self._waiting.append(text)
        self._bytes += len(text)
        if self._bytes > BYTES_LIMIT:
            self._waiting.clear()
            self._bytes = 0
            self.end("too_slow")
        self._wake.set()

    def end(self, reason: str) -> None:
        """Say why, and close. May be called twice."""
        if self._reason is None:
            self._waiting.append(f'{{"type":"end","reason":"{reason}"}}')
            self._reason = reason
            self._wake.set()

    async def run(self) -> None:
        """Send until :meth:`end`, or until the page is gone."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            while self._waiting or self._reason is None:
                if not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                text = self._waiting.popleft()
                self._bytes -= len(text)
                async with asyncio.timeout(_SEND_S):
                    await self._websocket.send_text(text)
            status = 503 if self._reason in ("shard_stopping", "media_lost") else 403
            await self._websocket.close(_CLOSE_CODE_BASE + status, self._reason or "")
