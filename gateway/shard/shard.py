"""The media shard: what it should hold, what it holds, and how the one becomes the other.

:meth:`MediaShard.reconcile` is called every few seconds, and at once when the API says so. It also
finds what stopped by itself: a recorder that is not fastened any more is fastened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import GapCause, Stream, Variant
from gateway.shard.derived import DERIVED, DerivedVariants
from gateway.shard.desired import DesiredSource
from gateway.shard.feed import Feed
from gateway.shard.on_demand import IDLE_CLOSE_S
from gateway.sources.registry import SourceContext
from recorder.recorder import Recorder
from recorder.spool_header import RecordedSource

_log = structlog.get_logger(__name__)


class MediaShard:
    """All feeds of one process. One source's failure is logged and harms no other."""

    def __init__(
        self,
        recorder: Recorder,
        derived: DerivedVariants,
        *,
        clock: SteadyClock,
        on_state: Callable[[Feed], None],
        idle_s: float = IDLE_CLOSE_S,
        context: SourceContext | None = None,
    ) -> None:
        self.feeds: dict[str, Feed] = {}
        self.derived = derived
        self.recorders_refastened = 0
        self._recorder = recorder
        self._clock = clock
        self._on_state = on_state
        self._idle_s = idle_s
        self._context = context
        self._reconciling = asyncio.Lock()

    async def reconcile(self, sources: dict[str, DesiredSource]) -> None:
        """Hold exactly ``sources`` (by id)."""
        async with self._reconciling:
            gone = [source_id for source_id in self.feeds if source_id not in sources]
            wrong = [source for source in sources.values() if not self._is_right(source)]
            await asyncio.gather(
                *(self._guarded(self._release(source_id), source_id) for source_id in gone),
                *(self._guarded(self._hold(source), source.source_id) for source in wrong),
            )

    async def close(self) -> None:
        """Seal what is recorded, stop pulling, end every Stream: the process stops."""
        async with self._reconciling:
            for feed in self.feeds.values():
                # Before the source stops: what ends the recording is the gateway, not the camera.
                self._stop_recording(feed, GapCause.GATEWAY_STOPPED, "the gateway was stopped")
            self.derived.close()
            await asyncio.gather(*(self._guarded(feed.close(), one) for one, feed in self._all()))
            self.feeds.clear()

    def feed(self, camera_id: str, variant: Variant) -> Feed:
        """The feed of a pulled variant. Raises LookupError when this shard does not hold it."""
        feed = self.feeds.get(f"{camera_id}/{variant}")
        if feed is None:
            raise LookupError(f"{camera_id} has no variant {variant} on this shard")
        return feed

    def stream(self, camera_id: str, variant: Variant, made_from: Variant = Variant.MAIN) -> Stream:
        """The Stream of any variant; made ones are made from ``made_from``. Raises LookupError."""
        if variant in DERIVED:
            return self.derived.get(self.feed(camera_id, made_from).stream, variant)
        return self.feed(camera_id, variant).stream

    def changed(self, feed: Feed) -> None:
        """Have told what is new about a feed."""
        self._on_state(feed)

    def _is_right(self, source: DesiredSource) -> bool:
        feed = self.feeds.get(source.source_id)
        if feed is None or feed.desired != source:
            return False
        return _is_recorded(feed) if source.recorded else feed.writer is None

    async def _hold(self, source: DesiredSource) -> None:
        feed = self.feeds.get(source.source_id)
        if feed is None:
            feed = Feed(
                source,
                clock=self._clock,
                on_state=self._on_state,
                idle_s=self._idle_s,
                context=self._context,
            )
            self.feeds[source.source_id] = feed
        elif feed.desired != source:
            if feed.desired.epoch != source.epoch:
                self._stop_recording(feed, GapCause.NOT_SCHEDULED, "the camera came back here")
            feed.change(source)
        if not source.recorded:
            self._stop_recording(feed, GapCause.NOT_SCHEDULED, "recording was switched off")
        elif not _is_recorded(feed):
            await self._start_recording(feed)

    async def _start_recording(self, feed: Feed) -> None:
        if feed.writer is not None:
            self.recorders_refastened += 1
            _log.error("the recorder had come off and is put back", source=feed.desired.source_id)
        desired = feed.desired
        writer = await self._recorder.record(
            RecordedSource(
                id=desired.source_id,
                kind="camera",
                camera_id=desired.camera_id,
                variant=str(desired.variant),
                epoch=desired.epoch,
            )
        )
        feed.record(writer)

    async def _release(self, source_id: str) -> None:
        feed = self.feeds.pop(source_id)
        self._stop_recording(feed, GapCause.NOT_SCHEDULED, "the camera is not held here any more")
        await feed.close()
        self._on_state(feed)

    def _stop_recording(self, feed: Feed, cause: GapCause, detail: str) -> None:
        if feed.record(None) is not None:
            self._recorder.stop(feed.desired.source_id, cause, detail)

    async def _guarded(self, work: Coroutine[Any, Any, None], source_id: str) -> None:
        try:
            await work
        except Exception:
            _log.exception("a source could not be reconciled; trying again", source=source_id)

    def _all(self) -> list[tuple[str, Feed]]:
        return list(self.feeds.items())


def _is_recorded(feed: Feed) -> bool:
    writer = feed.writer
    if writer is None or writer.stopped:
        return False
    return any(sink is writer for sink in feed.stream.sinks)
