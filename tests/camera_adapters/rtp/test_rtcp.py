"""RTCP (RFC 3550 §6)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp import rtcp
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.stream import AccessUnit, Codec, Track

u32 = st.integers(0, 0xFFFF_FFFF)
blocks = st.builds(
    rtcp.ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32
)


@given(u32, st.lists(blocks, max_size=4), st.text(max_size=20))
def test_receiver_reports_there_and_back(
    ssrc: int, given_blocks: list[rtcp.ReportBlock], name: str
) -> None:
    data = rtcp.build_receiver_report(ssrc, given_blocks, name)
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == [rtcp.ReceiverReport(ssrc, tuple(given_blocks))]


@given(st.integers(0, 4_000_000_000_000_000))
def test_ntp_there_and_back(wall_us: int) -> None:
    assert abs(rtcp.ntp_to_us(rtcp.us_to_ntp(wall_us)) - wall_us) <= 1


def test_a_sender_report_of_the_restream() -> None:
    packetiser = TrackPacketiser(Track("audio", Codec.PCMA, 8000), 0, 77, 5, 1000)
    packetiser.packetise(AccessUnit(0, bytes(160), 9000, 9000, True, 1_700_000_000_123_456))
    report = packetiser.sender_report(b"cam", 1_700_000_000_123_456)
    assert report is not None
    (parsed,) = rtcp.parse(report)
    assert isinstance(parsed, rtcp.SenderReport)
    assert (parsed.ssrc, parsed.rtp_timestamp, parsed.packets) == (77, 1800, 1)
    assert abs(rtcp.ntp_to_us(parsed.ntp) - 1_700_000_000_123_456) <= 1
    assert rtcp.parse(packetiser.goodbye()) == [rtcp.Goodbye((77,))]


def test_unknown_packets_are_passed_over() -> None:
    application = struct.pack(">BBHI4s", 0x80, 204, 2, 1, b"test")
    goodbye = struct.pack(">BBHI", 0x81, 203, 1, 9)
    assert rtcp.parse(application + goodbye) == [rtcp.Goodbye((9,))]


@pytest.mark.parametrize("data", [b"", b"\x80\xc8", b"\x00\xc8\x00\x00", b"\x80\xc8\x00\x06abc"])
def test_what_is_no_rtcp(data: bytes) -> None:
    with pytest.raises(rtcp.RtcpError):
        rtcp.parse(data)
