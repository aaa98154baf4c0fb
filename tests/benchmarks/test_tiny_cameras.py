"""The cheap cameras of ``benchmarks.control_plane`` are cameras: sources pull them."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from benchmarks._control_county import camera_rows
from benchmarks._reference_county import CAMERAS
from benchmarks._tiny_cameras import tiny_cameras
from camera_adapters.rtsp.source import RtspSource
from camera_adapters.stream import Stream, Variant
from tests.gateway.shard.conftest import Viewer


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes their pictures")
async def test_many_are_pulled_from_one_process_and_go_on_sending(tmp_path: Path) -> None:
    with tiny_cameras(tmp_path, picture_s=0.1) as port:
        viewers, sources = [], []
        for number in range(20):
            stream, viewer = Stream(f"cam_{number}", Variant.MAIN), Viewer()
            stream.attach(viewer)
            viewers.append(viewer)
            sources.append(RtspSource(f"rtsp://127.0.0.1:{port}/{number}/main", stream))
            sources[-1].start()
        await asyncio.gather(*(viewer.sees(25) for viewer in viewers))
        for viewer in viewers:
            times = [unit.pts_90k for unit in viewer.units]
            assert times == sorted(set(times))
            assert (viewer.runs, viewer.interruptions) == (1, [])
        await asyncio.gather(*(source.stop() for source in sources))


def test_the_county_s_cameras_are_at_the_addresses_where_somebody_answers() -> None:
    heading, *rows = camera_rows(30_000, 554)
    assert len(rows) == CAMERAS
    assert len(list(camera_rows(50, 554))) == 51
    for column in ("主码流", "子码流"):
        addresses = {row[heading.index(column)] for row in rows}
        assert len(addresses) == CAMERAS
        assert all(one.startswith("rtsp://127.0.0.1:554/") for one in addresses)
