"""Waiting for an event: it comes, it does not come, and one is told to stop meanwhile."""

from __future__ import annotations

import asyncio

from camera_adapters.event_wait import wait_for_event


async def test_it_says_whether_the_event_came() -> None:
    event = asyncio.Event()
    assert not await wait_for_event(event, 0.01)
    waiting = asyncio.create_task(wait_for_event(event, None))
    await asyncio.sleep(0)
    event.set()
    assert await waiting


async def test_who_is_told_to_stop_as_the_event_comes_stops() -> None:
    for turns_between in range(6):
        event = asyncio.Event()
        running = asyncio.create_task(_for_ever(event))
        await asyncio.sleep(0.001)
        event.set()
        for _ in range(turns_between):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running}, timeout=10)
        assert running.cancelled(), turns_between


async def _for_ever(event: asyncio.Event) -> None:
    while True:
        await wait_for_event(event, 60)
        event.clear()
