"""FLV: framing, and the ways in which H.265 and sound are put into it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.flv.media import FlvMedia
from camera_adapters.flv.tags import FlvError, Tag, TagReader
from camera_adapters.media_ingest import MediaIngest
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.stream import Codec
from tests.fuzz import fuzz_flv
from tests.peers.parameter_sets import H265_PPS, H265_SPS, H265_VPS
from tests.peers.recorded_stream import RecordedStream

HEADER = b"FLV\x01\x05\x00\x00\x00\x09" + bytes(4)
IDR = b"\x26\x01\xaf\x10\x20"
TRAIL = b"\x02\x01\xd0\x10\x20"


def tag(kind: int, time_ms: int, body: bytes) -> bytes:
    head = bytes((kind,)) + len(body).to_bytes(3, "big")
    head += (time_ms & 0xFFFFFF).to_bytes(3, "big") + bytes((time_ms >> 24 & 0xFF,)) + bytes(3)
    return head + body + (len(body) + 11).to_bytes(4, "big")


def hvcc() -> bytes:
    arrays = b"".join(
        bytes((nal[0] >> 1 & 0x3F,)) + struct.pack(">HH", 1, len(nal)) + nal
        for nal in (H265_VPS, H265_SPS, H265_PPS)
    )
    return b"\x01" + bytes(20) + b"\xff\x03" + arrays


def sized(nal: bytes) -> bytes:
    return struct.pack(">I", len(nal)) + nal


@given(
    st.lists(
        st.tuples(st.sampled_from([8, 9, 18]), st.integers(0, 0xFFFFFFFF), st.binary(max_size=99)),
        max_size=6,
    ),
    st.integers(1, 50),
)
def test_tags_survive_any_cut(sent: list[tuple[int, int, bytes]], step: int) -> None:
    wire = HEADER + b"".join(tag(*one) for one in sent)
    reader = TagReader()
    read = []
    for start in range(0, len(wire), step):
        read += reader.receive(wire[start : start + step])
    assert read == [Tag(*one) for one in sent]


def test_what_is_no_flv_is_refused() -> None:
    with pytest.raises(FlvError):
        TagReader().receive(b"<html><body>")
    with pytest.raises(FlvError, match="lost"):
        TagReader().receive(HEADER + b"\x09\xff\xff\xff" + bytes(20))


@pytest.mark.parametrize(
    ("start", "picture"),
    [
        (b"\x1c\x00\x00\x00\x00", b"\x1c\x01\x00\x00\x00"),  # codec 12
        (b"\x90hvc1", b"\x91hvc1\x00\x00\x00"),  # CodedFrames
        (b"\x90hvc1", b"\x93hvc1"),  # CodedFramesX
        (b"\x97\x00\x00\x00hvc1", b"\x97\x00\x00\x03hvc1"),  # behind a ModEx
    ],
)
async def test_h265_in_all_its_forms(start: bytes, picture: bytes) -> None:
    sink = RecordedStream()
    ingest = MediaIngest(sink.stream, CameraClock())
    media = FlvMedia(ingest)
    media.take(9, 0, start + hvcc(), 1_000_000)
    for number in range(12):
        nal = TRAIL if number % 5 else IDR
        media.take(9, number * 40, picture + sized(nal), 1_000_000 + number * 40_000)
        media.take(8, number * 40, b"\x72" + bytes(320), 1_000_000 + number * 40_000)
    ingest.close()
    assert sink.runs[-1][0].codec is Codec.H265
    assert sink.runs[-1][1].codec is Codec.PCMA
    assert [unit.keyframe for unit in sink.pictures[:6]] == [True, *[False] * 4, True]
    assert ingest.counters.malformed == 0


async def test_time_goes_on_where_32_bits_of_milliseconds_end() -> None:
    sink = RecordedStream()
    ingest = MediaIngest(sink.stream, CameraClock())
    media = FlvMedia(ingest)
    media.take(9, 0, b"\x1c\x00\x00\x00\x00" + hvcc(), 0)
    first = 0xFFFFFFFF - 100
    for number in range(12):
        body = b"\x1c\x01\x00\x00\x00" + sized(IDR)
        media.take(9, first + number * 40 & 0xFFFFFFFF, body, 10**12 + number * 40_000)
    ingest.close()
    walls = [unit.wall_us for unit in sink.pictures]
    assert len(walls) == 12
    assert walls[-1] - walls[0] == pytest.approx(11 * 40_000, abs=5000)


async def test_other_codecs_are_named() -> None:
    media = FlvMedia(MediaIngest(RecordedStream().stream, CameraClock()))
    media.take(9, 0, b"\x90av01" + bytes(8), 0)
    assert media.unsupported == "AV1"


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    fuzz_flv.target(data)
    fuzz_flv.target(HEADER + data)
