"""Transport streams as ffmpeg makes them, whole and torn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.mpeg_ts.demultiplex import (
    PACKET_BYTES,
    TransportDemultiplexer,
    TsPicture,
    TsSound,
    Unit,
)
from camera_adapters.stream import Codec
from tests.fuzz import fuzz_mpeg_ts
from tests.peers.ffmpeg_sender import AAC, H264, H265, PICTURES, TONE
from tests.peers.media_file import make_media


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    return make_media(path, *PICTURES, *TONE, "-t", "2", *H264, *AAC).read_bytes()


def taken_apart(data: bytes, step: int) -> tuple[list[Unit], TransportDemultiplexer]:
    demultiplexer = TransportDemultiplexer()
    units: list[Unit] = []
    for start in range(0, len(data), step):
        units += demultiplexer.receive(data[start : start + step])
    return units + demultiplexer.flush(), demultiplexer


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5000))
def test_any_cut_gives_every_picture(made: bytes, step: int) -> None:
    units, demultiplexer = taken_apart(made, max(step, 97))
    pictures = [one for one in units if isinstance(one, TsPicture)]
    sound = [one for one in units if isinstance(one, TsSound)]
    assert len(pictures) == 50
    assert {b.dts_90k - a.dts_90k for a, b in pairwise(pictures)} == {3600}
    assert len(sound) in (87, 88)
    assert sound[0].track.codec is Codec.AAC
    assert demultiplexer.damaged == demultiplexer.malformed == 0


def test_h265(tmp_path: Path) -> None:
    data = make_media(tmp_path / "a.ts", *PICTURES, "-t", "1", *H265).read_bytes()
    units, _ = taken_apart(data, 4096)
    assert len(units) == 25
    assert {one.codec for one in units if isinstance(one, TsPicture)} == {Codec.H265}


def test_lost_packets_cost_the_pictures_that_they_were_of(made: bytes) -> None:
    packets = [made[at : at + PACKET_BYTES] for at in range(0, len(made), PACKET_BYTES)]
    third = len(packets) // 3
    units, demultiplexer = taken_apart(b"".join(packets[:third] + packets[third + 2 :]), 4096)
    assert demultiplexer.damaged >= 1
    assert len([one for one in units if isinstance(one, TsPicture)]) >= 46


def test_other_video_is_named(tmp_path: Path) -> None:
    data = make_media(tmp_path / "a.ts", *PICTURES, "-t", "1", "-c:v", "mpeg2video").read_bytes()
    _, demultiplexer = taken_apart(data, 4096)
    assert demultiplexer.unsupported == "MPEG-2 video"


@given(st.binary(max_size=600))
def test_any_bytes_are_taken(data: bytes) -> None:
    fuzz_mpeg_ts.target(data)
