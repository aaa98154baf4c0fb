"""ffmpeg as the other side: it serves or pushes made pictures at their own pace."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator

PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25")
H265 = ("-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params",
        "keyint=25:log-level=error")  # fmt: skip
AAC = ("-c:a", "aac", "-b:a", "64k")
PCMA = ("-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1")


def free_port() -> int:
    """A TCP port that is free at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def ffmpeg(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ffmpeg, its inputs read in real time, until the block is left."""
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-nostdin", "-re", *arguments,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()
