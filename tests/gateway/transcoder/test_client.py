from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from gateway.control.channel import ControlClient, ControlServer
from gateway.transcoder.audio import AudioTranscoder
from gateway.transcoder.client import Produced, Queued, Started, TranscoderClient
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.live_variant import LiveVariant
from gateway.transcoder.process import handlers

SECRET = b"s" * 32


@pytest.fixture
async def client(pool, tmp_path) -> AsyncIterator[TranscoderClient]:
    server = ControlServer(tmp_path / "transcoder.sock", SECRET, handlers(pool))
    await server.start()
    control = ControlClient(tmp_path / "transcoder.sock", SECRET)
    yield TranscoderClient(control)
    await control.close()
    await server.close()


async def test_transcoding_over_the_control_channel(client, h265) -> None:
    made: list[AccessUnit] = []
    async with client.open("video", h265.track, live=False) as job:
        async for event in job:
            if isinstance(event, Started):
                assert event.track.codec is Codec.H264
                await job.push(h265.units[:30])
                await job.finish(1)
            elif isinstance(event, Produced):
                made += event.units
                if event.token == 1:
                    break
    assert [unit.pts_90k for unit in made] == [unit.pts_90k for unit in h265.units[:30]]


async def test_the_queue_is_shown_and_a_closed_job_gives_its_place_back(client, h265) -> None:
    first = client.open("video", h265.track, live=False)
    assert isinstance(await anext(first), Started)
    second = client.open("video", h265.track, live=False)
    event: object = await anext(second)
    assert event == Queued(1, 1)
    await first.close()
    while not isinstance(event, Started):
        event = await anext(second)
    await second.close()


async def test_pictures_and_errors(client, h265) -> None:
    jpeg = await client.picture(h265.track, h265.units[:3], at_90k=9000, width=160)
    assert jpeg.startswith(b"\xff\xd8")
    with pytest.raises(TranscodeError) as refusal:
        await client.picture(h265.track, [])
    assert refusal.value.code == "undecodable"
    assert (await client.status())["limit"] == 1


async def test_no_transcoder_is_said_so(tmp_path, h265) -> None:
    control = ControlClient(tmp_path / "nobody.sock", SECRET, connect_timeout_s=0.1)
    with pytest.raises(TranscodeError) as refusal:
        await anext(TranscoderClient(control).open("video", h265.track, live=True))
    assert refusal.value.code == "unavailable"


class Viewer:
    """A sink that collects."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.units: list[AccessUnit] = []
        self.interruptions: list[Interruption] = []

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.tracks = tracks

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        pass


PCMA = Track("audio", Codec.PCMA, 8000, channels=1)


async def wait_for(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_h264_variant_of_a_live_camera_joined_in_mid_gop(client, h265) -> None:
    source = Stream("cam", Variant.MAIN)
    source.start_run((h265.track, PCMA))
    for unit in h265.units[:12]:
        source.publish(unit)
    variant = LiveVariant(source, Variant.H264, client)
    viewer = Viewer()
    variant.output.attach(viewer)
    source.attach(variant)
    await wait_for(lambda: viewer.units)
    # The newest picture first, not the past of its GOP.
    assert viewer.units[0].pts_90k == h265.units[11].pts_90k
    assert viewer.units[0].keyframe
    assert [track.codec for track in viewer.tracks] == [Codec.H264, Codec.PCMA]
    sound = AccessUnit(1, b"\xd5" * 160, 108_000, 108_000, True, 0)
    source.publish(sound)
    assert sound in viewer.units
    for unit in h265.units[12:30]:
        source.publish(unit)
    await wait_for(lambda: len([u for u in viewer.units if u.track_index == 0]) == 19)
    source.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "gone"))
    assert [item.cause for item in viewer.interruptions] == [GapCause.CAMERA_OFFLINE]
    source.start_run((h265.track, PCMA))
    source.publish(h265.units[0])
    count = len(viewer.units)
    await wait_for(lambda: len(viewer.units) > count)
    variant.close()
    assert source.sinks == ()


async def test_opus_variant_passes_the_picture_on(client, h264) -> None:
    to_aac = AudioTranscoder(PCMA, Codec.AAC)
    aac = to_aac.push(AccessUnit(1, b"\xd5" * 160, i * 1800, i * 1800, True, 0) for i in range(300))
    source = Stream("cam", Variant.MAIN)
    source.start_run((h264.track, to_aac.track))
    variant = LiveVariant(source, Variant.OPUS, client)
    viewer = Viewer()
    variant.output.attach(viewer)
    source.attach(variant)
    await wait_for(lambda: viewer.tracks)
    assert [track.codec for track in viewer.tracks] == [Codec.H264, Codec.OPUS]
    source.publish(h264.units[0])
    for unit in aac:
        source.publish(unit)
    assert viewer.units[0] is h264.units[0]
    await wait_for(lambda: len([u for u in viewer.units if u.track_index == 1]) > 100)
    variant.close()
