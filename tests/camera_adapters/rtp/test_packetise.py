"""Packets for RTSP output: what goes in comes out of the payload format, within the MTU."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.packetise import PAYLOAD_LIMIT, TrackPacketiser, UnitPackets
from camera_adapters.stream import AccessUnit, Codec, Track

H264 = Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01"))
H265 = Track("video", Codec.H265, 90000, (b"\x40\x01v", b"\x42\x01s", b"\x44\x01p"))
PCMA = Track("audio", Codec.PCMA, 8000, channels=1)
AAC = Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1)

_sizes = st.lists(st.integers(2, 6000), min_size=1, max_size=8)


def access_unit(payload: bytes, *, pts_90k: int = 0, keyframe: bool = False) -> AccessUnit:
    return AccessUnit(0, payload, pts_90k, pts_90k, keyframe, 1_700_000_000_000_000 + pts_90k)


def nal_units(headers: bytes, sizes: list[int]) -> list[bytes]:
    return [headers + bytes(i * 7 % 251 for i in range(size - len(headers))) for size in sizes]


def length_prefixed(units: list[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def payloads(packets: UnitPackets) -> list[bytes]:
    return [bytes(datagram[12:]) for datagram in packets.datagrams()]


def reassemble_h264(received: list[bytes]) -> list[bytes]:
    units: list[bytes] = []
    for payload in received:
        kind = payload[0] & 0x1F
        if kind == 24:
            position = 1
            while position < len(payload):
                size = int.from_bytes(payload[position : position + 2], "big")
                units.append(payload[position + 2 : position + 2 + size])
                position += 2 + size
        elif kind == 28:
            if payload[1] & 0x80:
                units.append(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)))
            units[-1] += payload[2:]
        else:
            units.append(payload)
    return units


def reassemble_h265(received: list[bytes]) -> list[bytes]:
    units: list[bytes] = []
    for payload in received:
        kind = payload[0] >> 1 & 0x3F
        if kind == 48:
            position = 2
            while position < len(payload):
                size = int.from_bytes(payload[position : position + 2], "big")
                units.append(payload[position + 2 : position + 2 + size])
                position += 2 + size
        elif kind == 49:
            if payload[2] & 0x80:
                units.append(bytes((payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1])))
            units[-1] += payload[3:]
        else:
            units.append(payload)
    return units


@given(_sizes, st.booleans())
def test_h264_comes_out_of_fu_a_and_stap_a_as_it_went_in(sizes: list[int], keyframe: bool) -> None:
    units = nal_units(b"\x65" if keyframe else b"\x41", sizes)
    packetiser = TrackPacketiser(H264, 0)
    packets = packetiser.packetise(access_unit(length_prefixed(units), keyframe=keyframe))
    received = payloads(packets)
    expected = [*H264.parameter_sets, *units] if keyframe else units
    assert reassemble_h264(received) == expected
    assert max(map(len, received)) <= PAYLOAD_LIMIT


@given(_sizes, st.booleans())
def test_h265_comes_out_of_fu_and_ap_as_it_went_in(sizes: list[int], keyframe: bool) -> None:
    units = nal_units(b"\x26\x01" if keyframe else b"\x02\x01", sizes)
    packetiser = TrackPacketiser(H265, 0)
    packets = packetiser.packetise(access_unit(length_prefixed(units), keyframe=keyframe))
    received = payloads(packets)
    expected = [*H265.parameter_sets, *units] if keyframe else units
    assert reassemble_h265(received) == expected
    assert max(map(len, received)) <= PAYLOAD_LIMIT


@given(st.lists(_sizes, min_size=1, max_size=5))
def test_sequence_numbers_go_on_and_only_the_last_packet_is_marked(
    pictures: list[list[int]],
) -> None:
    packetiser = TrackPacketiser(H264, 0, ssrc=0xABCD, next_sequence_number=65534)
    expected = 65534
    for number, sizes in enumerate(pictures):
        unit = access_unit(length_prefixed(nal_units(b"\x41", sizes)), pts_90k=3600 * number)
        headers = [
            struct.unpack("!BBHII", datagram[:12])
            for datagram in packetiser.packetise(unit).datagrams()
        ]
        assert {header[4] for header in headers} == {0xABCD}
        assert len({header[3] for header in headers}) == 1
        for header in headers:
            assert header[2] == expected
            expected = (expected + 1) & 0xFFFF
        assert [header[1] >> 7 for header in headers] == [0] * (len(headers) - 1) + [1]


def test_another_channel_changes_the_channel_bytes_alone() -> None:
    packets = TrackPacketiser(H264, 0).packetise(
        access_unit(length_prefixed(nal_units(b"\x41", [5000])))
    )
    patched = packets.on_channel(6)
    assert [patched[offset + 1] for offset in packets.offsets] == [6] * len(packets.offsets)
    restored = bytearray(patched)
    for offset in packets.offsets:
        restored[offset + 1] = 0
    assert bytes(restored) == packets.interleaved


def test_g711_is_split_by_samples_and_counts_them() -> None:
    packetiser = TrackPacketiser(PCMA, 1)
    unit = AccessUnit(1, bytes(3000), 0, 0, True, 0)
    datagrams = packetiser.packetise(unit).datagrams()
    stamps = [int.from_bytes(datagram[4:8], "big") for datagram in datagrams]
    assert b"".join(bytes(datagram[12:]) for datagram in datagrams) == bytes(3000)
    assert [(stamp - stamps[0]) & 0xFFFFFFFF for stamp in stamps] == [0, 1388, 2776]
    assert {datagram[1] for datagram in datagrams} == {8}


def test_aac_has_one_header_naming_its_size() -> None:
    datagrams = (
        TrackPacketiser(AAC, 1).packetise(AccessUnit(1, b"a" * 300, 0, 0, True, 0)).datagrams()
    )
    assert bytes(datagrams[0][12:16]) == (16).to_bytes(2, "big") + (300 << 3).to_bytes(2, "big")
    assert bytes(datagrams[0][16:]) == b"a" * 300


def test_a_sender_report_says_which_time_stamp_now_would_have() -> None:
    packetiser = TrackPacketiser(H264, 0)
    assert packetiser.sender_report(b"name", 0) is None
    unit = access_unit(length_prefixed([b"\x41abc"]), pts_90k=9000)
    packets = packetiser.packetise(unit)
    now_us = unit.wall_us + 40_000
    report = packetiser.sender_report(b"name", now_us)
    assert report is not None
    _, kind, words, ssrc, seconds, fraction, stamp, count, octets = struct.unpack(
        "!BBHIIIIII", report[:28]
    )
    assert (kind, words, ssrc, stamp) == (200, 6, packetiser.ssrc, packets.timestamp + 3600)
    assert (seconds - 2_208_988_800) * 1_000_000 + (fraction * 1_000_000 >> 32) == (
        pytest.approx(now_us, abs=1)
    )
    assert (count, octets) == (1, 4)
    assert len(report) % 4 == 0
    assert report[29] == 202
