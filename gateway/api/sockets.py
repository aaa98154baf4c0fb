"""What the API's WebSockets have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect


def same_origin(socket: WebSocket) -> bool:
    """Browsers say where a page that opens a WebSocket came from; others say nothing."""
    origin = socket.headers.get("origin")
    return origin is None or origin.partition("://")[2] == socket.headers.get("host")


async def run_until_one_ends(*directions: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends or fails, then cancel the others. Raises nothing of theirs."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def close(socket: WebSocket, code: int = 1000) -> None:
    """Close it; may be closed already."""
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code)
