"""RTP reception (RFC 3550): order, loss, padding, foreign and broken packets, dividing pictures."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.depacketise_h264 import starts_picture
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.receiver import GROUP_OCTETS_LIMIT, RtpReceiver
from tests.peers.rtp_packets import interleaved, packet


class Collected:
    """A receiver and the groups that it delivered."""

    def __init__(self, **options: object) -> None:
        self.groups: list[Group] = []
        self.receiver = RtpReceiver(96, 90000, self.groups.append, **options)  # type: ignore[arg-type]
        self.now_us = 1_000_000

    def take(self, *packets: bytes) -> None:
        for one in packets:
            self.receiver.receive_packet(one, 0, len(one), self.now_us)

    def contents(self) -> list[list[bytes]]:
        return [[bytes(payload) for payload in group.payloads] for group in self.groups]


def picture(first: int, timestamp: int, count: int = 3, **options: int) -> list[bytes]:
    return [
        packet(b"p%d" % (first + n), first + n, timestamp, marker=n == count - 1, **options)  # type: ignore[arg-type]
        for n in range(count)
    ]


def names(first: int, count: int = 3) -> list[bytes]:
    return [b"p%d" % (first + n) for n in range(count)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(5, 300))
def test_any_cut_of_the_connection_gives_the_same_groups(counts: list[int], step: int) -> None:
    packets, sequence = [], 65530
    for number, count in enumerate(counts):
        packets.append(picture(sequence, number * 3600 + 0xFFFF_FF00, count))
        sequence += count
    data = b"".join(interleaved(one) for group in packets for one in group)
    collected = Collected()
    rest = b""
    for start in range(0, len(data), step):
        rest += data[start : start + step]
        rest = rest[collected.receiver.receive_interleaved(rest, 0, len(rest), 1) :]
    assert rest == b""
    sizes = [len(group.payloads) for group in collected.groups]
    assert sizes == counts
    times = [group.timestamp - collected.groups[0].timestamp for group in collected.groups]
    assert times == [number * 3600 for number in range(len(counts))]
    counters = collected.receiver.counters
    assert (counters.packets, counters.lost) == (sum(counts), 0)
    block = collected.receiver.report_block(2)
    assert block is not None
    assert block.highest_sequence == 65530 + sum(counts) - 1


@given(
    st.lists(st.binary(max_size=9), min_size=1, max_size=12),
    st.integers(1, 60),
    st.sampled_from([0, 2, 3]),
    st.booleans(),
)
def test_tiny_packets_in_any_cut(
    payloads: list[bytes], step: int, head_bytes: int, by_packet: bool
) -> None:
    data = b"".join(
        interleaved(packet(payload, n, n, marker=True)) for n, payload in enumerate(payloads)
    )
    collected = Collected(head_bytes=head_bytes, by_packet=by_packet)
    rest = b""
    for start in range(0, len(data), step):
        rest += data[start : start + step]
        rest = rest[collected.receiver.receive_interleaved(rest, 0, len(rest), 1) :]
    assert rest == b""
    whole = [payload for payload in payloads if len(payload) >= head_bytes]
    assert [one for group in collected.contents() for one in group] == whole
    assert collected.receiver.counters.malformed == len(payloads) - len(whole)


@given(
    st.randoms(use_true_random=False),
    st.lists(st.sampled_from([b"", b"\x80", b"\x80\x60\x00", b"\x00" * 30]), max_size=4),
)
def test_a_batch_of_datagrams_gives_what_they_give_one_by_one(
    chance: random.Random, broken: list[bytes]
) -> None:
    datagrams = [one for number in range(12) for one in picture(65520 + number * 3, number * 3600)]
    for one in broken:
        datagrams.insert(chance.randrange(1, len(datagrams)), one)
    for _ in range(chance.randrange(4)):
        place = chance.randrange(1, len(datagrams) - 3)
        datagrams.insert(place + chance.randrange(3), datagrams.pop(place))
    single, batched = Collected(reordering=True), Collected(reordering=True)
    single.take(*datagrams)
    rest = datagrams
    while rest:
        size = chance.randrange(1, 20)
        batch, rest = b"".join(map(interleaved, rest[:size])), rest[size:]
        batched.receiver.receive_batch(batch, batched.now_us)
    assert batched.contents() == single.contents()
    assert batched.receiver.counters == single.receiver.counters


def test_it_stops_at_another_channel_and_at_an_incomplete_frame() -> None:
    collected = Collected()
    first, second = interleaved(packet(b"a", 1, 0)), interleaved(packet(b"b", 2, 0))
    other = interleaved(b"other", 1)
    data = first + other + second
    assert collected.receiver.receive_interleaved(data, 0, len(data), 0) == len(first)
    cut = second[:-1]
    assert collected.receiver.receive_interleaved(cut, 0, len(cut), 0) == 0


def test_padding_extension_and_contributors_are_taken_off() -> None:
    collected = Collected()
    collected.take(
        packet(b"one", 1, 0, padding=4),
        packet(b"two", 2, 0, extension=b"\x01\x02\x03\x04"),
        packet(b"three", 3, 0, contributors=2, marker=True),
    )
    assert collected.contents() == [[b"one", b"two", b"three"]]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x80\x60\x00",
        b"\x40" + packet(b"x", 2, 0)[1:],
        packet(b"x", 2, 0)[:1] + packet(b"x", 2, 0)[1:11],
        b"\xa0" + packet(b"", 2, 0)[1:] + b"\xff",
        b"\x8f" + packet(b"x", 2, 0)[1:],
        b"\x90" + packet(b"", 2, 0)[1:] + b"\xbe\xde\xff\xff",
    ],
)
def test_broken_packets_are_counted_and_harm_nobody(broken: bytes) -> None:
    collected = Collected()
    collected.take(packet(b"a", 1, 0), broken, packet(b"b", 2, 0, marker=True))
    assert collected.contents() == [[b"a", b"b"]]
    assert collected.receiver.counters.malformed == 1
    assert not collected.groups[0].hole


def test_without_marker_bits_the_timestamp_divides() -> None:
    collected = Collected()
    for number in range(4):
        collected.take(*[packet(b"x", 2 * number + n, number * 3600) for n in range(2)])
    assert [len(group.payloads) for group in collected.groups] == [2, 2, 2]


def test_without_markers_and_with_a_clock_that_stands_still_the_content_divides() -> None:
    collected = Collected(starts_picture=starts_picture)
    start, more = b"\x41\x9a" + bytes(60_000), b"\x41\x1a" + bytes(1000)
    sequence = 0
    for _ in range(40):
        collected.take(packet(start, sequence, 5), packet(more, sequence + 1, 5))
        sequence += 2
    assert len(collected.groups) > 25
    assert [len(group.payloads) for group in collected.groups[-10:]] == [2] * 10


def test_a_picture_that_never_ends_stays_bounded() -> None:
    collected = Collected()
    for number in range(300):
        collected.take(packet(bytes(60_000), number, 5))
    assert not collected.groups
    held = sum(map(len, collected.receiver._bodies))
    assert held <= GROUP_OCTETS_LIMIT


def test_a_hole_marks_the_torn_picture_and_the_next() -> None:
    collected = Collected()
    first, second, third = picture(0, 0), picture(3, 3600), picture(6, 7200)
    collected.take(*first, second[0], second[2], *third)
    assert [group.hole for group in collected.groups] == [False, True, False]
    collected.take(*picture(9, 10800)[:2], *picture(12, 14400))
    assert [group.hole for group in collected.groups[3:]] == [True, False]
    assert collected.groups[4].after_gap
    assert collected.receiver.counters.lost == 2


def test_duplicates_are_dropped() -> None:
    collected = Collected()
    first, second = picture(0, 0), picture(3, 3600)
    collected.take(*first, *first, second[0], second[0], *second[1:])
    assert collected.contents() == [names(0), names(3)]
    assert collected.receiver.counters.duplicates == 4


@given(st.randoms(use_true_random=False), st.sets(st.integers(5, 50), max_size=4))
def test_reordered_and_doubled_datagrams(chance: random.Random, missing: set[int]) -> None:
    packets = [one for n in range(20) for one in picture(65520 + 3 * n, n * 3600)]
    sent = [(n + chance.uniform(0, 6), one) for n, one in enumerate(packets) if n not in missing]
    sent += [(n + chance.uniform(0, 6), packets[n]) for n in range(1, 55, 7) if n not in missing]
    # The very first one shows the receiver where the sequence begins.
    order = [packets[0], *(one for _, one in sorted(sent, key=lambda pair: pair[0]))]
    collected = Collected(reordering=True)
    for one in order:
        collected.now_us += 1000
        collected.take(one)
    collected.now_us += 1_000_000
    collected.receiver.expire(collected.now_us)
    for group in collected.groups:
        numbers = [int(name[1:]) for name in [bytes(p) for p in group.payloads]]
        assert numbers == sorted(numbers)
        assert group.hole or len(numbers) == 3 or group.after_gap
    whole = [group for group in collected.groups if not group.hole and len(group.payloads) == 3]
    torn = {n // 3 for n in missing}
    assert len(whole) >= 20 - 2 * len(torn) - (1 if missing else 0)
    assert collected.receiver.counters.lost == len(missing)


def test_a_late_packet_is_waited_for_but_not_for_ever() -> None:
    collected = Collected(reordering=True)
    first, second = picture(0, 0), picture(3, 3600)
    collected.take(first[0], first[2], *second)
    assert not collected.groups
    collected.now_us += 100_000
    collected.receiver.expire(collected.now_us)
    assert not collected.groups
    collected.now_us += 100_000
    collected.receiver.expire(collected.now_us)
    assert [group.hole for group in collected.groups] == [True, False]


def test_a_wrong_ssrc_in_between_is_foreign_and_a_lasting_one_is_the_new_source() -> None:
    collected = Collected()
    collected.take(*picture(0, 0), packet(b"x", 900, 1, ssrc=99), *picture(3, 3600))
    assert collected.contents() == [names(0), names(3)]
    assert collected.receiver.counters.foreign == 1
    collected.take(*picture(500, 77, 4, ssrc=99))
    assert collected.contents()[-1] == names(501)
    assert collected.groups[-1].restarted
    assert collected.receiver.ssrc == 99


def test_a_sequence_that_begins_anew() -> None:
    collected = Collected()
    collected.take(*picture(10, 0), *picture(40_000, 3600, 4))
    assert collected.contents()[-1] == names(40_001)
    assert collected.groups[-1].restarted


def test_another_payload_type_than_announced_is_taken_from_the_start_only() -> None:
    collected = Collected()
    collected.take(*picture(0, 0, payload_type=98))
    collected.take(packet(b"cn", 3, 5, payload_type=13), *picture(3, 3600, payload_type=98))
    assert len(collected.groups) == 2
    assert collected.receiver.counters.foreign == 1


def test_the_report_tells_loss_since_the_last_one() -> None:
    collected = Collected()
    assert collected.receiver.report_block(0) is None
    collected.take(*picture(0, 0), *picture(6, 3600))
    collected.receiver.note_sender_report(0x0001_0002_0003_0004, 1_000_000)
    block = collected.receiver.report_block(1_500_000)
    assert block is not None
    assert (block.lost, block.fraction_lost, block.highest_sequence) == (3, 3 * 256 // 9, 8)
    assert (block.last_report, block.delay_since_last_report) == (0x0002_0003, 32768)
    again = collected.receiver.report_block(1_600_000)
    assert again is not None and again.fraction_lost == 0
