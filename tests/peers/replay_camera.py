"""The demo's RTSP server as a process of its own, for tests whose camera lives in another network.

``replay_camera.py ADDRESS`` prints the camera's URL, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import gateway.demo
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer


async def serve(address: str) -> None:
    """Replay the demo's sub clip as ``gate``."""
    server = ReplayServer(address, replay_gop=True)
    server.add("gate", load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4"))
    await server.start()
    print(server.url("gate"), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
