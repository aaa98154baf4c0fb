"""The packed fragment index: small, exact, and safe to read when damaged."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.gop_index import FragmentEntry, GopIndexError, pack, unpack

numbers = st.integers(0, 1 << 40)


@st.composite
def entries(draw: st.DrawFn) -> list[FragmentEntry]:
    """Entries in order, without holes between their bytes, with jumps in time either way."""
    found = []
    start = offset = 0
    for _ in range(draw(st.integers(0, 40))):
        start = max(start + draw(st.integers(-90000, 1 << 33)), 0)
        duration, size, keyframe = draw(numbers), draw(numbers), draw(numbers)
        found.append(FragmentEntry(start, duration, offset, size, keyframe))
        start += duration
        offset += size
    return found


@given(entries())
def test_what_is_packed_comes_back(found: list[FragmentEntry]) -> None:
    assert unpack(pack(found)) == found


@given(st.binary(max_size=200))
def test_damage_is_an_error_of_its_own(data: bytes) -> None:
    with contextlib.suppress(GopIndexError):
        unpack(data)


def test_a_minute_of_footage_takes_some_ten_bytes_a_fragment() -> None:
    found = [FragmentEntry(n * 180_000, 180_000, n * 500_000, 500_000, 60_000) for n in range(30)]
    assert len(pack(found)) <= 30 * 10


def test_an_index_that_ends_inside_an_entry_is_refused() -> None:
    with pytest.raises(GopIndexError, match="inside an entry"):
        unpack(pack([FragmentEntry(0, 1, 0, 1, 1)])[:-1])
