"""Sound sent twice, read by the rules of RFC 2198."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp import redundant_audio


def blocks(payload: bytes) -> list[tuple[int, int, bytes]]:
    """(payload type, how long ago, data) of each block, by §3."""
    heads, position = [], 0
    while payload[position] & 0x80:
        word = int.from_bytes(payload[position : position + 4], "big")
        heads.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        position += 4
    newest = payload[position] & 0x7F
    position += 1
    found = []
    for kind, ago, size in heads:
        found.append((kind, ago, payload[position : position + size]))
        position += size
    return [*found, (newest, 0, payload[position:])]


def test_each_packet_has_those_before_it_the_oldest_first() -> None:
    before = [(0, b"first"), (960, b"second")]
    made = redundant_audio.payload(111, 1920, b"third", before, 1000)
    assert blocks(made) == [(111, 1920, b"first"), (111, 960, b"second"), (111, 0, b"third")]


def test_what_cannot_be_told_or_does_not_fit_is_left_out() -> None:
    alone = [(111, 0, b"now")]
    assert blocks(redundant_audio.payload(111, 20_000, b"now", [(0, b"long ago")], 1000)) == alone
    assert blocks(redundant_audio.payload(111, 960, b"now", [(0, bytes(1024))], 2000)) == alone
    assert blocks(redundant_audio.payload(111, 960, b"now", [(0, bytes(500))], 400)) == alone
    assert blocks(redundant_audio.payload(111, 960, b"now", [(960, b"same")], 400)) == alone


earlier = st.lists(st.tuples(st.integers(0, 60_000), st.binary(max_size=1100)), max_size=4)


@given(st.binary(min_size=1, max_size=900), earlier, st.integers(1000, 1500))
def test_whatever_came_before_the_newest_is_whole_and_the_size_is_kept(
    newest: bytes, before: list[tuple[int, bytes]], limit: int
) -> None:
    before = sorted(before)
    made = redundant_audio.payload(96, 60_000, newest, before, limit)
    assert len(made) <= limit
    found = blocks(made)
    assert found[-1] == (96, 0, newest)
    assert redundant_audio.blocks(made) == [(ago, data) for _, ago, data in found]
    assert [(60_000 - ago, data) for _, ago, data in found[:-1]] == before[
        len(before) - len(found) + 1 :
    ]


@given(st.binary(max_size=200))
def test_anything_may_come(payload: bytes) -> None:
    found = redundant_audio.blocks(payload)
    assert sum(len(data) for _, data in found) <= len(payload)
    assert not found or found[-1][0] == 0
