"""RTCP compound packets."""

from __future__ import annotations

from camera_adapters.rtp import rtcp

SEEDS = [
    rtcp.build_receiver_report(7, [rtcp.ReportBlock(1, 2, -3, 4, 5, 6, 7)], "gridsight"),
    bytes.fromhex("80c80006 00000007 e9e2a7cb 12345678 0001e240 00000064 00010000".replace(" ", ""))
    + bytes.fromhex("81cb000100000007"),
]


def target(data: bytes) -> None:
    try:
        for packet in rtcp.parse(data):
            if isinstance(packet, rtcp.SenderReport):
                rtcp.ntp_to_us(packet.ntp)
    except rtcp.RtcpError:
        pass
