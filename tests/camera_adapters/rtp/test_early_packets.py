"""Packets ahead of their turn: given back in order, once, and not waited for without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.early_packets import REORDER_WAIT_US, EarlyPackets


def test_a_packet_is_held_once_and_given_back_once() -> None:
    early = EarlyPackets()
    assert not early
    assert early.hold(7, b"seven", 1000)
    assert not early.hold(7, b"seven again", 2000)
    assert early.pop(6) is None
    assert early.pop(7) == b"seven"
    assert early.pop(7) is None
    assert not early


def test_those_that_stay_have_waited_since_they_came() -> None:
    early = EarlyPackets()
    early.hold(5, b"", 0)
    early.hold(9, b"", REORDER_WAIT_US)
    assert early.is_overdue(REORDER_WAIT_US + 1)
    early.pop(5)
    assert not early.is_overdue(REORDER_WAIT_US + 1)
    assert early.is_overdue(2 * REORDER_WAIT_US + 1)


@given(st.integers(0, 0xFFFF), st.sets(st.integers(1, 300), min_size=1))
def test_the_nearest_is_found_across_the_wrap(expected: int, ahead: set[int]) -> None:
    early = EarlyPackets()
    for distance in ahead:
        early.hold((expected + distance) & 0xFFFF, b"", distance)
    assert early.missing_before(expected) == min(ahead)
    assert early.is_full == (len(ahead) > 256)
