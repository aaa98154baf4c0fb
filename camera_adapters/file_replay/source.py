"""A file or folder as a source: read in a thread, shown at its own pace, as if it happened now.

A file begins anew when it ends. A folder is played in the order of names: once it is through, files
that came meanwhile follow, and when there are none it begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from camera_adapters.file_replay.reading import FileUnusable, Frame, read_file
from camera_adapters.retrying import Attempt, Ending

_T = TypeVar("_T")

# Read ahead by about as much; a thread's turn costs more than a few pictures.
_FRAMES_AT_ONCE = 50
_FRAME_STEP_90K = 3600
_ENDINGS = frozenset(
    {".mp4", ".mkv", ".mov", ".m4v", ".ts", ".mpg", ".avi", ".flv", ".h264", ".h265", ".dav", ".ps"}
)
# One pool for all: disks are what limits, not processors.
_POOL = ThreadPoolExecutor(4, "file-replay")


def file_attempt(path: Path) -> Callable[[Attempt], Awaitable[Ending]]:
    """What a :class:`~camera_adapters.retrying.RetryingSource` does for this path."""

    async def attempt(one: Attempt) -> Ending:
        pace = _Pace(one)
        played: str | None = None
        while True:
            files = await _in_pool(lambda: _files(path))
            if not files:
                return Ending("not_found", f"{path.name} holds no video file", retry_s=10.0)
            following = [file for file in files if played is None or file.name > played]
            file = following[0] if following else files[0]
            played = file.name
            try:
                await _play(file, pace)
            except FileUnusable as error:
                if len(files) == 1 or not pace.shown:
                    return Ending("no_video", str(error), retry_s=30.0)

    return attempt


class _Pace:
    """Where on the attempt's one time line a file begins, and when a frame is due."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.shown = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._base_90k = 0
        self._end_90k = 0

    def begin_file(self) -> None:
        self._base_90k = self._end_90k

    async def show(self, frame: Frame) -> None:
        dts = self._base_90k + frame.dts_90k
        pts = self._base_90k + frame.pts_90k
        ahead_s = self._began + dts / 90_000 - self._loop.time()
        if ahead_s > 0:
            await asyncio.sleep(ahead_s)
        elif ahead_s < -1.0:
            # The disk was slow: go on from here, rather than hurry.
            self._began -= ahead_s
        attempt = self.attempt
        now_us = attempt.now_us()
        attempt.bytes += sum(map(len, frame.payloads))
        if frame.track is not None:
            attempt.ingest.sound(frame.track, frame.payloads[0], pts, now_us)
            return
        self._end_90k = max(self._end_90k, dts + _FRAME_STEP_90K, pts + _FRAME_STEP_90K)
        self.shown += 1
        attempt.packets += 1
        attempt.ingest.picture(frame.codec, frame.payloads, pts, dts, now_us)


async def _play(file: Path, pace: _Pace) -> None:
    """Show the file to its end. Raises FileUnusable."""
    pace.begin_file()
    frames = read_file(file)
    try:
        reading = asyncio.ensure_future(_in_pool(lambda: _some(frames)))
        while some := await reading:
            reading = asyncio.ensure_future(_in_pool(lambda: _some(frames)))
            for frame in some:
                await pace.show(frame)
    finally:
        # A generator that is running in the pool cannot be closed: it is waited for.
        await asyncio.shield(asyncio.wait([reading]))
        await _in_pool(frames.close)


def _some(frames: Generator[Frame, None, None]) -> list[Frame]:
    found: list[Frame] = []
    for frame in frames:
        found.append(frame)
        if len(found) == _FRAMES_AT_ONCE:
            break
    return found


def _files(path: Path) -> list[Path]:
    """The one file; or those of the folder that are videos, by name."""
    if not path.is_dir():
        return [path]
    return sorted(
        (one for one in path.iterdir() if one.suffix.lower() in _ENDINGS and one.is_file()),
        key=lambda one: one.name,
    )


async def _in_pool(call: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(_POOL, call)
