"""``source.sample``: what one variant of a camera does over some seconds, for its diagnosis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any

from camera_adapters.codecs.codec_string import codec_string
from camera_adapters.source import SourceCounters
from camera_adapters.stream import AccessUnit, Interruption, Track, Variant
from gateway.control.channel import ControlError
from gateway.shard.feed import Feed
from gateway.shard.shard import MediaShard
from gateway.shard.variant_state import feed_state

LONGEST_S = 30.0

# H.264 table A-1 and §A.2, H.265 §A.3.
_H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10"}
_H265_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}


class _Looking:
    """A Sink that is nothing but somebody who watches: an idle camera is pulled for it."""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """Nothing."""

    def on_access_unit(self, unit: AccessUnit) -> None:
        """Nothing."""

    def on_interrupted(self, interruption: Interruption) -> None:
        """Nothing."""

    def on_closed(self) -> None:
        """Nothing."""


def sampling_calls(shard: MediaShard) -> dict[str, Callable[..., Any]]:
    """``source.sample(camera_id, variant, seconds)``, a stream of one item: {state, before, after,
    profile, codec_string}; the counters as :class:`~camera_adapters.source.SourceCounters`.
    """

    async def sample(camera_id: str, variant: str, seconds: float) -> AsyncIterator[dict[str, Any]]:
        try:
            feed = shard.feed(camera_id, Variant(variant))
        except (LookupError, ValueError) as error:
            raise ControlError("not_found", str(error)) from None
        looking = _Looking()
        feed.stream.attach(looking, replay_gop=False)
        try:
            before = _counters(feed)
            await asyncio.sleep(min(max(seconds, 0.0), LONGEST_S))
            if not feed.stream.running:
                before = None
            elif before is None:
                # It was connected to within this time: counted from nothing.
                before = asdict(SourceCounters())
            yield {
                "state": feed_state(feed, recording=_is_recorded(feed), viewers=0),
                "before": before,
                "after": _counters(feed),
                **profile_of(feed.stream.tracks),
            }
        finally:
            feed.stream.detach(looking)

    return {"source.sample": sample}


def profile_of(tracks: tuple[Track, ...]) -> dict[str, str]:
    """``profile`` (High, Main 10, …) and ``codec_string`` of the pictures, where they are known."""
    for track in tracks:
        if track.kind != "video":
            continue
        with contextlib.suppress(ValueError, IndexError):
            text = codec_string(track)
            number = int(text[5:7], 16) if text.startswith("avc1.") else _h265_number(text)
            names = _H264_PROFILES if text.startswith("avc1.") else _H265_PROFILES
            return {"profile": names.get(number, str(number)), "codec_string": text}
    return {}


def _h265_number(text: str) -> int:
    return int(text.split(".")[1].lstrip("ABC"))


def _counters(feed: Feed) -> dict[str, Any] | None:
    return None if feed.source is None else asdict(feed.source.counters)


def _is_recorded(feed: Feed) -> bool:
    return feed.writer is not None and feed.writer.recording
