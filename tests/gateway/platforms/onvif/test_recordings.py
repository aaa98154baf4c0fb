"""A device's own footage, found by ONVIF and played by GStreamer's replay server, by our clock."""

from __future__ import annotations

import shutil
import time
from itertools import pairwise
from pathlib import Path

import pytest

from camera_adapters.stream import Stream, Variant
from gateway.identifiers import US_PER_S, now_us
from gateway.sources.recordings import RecordingRequest, play_recording
from gateway.sources.registry import SourceContext
from tests.camera_adapters.rtsp.test_gstreamer import Kept, make_clip
from tests.gateway.platforms.onvif.held import gateway
from tests.peers.onvif_device import Habits, OnvifDevice
from tests.peers.processes import gstreamer_replay

pytestmark = [
    pytest.mark.gstreamer,
    pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs Debian's Python"),
    pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg"),
]

# GStreamer's recordings begin on 1 January 1900; so the device's clock stands ten minutes later.
_1900_S = -2_208_988_800


async def test_what_was_searched_is_played(pedestrians_h264: Path, tmp_path: Path) -> None:
    clip = make_clip(pedestrians_h264, tmp_path / "clip.mp4", 20)
    with gstreamer_replay(clip, "h264") as url:
        habits = Habits(
            username="viewer",
            password="secret",
            skew_s=_1900_S + 600 - time.time(),
            recordings={1: [(_1900_S * US_PER_S, (_1900_S + 20) * US_PER_S)]},
            replay=url,
        )
        async with OnvifDevice(habits) as device, gateway(tmp_path) as held:
            platform_id = await held.add(device)
            operations = await held.online(platform_id)
            # Ten minutes ago by the device's clock is ten minutes ago by ours.
            begin_us = now_us() - 600 * US_PER_S
            (found,) = await operations.recordings(
                "vs_1", begin_us + 5 * US_PER_S, begin_us + 15 * US_PER_S
            )
        stream, kept = Stream("cam", Variant.MAIN), Kept()
        stream.attach(kept)
        ending = await play_recording(
            RecordingRequest(
                camera_id="cam",
                platform_id=platform_id,
                platform_kind="onvif",
                channel="vs_1",
                recording=found,
                start_us=found.start_us,
                end_us=found.end_us,
                stream=stream,
                username="viewer",
                password="secret",
            ),
            SourceContext(),
        )
    assert ending.outcome == "whole", ending.detail
    assert abs(found.start_us - begin_us - 5 * US_PER_S) <= 1
    assert kept.units[0].wall_us <= found.start_us
    assert found.end_us - 200_000 <= kept.units[-1].wall_us < found.end_us
    apart = [later.wall_us - earlier.wall_us for earlier, later in pairwise(kept.units)]
    assert all(abs(one - 100_000) <= 20 for one in apart)
