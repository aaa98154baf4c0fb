"""Variants that are made: one job however many watch, and none when nobody does."""

from __future__ import annotations

import asyncio

from camera_adapters.stream import Codec, Stream, Track, Variant
from gateway.shard.derived import DerivedVariants
from gateway.transcoder.client import TranscoderClient
from tests.gateway.shard.conftest import NoTranscoder, Viewer

# LiveVariant passes a picture with G.711 on to `opus` as it is: no transcoder is asked.
TRACKS = (
    Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01")),
    Track("audio", Codec.PCMA, 8000, channels=1),
)


def derived(idle_s: float) -> DerivedVariants:
    transcoder: TranscoderClient = NoTranscoder()  # type: ignore[assignment]
    return DerivedVariants(transcoder, lambda *_: None, idle_s=idle_s)


async def test_two_viewers_share_one_variant() -> None:
    base, variants = Stream("cam", Variant.MAIN), derived(60)
    base.start_run(TRACKS)
    first = variants.get(base, Variant.OPUS)
    assert variants.get(base, Variant.OPUS) is first
    assert variants.get(Stream("cam", Variant.SUB), Variant.OPUS) is not first
    assert len(base.sinks) == 1
    variants.close()


async def test_it_ends_when_nobody_has_watched_for_a_while() -> None:
    base, variants = Stream("cam", Variant.MAIN), derived(0.05)
    base.start_run(TRACKS)
    ended = asyncio.Event()
    base.on_sinks_changed = lambda stream: None if stream.sinks else ended.set()
    viewer = Viewer()
    output = variants.get(base, Variant.OPUS)
    output.attach(viewer)
    await asyncio.sleep(0.1)
    assert not output.closed
    output.detach(viewer)
    await asyncio.wait_for(ended.wait(), 10)
    assert output.closed
    assert variants.existing() == []
    assert variants.get(base, Variant.OPUS) is not output
    variants.close()


async def test_it_ends_with_its_base() -> None:
    base, variants = Stream("cam", Variant.MAIN), derived(60)
    base.start_run(TRACKS)
    viewer = Viewer()
    variants.get(base, Variant.OPUS).attach(viewer)
    base.close()
    assert viewer.closed
