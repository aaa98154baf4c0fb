"""Runs of packets, and their way through encryption, undone by libsrtp and aiortc's parser."""

from __future__ import annotations

import os

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from camera_adapters.codecs.nal import iterate_nal_units
from camera_adapters.stream import AccessUnit, Codec, Track
from camera_adapters.webrtc.packet_batch import (
    DATAGRAM_SIZE_LIMIT,
    EXTENSION_BLOCK_SIZE,
    HEADER_SIZE,
    PAYLOAD_SIZE_LIMIT,
    RUN_BYTES_LIMIT,
    RUN_PACKETS_LIMIT,
    TAG_SIZE_LIMIT,
    PacketRun,
    Scratch,
    runs_of_payloads,
)
from camera_adapters.webrtc.packetise import can_carry, packetise
from camera_adapters.webrtc.srtp import (
    SRTP_PROFILES,
    RtpStream,
    SrtpKeys,
    SrtpProfile,
    SrtpSession,
    TransportSequence,
)

VIDEO = Track("video", Codec.H264, 90000, (b"\x67\x42\x00\x1f", b"\x68\xce"))

sizes = st.lists(st.sampled_from((1, 5, 700, PAYLOAD_SIZE_LIMIT)), max_size=130)


def payloads_of(run: PacketRun) -> list[bytes]:
    return [bytes(run.payload(index)) for index in range(run.count)]


class Pair:
    """A sender, and libsrtp with the same keys as its receiver."""

    def __init__(
        self,
        profile: SrtpProfile = SRTP_PROFILES[0],
        *,
        first_sequence: int = 0,
        transport: TransportSequence | None = None,
    ) -> None:
        size = profile.key_size + profile.salt_size
        keys = SrtpKeys(profile, os.urandom(size), os.urandom(size))
        block = b"\xbe\xde\x00\x03" + (b"\x51\0\0" if transport else b"") + b"\x40\x30"
        self.sender = RtpStream(
            SrtpSession(keys),
            Scratch(),
            ssrc=0xCAFE,
            payload_type=96,
            first_sequence=first_sequence,
            extension_block=block.ljust(EXTENSION_BLOCK_SIZE, b"\0"),
            transport_sequence=transport,
        )
        policy = Policy(keys.ours, Policy.SSRC_ANY_INBOUND, 0, profile.libsrtp_profile)
        policy.allow_repeat_tx = True
        self._receiver = Session(policy)

    def through(self, run: PacketRun, timestamp: int = 0) -> list[RtpPacket]:
        return self.decrypted(*self.sender.protect(run, timestamp))

    def decrypted(self, sent: memoryview, stride: int) -> list[RtpPacket]:
        packets = []
        for start in range(0, len(sent), stride):
            plain = self._receiver.unprotect(bytes(sent[start : start + stride]))
            packets.append(RtpPacket.parse(plain, HeaderExtensionsMap()))
        return packets


@given(sizes)
def test_payloads_come_back_in_order_from_legal_runs(lengths: list[int]) -> None:
    payloads = [bytes((index % 251,)) * size for index, size in enumerate(lengths)]
    runs = runs_of_payloads([(payload[:1], payload[1:]) for payload in payloads], marker=True)
    assert [one for run in runs for one in payloads_of(run)] == payloads
    for run in runs:
        assert run.count <= RUN_PACKETS_LIMIT
        assert run.count * (run.packet_size + TAG_SIZE_LIMIT) <= RUN_BYTES_LIMIT
        assert run.last_size <= run.packet_size
        assert {len(one) for one in payloads_of(run)[:-1]} <= {run.packet_size - HEADER_SIZE}
    assert [run.ends_picture for run in runs] == [False] * (len(runs) - 1) + [True] * bool(runs)


def test_a_fragmented_nal_unit_is_one_run() -> None:
    """Equal fragments and a shorter last one are what one segmented send takes."""
    nal = b"\x41" + os.urandom(9000)
    unit = AccessUnit(0, len(nal).to_bytes(4, "big") + nal, 0, 0, False, 0)
    (batch,) = packetise(VIDEO, 0, unit, 1234)
    assert len(batch.runs) == 1
    assert batch.packet_count == -(-9000 // (PAYLOAD_SIZE_LIMIT - 2))
    assert batch.timestamp == 1234
    assert batch.size == batch.runs[0].size


def test_a_keyframe_begins_with_the_tracks_parameter_sets() -> None:
    nal = b"\x65" + os.urandom(50)
    unit = AccessUnit(0, len(nal).to_bytes(4, "big") + nal, 0, 0, True, 0)
    (batch,) = packetise(VIDEO, 0, unit, 0)
    first, *others = [one for run in batch.runs for one in payloads_of(run)]
    assert first[0] & 31 == 24  # STAP-A (RFC 6184 §5.7.1)
    assert VIDEO.parameter_sets[0] in first
    assert VIDEO.parameter_sets[1] in first
    assert others == [nal]


def test_a_payload_too_large_for_any_path_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        runs_of_payloads([(b"", bytes(PAYLOAD_SIZE_LIMIT + 1))], marker=True)
    limit = HEADER_SIZE + PAYLOAD_SIZE_LIMIT + TAG_SIZE_LIMIT
    assert limit + 2 == DATAGRAM_SIZE_LIMIT  # room for RTX's original number


def test_long_g711_units_become_several_batches_with_time_going_on() -> None:
    track = Track("audio", Codec.PCMA, 8000, channels=1)
    unit = AccessUnit(1, bytes(2000), 0, 0, True, 0)
    batches = packetise(track, 1, unit, 90000)
    assert [batch.timestamp for batch in batches] == [8000, 8000 + PAYLOAD_SIZE_LIMIT]
    assert not any(batch.keyframe or batch.runs[0].ends_picture for batch in batches)


def test_what_webrtc_cannot_carry() -> None:
    assert not can_carry(Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1))
    assert not can_carry(Track("audio", Codec.PCMA, 16000, channels=1))
    assert can_carry(Track("audio", Codec.OPUS, 48000, channels=2))


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("count", [1, 2, 49])
def test_a_run_is_decrypted_by_libsrtp(profile: SrtpProfile, count: int) -> None:
    pair = Pair(profile, first_sequence=65530)
    payloads = [os.urandom(1000) for _ in range(count - 1)] + [os.urandom(17)]
    run = runs_of_payloads([(b"", one) for one in payloads], marker=True)[0]
    packets = pair.through(run, 0x1_0000_0007)
    assert [packet.payload for packet in packets] == payloads
    assert [packet.sequence_number for packet in packets] == [
        (65530 + index) & 0xFFFF for index in range(count)
    ]
    assert {packet.timestamp for packet in packets} == {7}
    assert {packet.ssrc for packet in packets} == {0xCAFE}
    assert {packet.payload_type for packet in packets} == {96}
    assert [packet.marker for packet in packets] == [0] * (count - 1) + [1]


@pytest.mark.parametrize("count", [1, 3])
def test_transport_wide_numbers_count_over_all_packets(count: int) -> None:
    transport = TransportSequence()
    transport.next = 65535
    pair = Pair(transport=transport)
    run = runs_of_payloads([(b"", bytes(20))] * count, marker=True)[0]
    sent, stride = pair.sender.protect(run, 0)
    # The header extension is authenticated, not encrypted (RFC 7714 §6).
    numbers = [int.from_bytes(sent[at + 17 : at + 19], "big") for at in range(0, len(sent), stride)]
    assert numbers == [(65535 + index) & 0xFFFF for index in range(count)]
    assert len(pair.decrypted(sent, stride)) == count


@given(sizes, st.integers(0, 65535), st.sampled_from(SRTP_PROFILES))
def test_whatever_the_sizes_numbers_are_consecutive(
    lengths: list[int], first: int, profile: SrtpProfile
) -> None:
    pair = Pair(profile, first_sequence=first & 0x7FFF)
    payloads = [bytes((index % 251,)) * size for index, size in enumerate(lengths)]
    packets = []
    for run in runs_of_payloads([(b"", one) for one in payloads], marker=True):
        packets += pair.through(run)
    assert [packet.payload for packet in packets] == payloads
    assert [packet.sequence_number for packet in packets] == [
        ((first & 0x7FFF) + index) & 0xFFFF for index in range(len(lengths))
    ]
    assert pair.sender.packets_sent == len(lengths)
    assert pair.sender.octets_sent == sum(lengths)


def test_many_peers_share_one_run() -> None:
    """A peer's header, numbers and tag leave no trace in what the next one gets."""
    nal = os.urandom(4000)
    run = runs_of_payloads(
        [(b"", nal[start : start + 1000]) for start in range(0, 4000, 1000)], marker=True
    )[0]
    for profile in SRTP_PROFILES * 2:
        received = Pair(profile).through(run)
        assert b"".join(packet.payload for packet in received) == nal


def test_length_prefixed_units_are_left_alone() -> None:
    nal = b"\x41" + bytes(10)
    payload = len(nal).to_bytes(4, "big") + nal
    unit = AccessUnit(0, payload, 0, 0, False, 0)
    (batch,) = packetise(VIDEO, 0, unit, 0)
    assert payloads_of(batch.runs[0]) == [bytes(one) for one in iterate_nal_units(payload)]
