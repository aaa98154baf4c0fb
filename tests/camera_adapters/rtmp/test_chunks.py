"""Chunks and values of RTMP: what is written is read, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtmp import amf0
from camera_adapters.rtmp.chunks import ChunkReader, ChunkWriter, Message, RtmpError
from tests.fuzz import fuzz_rtmp

_MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([8, 9, 18, 20]),
        st.integers(0, 0xFFFFFFFF),
        st.integers(0, 0xFFFF),
        st.binary(max_size=600),
        st.integers(3, 63),
    ),
    max_size=8,
)


@given(_MESSAGES, st.integers(1, 300), st.integers(1, 200))
def test_messages_survive_any_cut(
    sent: list[tuple[int, int, int, bytes, int]], chunk_bytes: int, step: int
) -> None:
    writer, reader = ChunkWriter(), ChunkReader()
    wire = writer.message(1, chunk_bytes.to_bytes(4, "big"), chunk_stream=2)
    writer.chunk_bytes = chunk_bytes
    for kind, time, stream, body, number in sent:
        wire += writer.message(kind, body, timestamp_ms=time, stream_id=stream, chunk_stream=number)
    read = []
    for start in range(0, len(wire), step):
        read += reader.receive(wire[start : start + step])
    assert read[1:] == [Message(kind, time, stream, body) for kind, time, stream, body, _ in sent]


def test_short_headers_take_time_and_length_from_before() -> None:
    whole = bytes((3,)) + (1000).to_bytes(3, "big") + (2).to_bytes(3, "big") + b"\x09"
    wire = whole + (1).to_bytes(4, "little") + b"ab"
    wire += bytes((0x83,)) + (40).to_bytes(3, "big") + b"cd"
    wire += bytes((0xC3,)) + b"ef"
    wire += bytes((0x43,)) + (33).to_bytes(3, "big") + (1).to_bytes(3, "big") + b"\x08" + b"g"
    assert ChunkReader().receive(wire) == [
        Message(9, 1000, 1, b"ab"),
        Message(9, 1040, 1, b"cd"),
        Message(9, 1080, 1, b"ef"),
        Message(8, 1113, 1, b"g"),
    ]


def test_what_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(RtmpError, match="bytes"):
        ChunkReader().receive(b"\x03\x00\x00\x00\xff\xff\xff\x09" + bytes(4) + bytes(128))
    with pytest.raises(RtmpError, match="header"):
        ChunkReader().receive(b"\xc5" + bytes(200))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: (
        st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4)
        | st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(_VALUES, max_size=5))
def test_values_come_back(values: list[amf0.Value]) -> None:
    try:
        assert amf0.decode(amf0.encode(*values)) == values
    except amf0.AmfError as error:
        assert "nested" in str(error)


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    fuzz_rtmp.target(data)
