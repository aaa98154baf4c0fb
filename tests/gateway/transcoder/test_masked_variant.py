"""The masked variant of a live camera: shared, and never a picture behind its masks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from camera_adapters.stream import AccessUnit, Interruption, Stream, Track, Variant
from gateway.control.channel import ControlClient, ControlServer
from gateway.masks import Polygons, polygons_of
from gateway.shard.derived import DerivedVariants
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.pool import TranscoderPool
from gateway.transcoder.process import handlers
from gateway.transcoder.video import open_decoder, packet_of
from tests.gateway.transcoder.conftest import Clip
from tests.peers.masked_pictures import LEFT_HALF, hides_left_half

SECRET = b"s" * 32
LEFT: Polygons = polygons_of([LEFT_HALF])
RIGHT: Polygons = polygons_of([{"points": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}])


class Viewer:
    """Decodes what it is given, run by run."""

    def __init__(self) -> None:
        self.runs: list[list[np.ndarray]] = []
        self.interruptions: list[Interruption] = []
        self._changed = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append([])
        self._track = tracks[0]
        self._decoder = open_decoder(tracks[0])

    def on_access_unit(self, unit: AccessUnit) -> None:
        for frame in self._decoder.decode(packet_of(self._track, unit)):
            self.runs[-1].append(frame.to_ndarray(format="gray"))
        self._changed.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        return

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def derived(pool: TranscoderPool, tmp_path: Path) -> AsyncIterator[DerivedVariants]:
    server = ControlServer(tmp_path / "transcoder.sock", SECRET, handlers(pool))
    await server.start()
    control = ControlClient(tmp_path / "transcoder.sock", SECRET)
    made = DerivedVariants(TranscoderClient(control), lambda *_: None)
    yield made
    made.close()
    await control.close()
    await server.close()


async def test_a_change_of_masks_holds_from_the_next_picture_on(
    derived: DerivedVariants, pool: TranscoderPool, h264: Clip
) -> None:
    base = Stream("cam", Variant.MAIN)
    base.start_run((h264.track,))
    for unit in h264.units[:10]:
        base.publish(unit)
    assert derived.cover({"cam": LEFT}) is True
    assert derived.cover({"cam": LEFT}) is False
    output = derived.get(base, Variant.MASKED)
    first, second = Viewer(), Viewer()
    output.attach(first)
    derived.get(base, Variant.MASKED).attach(second)
    await first.until(lambda: bool(first.runs and first.runs[-1]))
    for unit in h264.units[10:20]:
        base.publish(unit)
    await first.until(lambda: len(first.runs[-1]) == 11)
    # One job for both, a live one.
    assert pool.status() == {"running": 1, "queued": 0, "live": 1, "limit": 1}
    assert len(second.runs[-1]) == 11
    assert all(map(hides_left_half, first.runs[-1]))

    derived.cover({"cam": RIGHT})
    # Nothing that shows what is masked now is kept for who comes next.
    assert output.gop == []
    assert "masks" in first.interruptions[-1].detail
    await first.until(lambda: len(first.runs) == 2 and bool(first.runs[-1]))
    for unit in h264.units[20:30]:
        base.publish(unit)
    await first.until(lambda: len(first.runs[-1]) == 11)
    assert all(hides_left_half(picture[:, ::-1]) for picture in first.runs[-1])


async def test_main_and_sub_are_masked_each_by_itself(derived: DerivedVariants, h264: Clip) -> None:
    derived.cover({"cam": LEFT})
    main, sub = Stream("cam", Variant.MAIN), Stream("cam", Variant.SUB)
    masked = derived.get(main, Variant.MASKED)
    assert derived.get(sub, Variant.MASKED) is not masked
    # Sound for WebRTC is made of what is masked, not of what it was made from.
    assert derived.get(masked, Variant.OPUS) is not derived.get(
        derived.get(sub, Variant.MASKED), Variant.OPUS
    )
    assert len(main.sinks) == len(sub.sinks) == 1
