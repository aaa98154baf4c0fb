"""Queries that end when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Result = TypeVar("Result")

# A statement that begins just after an interruption was not meant by it.
_AGAIN_S = 0.02


async def run_stoppable(
    engine: AsyncEngine, work: Callable[[AsyncConnection], Awaitable[Result]]
) -> Result:
    """``work`` on a connection of the engine. When the caller is cancelled, what runs in SQLite's
    thread is interrupted, which would else go on to its end and be waited for. (PostgreSQL's
    driver cancels by itself.)
    """
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        working = asyncio.ensure_future(work(connection))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            working.cancel()
            ending = asyncio.ensure_future(_interrupt(raw, working))
            while not ending.done():
                # Who is cancelled once is often cancelled again and again until it has ended.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(ending)
            raise


async def _interrupt(raw: Any, working: asyncio.Future[Any]) -> None:
    """Until ``working`` has ended: what has not begun yet cannot be interrupted."""
    interrupt = getattr(raw, "interrupt", None)
    while not working.done():
        if interrupt is not None:
            with contextlib.suppress(ValueError):  # it has been closed
                await interrupt()
        await asyncio.wait([working], timeout=_AGAIN_S)
    if not working.cancelled():
        working.exception()
