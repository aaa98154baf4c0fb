"""``analysis.units``: a camera's coded pictures for whoever detects objects in them, thinned out.

Keyframes always, the pictures between them while something moves: by their sizes, which costs this
process about a microsecond a picture, or because the other side, which sees the pictures, wishes.
Nobody waits for a slow reader: what it has not taken is dropped, and it is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from camera_adapters.stream import AccessUnit, Interruption, Stream, Track, Variant
from gateway.control.channel import ControlError
from gateway.shard.analysis_tap import AnalysisTap
from gateway.shard.shard import MediaShard

# A sub-stream that is away for so long is done without, until it is back.
PATIENCE_S = 15.0
_LOOK_S = 5.0


def analysis_calls(
    shard: MediaShard, *, patience_s: float = PATIENCE_S
) -> dict[str, Callable[..., Any]]:
    """``analysis.units(camera_id)``, a stream both ways.

    Down: ``{type: "run", variant, tracks}`` (formats; the next picture is a keyframe), ``{type:
    "units", units}``, ``{type: "skipped", units, start_us, end_us}`` (so many were dropped, of that
    time; the next is a keyframe), ``{type: "interrupted", cause, detail}``. Up: ``{open_until_us}``
    (hand on everything until then, in the pictures' time) and ``{settle: true}`` (nothing moves:
    close). From the sub-stream where there is one and it runs, else from the main one. Refused as
    ``not_found``.
    """

    async def units(
        camera_id: str, incoming: AsyncIterator[Mapping[str, Any]]
    ) -> AsyncIterator[dict[str, Any]]:
        feed = _AnalysisFeed(shard, camera_id, patience_s)
        listening = asyncio.create_task(feed.listen(incoming))
        try:
            async for message in feed.messages():
                yield message
        finally:
            listening.cancel()
            feed.close()

    return {"analysis.units": units}


class _AnalysisFeed:
    """One reader of one camera: which of its Streams, and what goes out."""

    def __init__(self, shard: MediaShard, camera_id: str, patience_s: float) -> None:
        self._shard = shard
        self._camera_id = camera_id
        self._patience_s = patience_s
        self._wanting = _Wanting()
        self._sub: Stream | None = None
        self._stream: Stream | None = None
        self._tap: AnalysisTap | None = None
        self._sub_lost_s: float | None = None

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What goes down, until the camera is held here no more. Raises ControlError."""
        while True:
            tap = self._choose()
            try:
                async with asyncio.timeout(min(_LOOK_S, self._patience_s)):
                    message = await tap.take()
            except TimeoutError:
                continue
            if message is None:
                self._drop()
                if self._held_nowhere():
                    return
                continue
            yield message

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """What comes up."""
        async for wish in incoming:
            if self._tap is None:
                continue
            if wish.get("settle"):
                self._tap.gate.settle()
            until_us = wish.get("open_until_us")
            if isinstance(until_us, int) and until_us:
                self._tap.gate.hold_open(until_us)

    def close(self) -> None:
        """Pull nothing for this reader any more."""
        self._drop()
        if self._sub is not None:
            self._sub.detach(self._wanting)

    def _choose(self) -> AnalysisTap:
        stream = self._best()
        if self._tap is None or stream is not self._stream:
            skipped = self._drop()
            self._stream, self._tap = stream, AnalysisTap(stream.variant, skipped)
            stream.attach(self._tap)
        return self._tap

    def _best(self) -> Stream:
        sub, main = self._find(Variant.SUB), self._find(Variant.MAIN)
        if sub is not self._sub:
            # Pulled on demand, maybe: it is wanted even while the other one is looked at.
            if self._sub is not None:
                self._sub.detach(self._wanting)
            self._sub = sub
            if sub is not None:
                sub.attach(self._wanting, replay_gop=False)
        if sub is None and main is None:
            raise ControlError("not_found", f"{self._camera_id} is not held here")
        if sub is None or main is None:
            return sub or main  # type: ignore[return-value]
        now_s = asyncio.get_running_loop().time()
        if sub.running:
            self._sub_lost_s = None
            return sub
        if self._sub_lost_s is None:
            self._sub_lost_s = now_s
        patient = now_s - self._sub_lost_s < self._patience_s
        return sub if patient or not main.running else main

    def _find(self, variant: Variant) -> Stream | None:
        try:
            stream = self._shard.stream(self._camera_id, variant)
        except LookupError:
            return None
        return None if stream.closed else stream

    def _held_nowhere(self) -> bool:
        return self._find(Variant.SUB) is None and self._find(Variant.MAIN) is None

    def _drop(self) -> dict[str, Any] | None:
        """Look at this Stream no more; gives what of it is not sent any more."""
        stream, tap, self._stream, self._tap = self._stream, self._tap, None, None
        if stream is None or tap is None:
            return None
        stream.detach(tap)
        return tap.give_up()


class _Wanting:
    """A Sink that is nothing but somebody who waits: a Stream pulled on demand is pulled for it."""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """Nothing."""

    def on_access_unit(self, unit: AccessUnit) -> None:
        """Nothing."""

    def on_interrupted(self, interruption: Interruption) -> None:
        """Nothing."""

    def on_closed(self) -> None:
        """Nothing."""
