"""What a camera tells of itself, as the rows that its protocol would leave."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from gateway.commands.rows import open_rows
from gateway.identifiers import new_id, now_us
from gateway.settings import Settings
from tests.browser.conftest import Console


def camera_tells(console: Console, camera_id: str, kind: str) -> None:
    """It tells of something that happens at this instant."""
    # The browser's own event loop runs in this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _store(console, camera_id, kind)).result()


async def _store(console: Console, camera_id: str, kind: str) -> None:
    async with open_rows(Settings(data_directory=console.data_directory)) as rows:
        event = {
            "id": new_id("dev"), "platform_id": "", "camera_id": camera_id, "channel": "",
            "kind": kind, "source": "button", "state": "pulse", "begin_us": now_us(),
            "end_us": now_us(), "count": 1, "detail": {},
        }  # fmt: skip
        await rows.write("device_events.store", new=[event], changed=[])
