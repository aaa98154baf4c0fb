from __future__ import annotations

import io

import av
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.stream import Codec, Track
from gateway.footage.virtual_mp4 import Mp4Table
from recorder.fmp4.reader import Sample

VIDEO = Track(
    "video",
    Codec.H264,
    90000,
    (
        bytes.fromhex("6742c01fda030049a10000030001000003 00148f1832a0".replace(" ", "")),
        b"\x68\xce\x0f\xc8",
    ),
    768,
    576,
)
SOUND = Track("audio", Codec.AAC, 8000, (b"\x15\x88",), channels=1)

fragment_lengths = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 6), st.integers(0, 90_000)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(fragment_lengths, st.integers(0, 1 << 40))
def test_a_demuxer_finds_each_sample_where_it_was_put(fragments, first_dts) -> None:
    table = Mp4Table([VIDEO, SOUND])
    data = bytearray()
    expected: list[bytes] = []
    sounds: list[bytes] = []
    dts = first_dts
    for number, (pictures, frames, hole) in enumerate(fragments):
        if number == 0 or hole:
            dts += hole
            table.begin_stretch(dts)
        video = []
        for index in range(pictures):
            payload = bytes([number, index]) * (index + 3)
            expected.append(payload)
            data += payload
            video.append(Sample(1, 0, len(payload), dts, 3600, 0, index == 0))
            dts += 3600
        table.add(0, video)
        audio = []
        for index in range(frames):
            payload = bytes([number, index, 7])
            sounds.append(payload)
            data += payload
            at = (dts - pictures * 3600) * 8000 // 90000 + index * 1024
            audio.append(Sample(2, 0, len(payload), at, 1024, 0, True))
        table.add(1, audio)
    length = len(expected) * 3600
    head = table.head(skip_90k=0, duration_90k=length, creation_us=0)
    assert table.data_bytes == len(data)
    assert table.samples == len(expected) + len(sounds)
    found: dict[str, list[bytes]] = {"video": [], "audio": []}
    with av.open(
        io.BytesIO(head + bytes(data)), format="mp4", options={"advanced_editlist": "0"}
    ) as opened:
        for packet in opened.demux():
            if packet.size:
                found[packet.stream.type].append(bytes(packet))
    assert found["video"] == expected
    assert found["audio"] == sounds


def test_sound_begins_where_it_belongs() -> None:
    table = Mp4Table([VIDEO, SOUND])
    table.begin_stretch(0)
    table.add(0, [Sample(1, 0, 10, 3600 * n, 3600, 0, n == 0) for n in range(50)])
    table.add(1, [Sample(2, 0, 5, 8000 + 1024 * n, 1024, 0, True) for n in range(8)])
    head = table.head(skip_90k=45_000, duration_90k=135_000, creation_us=0)
    with av.open(io.BytesIO(head + bytes(table.data_bytes)), format="mp4") as opened:
        audio = opened.streams.audio[0]
        first = next(packet for packet in opened.demux(audio) if packet.size)
    # One second after the first picture, half a second after the instant that is shown first.
    assert abs(first.pts * first.time_base - 0.5) < 0.002
