"""Waiting for a Stream's first run, or for its first keyframe."""

from __future__ import annotations

import asyncio

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track


class _Waiter:
    """A Sink that only waits; attached, it has an on-demand source pulled."""

    def __init__(self, *, keyframe: bool) -> None:
        self.settled = asyncio.Event()
        self._keyframe = keyframe

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        if not self._keyframe:
            self.settled.set()

    def on_access_unit(self, unit: AccessUnit) -> None:
        if self._keyframe:
            self.settled.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        return

    def on_closed(self) -> None:
        self.settled.set()


async def run_begins(stream: Stream, limit_s: float) -> bool:
    """Whether the Stream has a run, now or within ``limit_s``."""
    return await _wait(stream, limit_s, keyframe=False) and stream.running


async def keyframe_comes(stream: Stream, limit_s: float) -> bool:
    """Whether the Stream has a keyframe, now or within ``limit_s``."""
    return await _wait(stream, limit_s, keyframe=True) and bool(stream.gop)


async def _wait(stream: Stream, limit_s: float, *, keyframe: bool) -> bool:
    if stream.closed:
        return False
    # Attached even when there is nothing to wait for: an idle Stream is used, so it stays open.
    waiter = _Waiter(keyframe=keyframe)
    stream.attach(waiter)
    try:
        await wait_for_event(waiter.settled, limit_s)
    finally:
        stream.detach(waiter)
    return not stream.closed
