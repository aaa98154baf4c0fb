"""RTCP from viewers and to them; aiortc's packets are the peer."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    pack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc.feedback import (
    NACKED_LIMIT,
    FeedbackError,
    ReceptionReport,
    goodbye,
    middle_of_ntp,
    parse_feedback,
    round_trip_s,
    sender_report,
)

NOW_US = 1_763_000_000_250_000


def test_a_receiver_report() -> None:
    info = RtcpReceiverInfo(
        ssrc=7,
        fraction_lost=64,
        packets_lost=-3,
        highest_sequence=70000,
        jitter=90,
        lsr=0x12345678,
        dlsr=65536,
    )
    feedback = parse_feedback(bytes(RtcpRrPacket(ssrc=1, reports=[info])))
    assert feedback.reports == [ReceptionReport(7, 0.25, -3, 70000, 90, 0x12345678, 65536)]


def test_nack_pli_remb_in_one_compound_packet() -> None:
    compound = (
        bytes(RtcpRrPacket(ssrc=1))
        + bytes.fromhex("81cd0003 00000001 00000007 fffe0011")  # 65534, and the 1st and 5th after
        + bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7))
        + bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(2_000_000, [7])))
    )
    feedback = parse_feedback(compound)
    assert feedback.nacked == [(7, 65534), (7, 65535), (7, 3)]
    assert feedback.keyframe_wanted == [7]
    assert feedback.estimate_bps == pytest.approx(2_000_000, rel=0.01)


def test_fir_names_its_addressee_in_the_item() -> None:
    """RFC 5104 §4.3.1.1."""
    fir = bytes.fromhex("84ce0004 00000001 00000000 00000007 01000000")
    assert parse_feedback(fir).keyframe_wanted == [7]


def test_transport_wide_feedback_counts_what_is_missing() -> None:
    """A run of 3 received, then a vector of 1-bit symbols: 1 0 1 1."""
    packet = bytes.fromhex("8fcd0005 00000001 00000007 0001 0007 000001 00 2003 ac00")
    assert len(packet) % 4 == 0
    feedback = parse_feedback(packet)
    assert (feedback.transport_received, feedback.transport_missing) == (6, 1)


def test_a_flood_of_nacks_is_bounded() -> None:
    lost = bytes.fromhex("81cd") + (2 + 1000).to_bytes(2, "big") + bytes(8) + b"\0\1\xff\xff" * 1000
    assert len(parse_feedback(lost).nacked) == NACKED_LIMIT


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80\xc9\0\1\0\0\0",
        bytes.fromhex("40c9000100000001"),
        bytes.fromhex("81c9000100000001"),
        bytes.fromhex("80c9000900000001"),
        bytes.fromhex("a0c9000100000000"),
        bytes.fromhex("81cd000100000001"),
    ],
)
def test_malformed_packets_are_refused(packet: bytes) -> None:
    with pytest.raises(FeedbackError):
        parse_feedback(packet)


def test_round_trip_from_the_report_of_our_sender_report() -> None:
    """RFC 3550 §6.4.1: sent at T, lay 250 ms at the receiver, came back 300 ms after T."""
    sent = middle_of_ntp(NOW_US)
    report = ReceptionReport(7, 0.0, 0, 0, 0, sent, 65536 // 4)
    assert round_trip_s(report, NOW_US + 300_000) == pytest.approx(0.05, abs=0.001)


def test_no_round_trip_without_our_report_or_with_a_clock_set_back() -> None:
    assert round_trip_s(ReceptionReport(7, 0, 0, 0, 0, 0, 0), NOW_US) is None
    late = ReceptionReport(7, 0, 0, 0, 0, middle_of_ntp(NOW_US), 0)
    assert round_trip_s(late, NOW_US - 5_000_000) is None


def test_a_sender_report_is_what_aiortc_reads() -> None:
    report, description = RtcpPacket.parse(
        sender_report(7, NOW_US, 0x1_0000_0005, 10, 2000, b"gridsight")
    )
    assert isinstance(report, RtcpSrPacket)
    assert report.ssrc == 7
    assert report.sender_info.rtp_timestamp == 5
    assert report.sender_info.packet_count == 10
    assert report.sender_info.octet_count == 2000
    assert report.sender_info.ntp_timestamp >> 32 == NOW_US // 1_000_000 + 2_208_988_800
    assert description.chunks[0].items[0] == (1, b"gridsight")


def test_goodbye_names_our_streams() -> None:
    packets = RtcpPacket.parse(goodbye([7, 8]))
    assert isinstance(packets[-1], RtcpByePacket)
    assert packets[-1].sources == [7, 8]


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=40, unique=True).map(sorted))
def test_every_nacked_number_comes_back(lost: list[int]) -> None:
    packet = bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=7, lost=lost))
    assert sorted(number for _, number in parse_feedback(packet).nacked) == lost
