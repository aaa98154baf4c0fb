"""What the shard says of itself: states by camera and variant, and the figures for /metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict
from typing import Any

from camera_adapters.stream import Variant
from gateway.shard.feed import Feed
from gateway.shard.sessions import LiveSessions
from gateway.shard.shard import MediaShard
from gateway.shard.told import RELEASED
from gateway.shard.variant_state import derived_state, feed_state

_GATHER_S = 0.1
_FEEDS_AT_ONCE = 50


class Report:
    """Reads the shard; remembers nothing but who watches it. ``elsewhere``: who watches its
    cameras on other shards.
    """

    def __init__(
        self,
        shard: MediaShard,
        sessions: LiveSessions,
        elsewhere: Callable[[], Counter[tuple[str, Variant]]] = Counter,
    ) -> None:
        self._shard = shard
        self._sessions = sessions
        self._elsewhere = elsewhere
        self._watchers: set[_Watcher] = set()

    async def cameras(self) -> list[dict[str, Any]]:
        """``{camera_id, epoch, states: {variant: VariantState}}`` of each camera."""
        viewers = self._viewers()
        by_camera: dict[str, dict[str, Any]] = {}
        async for feed in _unhurried(self._shard.feeds.values()):
            camera_id, variant = feed.desired.camera_id, feed.desired.variant
            entry = by_camera.setdefault(
                camera_id, {"camera_id": camera_id, "epoch": feed.desired.epoch, "states": {}}
            )
            entry["states"][str(variant)] = self._feed_state(feed, viewers[camera_id, variant])
        for live in self._shard.derived.existing():
            output = live.output
            if output.camera_id in by_camera:
                by_camera[output.camera_id]["states"][str(output.variant)] = derived_state(
                    live, viewers=viewers[output.camera_id, output.variant]
                )
        return list(by_camera.values())

    def changed(self, camera_id: str, variant: Variant) -> None:
        """Something about this variant is new."""
        for watcher in self._watchers:
            watcher.add((camera_id, variant))

    async def turn(self) -> None:
        """Make rates, and tell them."""
        loop = asyncio.get_running_loop()
        async for feed in _unhurried(self._shard.feeds.values()):
            feed.turn(loop.time())
            self.changed(feed.desired.camera_id, feed.desired.variant)

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """All states, then each that changed; see docs/architecture.md."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            told: dict[tuple[str, Variant], dict[str, Any]] = {
                (camera["camera_id"], Variant(variant)): state
                for camera in await self.cameras()
                for variant, state in camera["states"].items()
            }
            yield {
                "states": [
                    {"camera_id": camera_id, "variant": str(variant), **state}
                    for (camera_id, variant), state in told.items()
                ]
            }
            while True:
                keys = await watcher.take()
                viewers = self._viewers()
                news = []
                for camera_id, variant in keys:
                    state = self._state(camera_id, variant, viewers[camera_id, variant])
                    if state is None and told.pop((camera_id, variant), None) is not None:
                        state = {"state": RELEASED}
                    elif state is not None and told.get((camera_id, variant)) != state:
                        told[camera_id, variant] = state
                    else:
                        continue
                    news.append({"camera_id": camera_id, "variant": str(variant), **state})
                if news:
                    yield {"states": news}
        finally:
            self._watchers.discard(watcher)

    def _viewers(self) -> Counter[tuple[str, Variant]]:
        return self._sessions.viewers() + self._elsewhere()

    def _state(self, camera_id: str, variant: Variant, viewers: int) -> dict[str, Any] | None:
        try:
            return self._feed_state(self._shard.feed(camera_id, variant), viewers)
        except LookupError:
            if f"{camera_id}/{Variant.MAIN}" not in self._shard.feeds:
                return None  # it is another shard's to tell, which relays it to us
            live = self._shard.derived.find(camera_id, variant)
            return derived_state(live, viewers=viewers) if live is not None else None

    @staticmethod
    def _feed_state(feed: Feed, viewers: int) -> dict[str, Any]:
        recording = feed.writer is not None and feed.writer.recording
        return feed_state(feed, recording=recording, viewers=viewers)

    async def figures(self) -> list[dict[str, Any]]:
        """Counters of each pulled variant."""
        viewers = self._viewers()
        return [
            self._figures(feed, viewers[_key(feed)])
            async for feed in _unhurried(self._shard.feeds.values())
        ]

    def _figures(self, feed: Feed, viewers: int) -> dict[str, Any]:
        source, writer = feed.source, feed.writer
        return {
            "camera_id": feed.desired.camera_id,
            "variant": str(feed.desired.variant),
            "state": self._feed_state(feed, viewers)["state"],
            "wanted_recording": feed.desired.recorded,
            "recording": writer is not None and writer.recording,
            "viewers": viewers,
            "bitrate_bps": feed.rates.bitrate_bps,
            "frames_per_second": feed.rates.frames_per_second,
            "gop_s": feed.rates.gop_s,
            "outages": feed.outages,
            "source": asdict(source.counters) if source is not None else None,
            "recorder": asdict(writer.counters) if writer is not None else None,
            "clock_offset_us": feed.clock_offset_us,
        }


def _key(feed: Feed) -> tuple[str, Variant]:
    return feed.desired.camera_id, feed.desired.variant


async def _unhurried(feeds: Iterable[Feed]) -> AsyncIterator[Feed]:
    """All feeds, letting the pictures through between a few of them and the next."""
    for number, feed in enumerate(tuple(feeds), start=1):
        yield feed
        if number % _FEEDS_AT_ONCE == 0:
            await asyncio.sleep(0)


class _Watcher:
    """Keys that changed since they were last taken."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, Variant], None] = {}
        self._wake = asyncio.Event()

    def add(self, key: tuple[str, Variant]) -> None:
        self._keys[key] = None
        self._wake.set()

    async def take(self) -> list[tuple[str, Variant]]:
        await self._wake.wait()
        # A camera that flaps, or a thousand that come at once, make one message.
        await asyncio.sleep(_GATHER_S if len(self._keys) < _FEEDS_AT_ONCE else 0)
        keys = list(self._keys)[:_FEEDS_AT_ONCE]
        for key in keys:
            del self._keys[key]
        if not self._keys:
            self._wake.clear()
        return keys
