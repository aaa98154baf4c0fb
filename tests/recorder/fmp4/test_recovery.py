"""Recovery keeps every whole fragment and nothing else, wherever the file was cut."""

from __future__ import annotations

import bisect
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.fmp4.reader import Mp4Error
from recorder.fmp4.recovery import recover
from tests.recorder.made import SOUND, SOURCE, START_US, VIDEO, segment_bytes

TRACKS = [(VIDEO,), (VIDEO, SOUND)]


@pytest.mark.parametrize("tracks", TRACKS)
def test_cut_at_every_byte(tracks: tuple[object, ...]) -> None:
    data, ends = segment_bytes(2, tracks=tracks, gop=3, size=40)  # type: ignore[arg-type]
    for cut in range(ends[0]):
        with pytest.raises(Mp4Error):
            recover(data[:cut])
    for cut in range(ends[0], len(data) + 1):
        found = recover(data[:cut])
        whole = bisect.bisect_right(ends, cut) - 1
        assert len(found.entries) == whole
        assert found.size_bytes == ends[whole]
        assert found.end_us == START_US + whole * 300_000


def test_a_whole_segment_tells_all_it_held() -> None:
    data, ends = segment_bytes(3)
    found = recover(data)
    assert found.header.source == SOURCE
    assert found.header.segment_id == "segment1"
    assert found.header_bytes == ends[0]
    assert [entry.start_90k for entry in found.entries] == [0, 90_000, 180_000]
    assert [entry.offset + ends[0] for entry in found.entries] == ends[:-1]
    assert all(0 < entry.keyframe_bytes < entry.size_bytes for entry in found.entries)


@given(st.integers(209, 2000), st.integers(0, 5000))
def test_zeros_in_place_of_a_picture_are_not_kept(back: int, extra: int) -> None:
    data, ends = segment_bytes(3)
    torn = data[: len(data) - back] + bytes(back + extra)
    found = recover(torn)
    assert found.size_bytes in ends
    assert data[: found.size_bytes] == torn[: found.size_bytes]


@given(st.binary(max_size=300), st.integers(0, 3))
def test_garbage_behind_whole_fragments_is_cut(garbage: bytes, whole: int) -> None:
    data, ends = segment_bytes(3)
    found = recover(data[: ends[whole]] + b"\xff" + garbage)
    assert found.size_bytes == ends[whole]


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_flipped_byte_is_never_an_exception_of_another_kind(at: int, flip: int) -> None:
    data = bytearray(segment_bytes(2)[0])
    data[at % len(data)] ^= flip
    with contextlib.suppress(Mp4Error):
        recover(bytes(data))
