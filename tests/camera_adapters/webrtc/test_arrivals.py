"""What is told of arrivals is what happened, as aiortc and our own reader read it."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc.arrivals import Arrivals
from camera_adapters.webrtc.feedback import parse_feedback


def read(packet: bytes) -> dict[int, int | None]:
    """Number → microseconds, None for one that did not come (§3.1)."""
    _, _, words, _, _, base, count, reference = struct.unpack_from("!BBHIIHHI", packet)
    assert len(packet) == 4 * (words + 1)
    statuses: list[int] = []
    position = 20
    while len(statuses) < count:
        chunk = int.from_bytes(packet[position : position + 2], "big")
        assert chunk >> 14 == 3
        statuses += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        position += 2
    at_us = (reference >> 8) * 64_000
    found: dict[int, int | None] = {}
    for index, status in enumerate(statuses[:count]):
        number = (base + index) & 0xFFFF
        if status == 0:
            found[number] = None
            continue
        size = status
        ticks = int.from_bytes(packet[position : position + size], "big", signed=size == 2)
        position += size
        at_us += ticks * 250
        found[number] = at_us
    assert len(packet) - position < 4
    return found


def test_every_packet_is_told_once_with_its_time() -> None:
    arrivals = Arrivals()
    assert arrivals.feedback(1, 2) is None
    came = {65534: 1_000_000, 65535: 1_001_000, 1: 1_100_000, 0: 1_090_000}
    for number, at_us in came.items():
        arrivals.note(number, at_us)
    packet = arrivals.feedback(1, 2)
    assert packet is not None
    assert read(packet) == came
    assert arrivals.feedback(1, 2) is None
    arrivals.note(4, 1_200_000)
    arrivals.note(3, 1_000)  # long before: more than two bytes of ticks can say
    packet = arrivals.feedback(1, 2)
    assert packet is not None
    found = read(packet)
    assert found[2] is None
    assert packet[19] == 1  # counts on


def test_what_was_told_as_lost_is_not_told_again() -> None:
    arrivals = Arrivals()
    arrivals.note(10, 1_000_000)
    arrivals.note(12, 1_000_000)
    arrivals.feedback(1, 2)
    arrivals.note(11, 1_100_000)
    assert arrivals.feedback(1, 2) is None


@given(
    st.integers(0, 65535),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 300_000)), min_size=1, max_size=300),
)
def test_whatever_arrives_is_read_to_within_a_tick(
    first: int, steps: list[tuple[int, int]]
) -> None:
    arrivals = Arrivals()
    came: dict[int, int] = {}
    number, now_us = first, 64_000_000
    for ahead, passed_us in steps:
        number, now_us = number + ahead, now_us + passed_us
        came[number & 0xFFFF] = now_us
        arrivals.note(number & 0xFFFF, now_us)
    packet = arrivals.feedback(7, 8)
    assert packet is not None
    found = {number: at_us for number, at_us in read(packet).items() if at_us is not None}
    last = number
    newest = {one: us for one, us in came.items() if (last - one & 0xFFFF) < 700}
    assert found.keys() == newest.keys()
    assert all(0 <= newest[one] - at_us < 250 for one, at_us in found.items())
    parsed = parse_feedback(packet)
    assert parsed.transport_received == len(newest)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 1 << 50)), max_size=200))
def test_forged_numbers_keep_it_bounded(noted: list[tuple[int, int]]) -> None:
    arrivals = Arrivals()
    for number, at_us in noted:
        arrivals.note(number, at_us)
    packet = arrivals.feedback(1, 2)
    assert packet is None or len(packet) < 2000
    assert (packet is None) == (not noted)
