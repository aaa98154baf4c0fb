"""Waiting for an event, for so long and no longer."""

from __future__ import annotations

import asyncio


async def wait_for_event(event: asyncio.Event, limit_s: float | None) -> bool:
    """Whether ``event`` was set within ``limit_s`` seconds; None waits without end.

    Not ``asyncio.wait_for``: until Python 3.12 that loses a cancellation that comes in the same
    turn of the loop as the event, and whoever was told to stop goes on for ever.
    """
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
