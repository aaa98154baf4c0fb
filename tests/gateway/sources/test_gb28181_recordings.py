"""A GB/T 28181 device's recording as backfill plays it: a download, or else playback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import Stream, Variant
from gateway.control.channel import ControlClient, ControlError
from gateway.database.engine import create_reader_engine
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas
from gateway.platforms.operations import DeviceRecording
from gateway.settings import Settings
from gateway.sources.gb28181 import media_place
from gateway.sources.recordings import RecordingRequest, play_recording
from gateway.sources.registry import SourceContext
from tests.camera_adapters.gb28181.test_recording import START_US, Kept, packed
from tests.gateway.kept import new_database
from tests.gateway.sources.test_gb28181 import SECRET, Signalling

HOST = "127.0.0.1"
AREA = {"id": "area", "name": "county", "path": "area/", "position": 0, "created_us": 1}
PLATFORM = {
    "id": "plt_1",
    "kind": "gb28181",
    "direction": "below",
    "name": "recorder",
    "area_id": "area",
    "options": {"media_transport": "tcp_passive"},
    "enabled": True,
    "created_us": 1,
    "changed_us": 1,
}
CHANNEL = "34020000001320000001"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_directory=tmp_path / "data")


@pytest.fixture
def rows(settings: Settings) -> Iterator[sa.Engine]:
    settings.data_directory.mkdir(parents=True)
    engine = new_database(settings)
    with engine.begin() as connection:
        connection.execute(sa.insert(areas).values(**AREA))
        connection.execute(sa.insert(platforms).values(**PLATFORM))
    yield engine
    engine.dispose()


@dataclass
class World:
    signalling: Signalling
    context: SourceContext
    sink: Kept
    request: RecordingRequest


@pytest.fixture
async def world(settings: Settings, rows: sa.Engine, tmp_path: Path) -> AsyncIterator[World]:
    signalling = Signalling(tmp_path / "signalling.sock")
    await signalling.start()
    client = ControlClient(signalling.path, SECRET)
    reader: AsyncEngine = create_reader_engine(settings)
    sink = Kept()
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(sink)
    end_us = START_US + 20_000_000
    recording = DeviceRecording(START_US, end_us)
    request = RecordingRequest(
        "cam_1", "plt_1", "gb28181", CHANNEL, recording, START_US, end_us, stream
    )
    context = SourceContext(
        settings, client, None, media=media_place(settings, "shard-1"), reader=reader
    )
    yield World(signalling, context, sink, request)
    await client.close()
    await reader.dispose()
    await signalling.stop()


async def asked(world: World, count: int) -> dict[str, object]:
    async with asyncio.timeout(10):
        while len(world.signalling.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return world.signalling.asked[count - 1]


@pytest.mark.parametrize("has_download", [True, False])
async def test_the_stretch_comes_with_its_own_time(
    world: World, has_download: bool, pedestrians_h264: Path
) -> None:
    if not has_download:
        world.signalling.refusals = [ControlError("refused", "the device answers 488")]
    playing = asyncio.create_task(play_recording(world.request, world.context))
    first = await asked(world, 1)
    assert (first["purpose"], first["speed"], first["transport"]) == (
        "download",
        4.0,
        "tcp_passive",
    )
    assert (first["start_us"], first["end_us"]) == (START_US, START_US + 20_000_000)
    last = first
    if not has_download:
        last = await asked(world, 2)
        assert last["purpose"] == "playback" and "speed" not in last
    units, data = packed(pedestrians_h264, 20, ssrc=100_000_001)
    _, writer = await asyncio.open_connection(HOST, int(str(last["port"])))
    writer.write(data)
    await writer.drain()
    world.signalling.events.put_nowait({"type": "file_end"})
    ending = await asyncio.wait_for(playing, 20)
    assert ending.outcome == "whole"
    assert [one.payload for one in world.sink.units] == [one.payload for one in units]
    assert world.sink.units[0].wall_us == START_US
    writer.close()


async def test_what_the_device_refuses_is_told(world: World) -> None:
    world.signalling.refusals = [ControlError("offline", "the device is not registered")]
    ending = await play_recording(world.request, world.context)
    assert (ending.outcome, ending.fault) == ("broken", "platform_offline")
    assert ending.detail == "the device is not registered"
