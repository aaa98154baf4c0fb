"""A camera whose clock is eight hours ahead, as a process of its own.

``wrong_clock_camera.py`` prints the camera's URL, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import gateway.demo
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer

EIGHT_HOURS_US = 8 * 3600 * 1_000_000


async def serve() -> None:
    """Replay the demo's sub clip as ``gate``."""
    server = ReplayServer()
    server.add("gate", load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4"))
    server.step_clock(EIGHT_HOURS_US)
    await server.start()
    print(server.url("gate"), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
