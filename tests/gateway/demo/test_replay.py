"""The demo's clips and cameras: endless, continuous, and honest about their time."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

import gateway.demo
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.source import SourceState
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant
from gateway.demo.clip import Clip, ClipError, load_clip
from gateway.demo.replay import Replay, ReplayServer
from gateway.demo.tone import TONE_TRACK, a_law, tone_units
from gateway.identifiers import now_us

FOLDER = Path(gateway.demo.__file__).parent


class Collector:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.tracks: list[tuple[Track, ...]] = []
        self.units: list[AccessUnit] = []
        self.interruptions: list[Interruption] = []
        self.closed = False
        self._wanted = 0
        self._reached = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) >= self._wanted:
            self._reached.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        self.closed = True

    async def wait_for(self, count: int) -> None:
        self._wanted = count
        if len(self.units) < count:
            self._reached.clear()
            await asyncio.wait_for(self._reached.wait(), 20)


@pytest.fixture(scope="module")
def crossing() -> Clip:
    return load_clip(FOLDER / "crossing.mp4")


def short(clip: Clip, pictures: int) -> Clip:
    """The first pictures of a clip, as a clip of its own."""
    duration_90k = clip.units[pictures].dts_90k
    return Clip(clip.tracks, clip.units[:pictures], duration_90k)


@pytest.mark.parametrize(
    ("name", "gop_90k"), [("crossing.mp4", 180_000), ("crossing_sub.mp4", 90_000)]
)
def test_the_demo_clips_suit_every_player(name: str, gop_90k: int) -> None:
    clip = load_clip(FOLDER / name)
    (video,) = clip.tracks
    assert video.codec is Codec.H264
    assert video.reorder_depth == 0
    keyframes = [unit.dts_90k for unit in clip.units if unit.keyframe]
    assert {after - before for before, after in pairwise(keyframes)} == {gop_90k}
    assert clip.duration_90k == len(clip.units) * 9000


def test_a_clip_starts_at_the_keyframe_before(crossing: Clip) -> None:
    index = crossing.from_keyframe(7.5)
    assert crossing.units[index].keyframe
    assert crossing.units[index].dts_90k == 6 * 90000
    assert crossing.from_keyframe(0.0) == 0


def test_a_file_that_is_no_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"no film")
    with pytest.raises(ClipError, match=r"broken\.mp4"):
        load_clip(path)


def test_a_law_is_what_a_decoder_takes_it_for() -> None:
    samples = np.arange(-32768, 32768, 11)
    decoder = av.CodecContext.create("pcm_alaw", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    (frame,) = decoder.decode(av.Packet(bytes(a_law(int(sample)) for sample in samples)))
    heard = frame.to_ndarray().reshape(-1).astype(int)
    # A step is 16 in the two lowest segments, and doubles with each segment above them.
    steps = 16 * 2 ** np.maximum(0, np.floor(np.log2(np.maximum(np.abs(samples), 1))) - 8)
    assert (np.abs(heard - samples) <= steps).all()


def test_the_tone_fills_the_clip(crossing: Clip) -> None:
    clip = crossing.with_track(TONE_TRACK, tone_units(1, crossing.duration_90k))
    sound = [unit for unit in clip.units if unit.track_index == 1]
    assert len(sound) == clip.duration_90k // 1800
    assert all(len(unit.payload) == 160 for unit in sound)
    assert [unit.dts_90k for unit in clip.units] == sorted(unit.dts_90k for unit in clip.units)


async def test_time_goes_on_across_the_loop(crossing: Clip) -> None:
    clip = short(crossing, 4)
    replay = Replay(Stream("cam", Variant.MAIN), clip)
    collector = Collector()
    replay.stream.attach(collector)
    replay.start()
    await collector.wait_for(10)
    replay.stop()
    assert [unit.pts_90k for unit in collector.units[:10]] == [9000 * n for n in range(10)]
    assert [unit.keyframe for unit in collector.units[:9]] == [True, False, False, False] * 2 + [
        True
    ]
    walls = [unit.wall_us for unit in collector.units]
    assert walls[9] - walls[0] == 900_000


async def test_our_own_client_plays_a_replayed_camera(crossing: Clip) -> None:
    server = ReplayServer()
    server.add("gate", crossing, passwords={"admin": "secret"})
    await server.start()
    stream, collector = Stream("cam", Variant.MAIN), Collector()
    stream.attach(collector)
    states: list[SourceState] = []
    source = RtspSource(
        server.url("gate"), stream, username="admin", password="secret", on_state=states.append
    )
    source.start()
    try:
        await collector.wait_for(25)
        assert collector.tracks[0][0].parameter_sets == crossing.tracks[0].parameter_sets
        known = {unit.payload for unit in crossing.units}
        assert {unit.payload for unit in collector.units} <= known
        assert abs(collector.units[-1].wall_us - now_us()) < 1_000_000
        assert source.counters.lost == 0
        assert states[-1].state == "live"
    finally:
        await source.stop()
        await server.close()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_gop_replayed_at_connect_is_filed_when_it_was_filmed(
    crossing: Clip, transport: Literal["tcp", "udp"]
) -> None:
    server = ReplayServer(replay_gop=True)
    filmed, received = Collector(), Collector()
    replay = server.add("gate", crossing)
    replay.stream.attach(filmed)
    await server.start()
    await filmed.wait_for(8)
    stream = Stream("cam", Variant.MAIN)
    stream.attach(received)
    source = RtspSource(server.url("gate"), stream, transport=transport)
    source.start()
    try:
        await received.wait_for(1)
        assert filmed.units[-1].wall_us - received.units[0].wall_us > 500_000
        await received.wait_for(20)
        assert max(unit.wall_us for unit in received.units) <= now_us()
        when = {unit.payload: unit.wall_us for unit in filmed.units}
        errors_us = [unit.wall_us - when[unit.payload] for unit in received.units]
        assert max(map(abs, errors_us)) < 50_000
        assert len(received.tracks) == 1
    finally:
        await source.stop()
        await server.close()
