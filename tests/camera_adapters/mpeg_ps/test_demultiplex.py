"""Demultiplexer: packets out of a program stream (ISO/IEC 13818-1 §2.5), whatever devices made."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.mpeg_ps.demultiplex import UNBOUNDED_BYTES_LIMIT, Demultiplexer, Unit
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.mpeg_ps.packets import PesPacket, ProgramMap, parse_program_map
from camera_adapters.stream import Codec, Track
from tests.peers.rtp_packets import pictures, video_track

PACK = b"\x00\x00\x01\xba\x44\x00\x04\x00\x04\x01\x00\x10\x03\xf8"


def pes(payload: bytes, pts: int | None = 0, *, stream_id: int = 0xE0, length: int = -1) -> bytes:
    """One PES packet; ``length`` says another one than is true."""
    times = b""
    if pts is not None:
        times = struct.pack(
            ">BHH",
            0x21 | pts >> 30 << 1,
            (pts >> 15 & 0x7FFF) << 1 | 1,
            (pts & 0x7FFF) << 1 | 1,
        )
    body = bytes((0x80, 0x80 if times else 0, len(times))) + times + payload
    said = len(body) if length < 0 else length
    return b"\x00\x00\x01" + bytes((stream_id,)) + (said & 0xFFFF).to_bytes(2, "big") + body


def program_map(*streams: tuple[int, int], crc: bytes = b"\0\0\0\0") -> bytes:
    entries = b"".join(struct.pack(">BBH", kind, one, 0) for one, kind in streams)
    body = struct.pack(">BBHH", 0xE1, 0xFF, 0, len(entries)) + entries + crc
    return b"\x00\x00\x01\xbc" + len(body).to_bytes(2, "big") + body


def packets_of(units: list[Unit]) -> list[PesPacket]:
    return [unit for unit in units if isinstance(unit, PesPacket)]


def all_of(data: bytes, step: int = 0) -> list[Unit]:
    demultiplexer = Demultiplexer()
    units: list[Unit] = []
    for at in range(0, len(data), step or len(data) or 1):
        units += demultiplexer.receive(data[at : at + (step or len(data))])
    return units + demultiplexer.flush()


def test_packets_come_with_their_times() -> None:
    first, second = packets_of(all_of(PACK + pes(b"abc", 5) + pes(b"defg", None)))
    assert (first.stream_id, first.pts, first.dts, first.payload) == (0xE0, 5, None, b"abc")
    assert (second.pts, second.payload) == (None, b"defg")


@pytest.mark.parametrize("pts", [0, 1, 2**15, 2**30 + 7, 2**33 - 1])
def test_times_have_thirty_three_bits(pts: int) -> None:
    (packet,) = packets_of(all_of(PACK + pes(b"x", pts)))
    assert packet.pts == pts


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 100])
def test_however_the_bytes_are_cut_the_packets_are_the_same(step: int) -> None:
    data = PACK + program_map((0xE0, 0x1B)) + pes(bytes(range(200)), 9) + PACK + pes(b"end", 10)
    assert all_of(data, step) == all_of(data)


def test_stuffing_padding_private_and_system_packets_are_passed_over() -> None:
    stuffed = PACK[:-1] + b"\xfa" + b"\xff\xff"
    skipped = b"".join(
        b"\x00\x00\x01" + bytes((code,)) + b"\x00\x04abcd" for code in (0xBB, 0xBD, 0xBE, 0xBF)
    )
    (packet,) = packets_of(all_of(stuffed + skipped + pes(b"picture")))
    assert packet.payload == b"picture"


def test_a_packet_without_a_length_ends_at_the_next_start_code_of_the_system() -> None:
    inside = b"\x00\x00\x00\x01\x67abc\x00\x00\x01\x65def"
    units = all_of(PACK + pes(inside, 1, length=0) + PACK + pes(b"next", 2))
    assert [packet.payload for packet in packets_of(units)] == [inside, b"next"]


def test_a_packet_without_a_length_ends_where_the_transport_says() -> None:
    demultiplexer = Demultiplexer()
    assert demultiplexer.receive(PACK + pes(b"\x00\x00\x01\x65abc", 1, length=0)) == []
    assert not demultiplexer.inside_packet
    (packet,) = packets_of(demultiplexer.flush())
    assert packet.payload == b"\x00\x00\x01\x65abc"


def test_a_length_that_wrapped_at_sixteen_bits_costs_nothing() -> None:
    picture = b"\x00\x00\x00\x01\x65" + b"\x55" * 70_000
    units = all_of(PACK + pes(picture, 1, length=len(picture) + 8) + PACK + pes(b"next", 2))
    found = packets_of(units)
    assert b"".join(packet.payload for packet in found[:-1]) == picture
    assert found[-1].payload == b"next"


def test_a_length_that_is_too_long_ends_where_the_next_picture_begins() -> None:
    demultiplexer = Demultiplexer()
    assert not demultiplexer.receive(PACK + pes(b"short", 1, length=500), begins_packet=True)
    assert demultiplexer.inside_packet
    units = demultiplexer.receive(PACK + pes(b"next", 2), begins_packet=True)
    assert [packet.payload for packet in packets_of(units)] == [b"short", b"next"]
    assert demultiplexer.counters.wrong_lengths == 1


def test_behind_damage_the_next_pack_is_searched() -> None:
    data = PACK + pes(b"one", stream_id=0xC0) + b"garbage" * 30 + PACK + pes(b"two")
    assert [packet.payload for packet in packets_of(all_of(data))] == [b"one", b"two"]


def test_what_is_lost_is_not_put_together_with_what_follows() -> None:
    demultiplexer = Demultiplexer()
    demultiplexer.receive(PACK + pes(b"x" * 1000)[:300])
    demultiplexer.lose()
    units = demultiplexer.receive(b"tail of it" + PACK + pes(b"whole"))
    assert [packet.payload for packet in packets_of(units)] == [b"whole"]


def test_a_map_says_which_stream_is_what_even_with_a_wrong_crc() -> None:
    units = all_of(PACK + program_map((0xE0, 0x24), (0xC0, 0x90)) + pes(b"x"))
    assert units[0] == ProgramMap(1, {0xE0: 0x24, 0xC0: 0x90})


@pytest.mark.parametrize(
    "body", [b"", b"\xe1\xff\xff\xff\x00\x00", b"\xe1\xff\x00\x00\x00\x40\x1b"]
)
def test_a_map_that_makes_no_sense_is_none_or_empty(body: bytes) -> None:
    found = parse_program_map(body, 0, len(body))
    assert found is None or not found.streams


def test_packs_of_mpeg_1_are_read() -> None:
    pack = b"\x00\x00\x01\xba\x21\x00\x01\x00\x01\x80\x00\x01"
    packet = b"\x00\x00\x01\xe0\x00\x0a\xff\x60\x20\x21\x00\x01\x00\x03ab"
    (found,) = packets_of(all_of(pack + packet))
    assert (found.pts, found.payload) == (1, b"ab")


def test_a_packet_that_never_ends_is_given_up() -> None:
    demultiplexer = Demultiplexer()
    demultiplexer.receive(PACK + pes(b"", 1, length=0))
    for _ in range(UNBOUNDED_BYTES_LIMIT // 100_000 + 2):
        demultiplexer.receive(b"\x11" * 100_000)
    assert demultiplexer.counters.resynchronised
    assert demultiplexer._octets < 200_000


@given(st.lists(st.binary(max_size=400), max_size=8), st.integers(1, 50))
def test_whatever_is_packed_comes_out_again(payloads: list[bytes], step: int) -> None:
    # No payload may look like a start code of its own here: that is what emulation prevention is
    # for in video.
    payloads = [one.replace(b"\x00", b"\x01") for one in payloads]
    data = b"".join(PACK + pes(one, number) for number, one in enumerate(payloads))
    found = packets_of(all_of(data, step))
    assert [(one.pts, one.payload) for one in found] == list(enumerate(payloads))


@given(st.binary(max_size=3000), st.integers(1, 200))
def test_nothing_raises_and_nothing_grows(data: bytes, step: int) -> None:
    data = data.replace(b"\x7f", b"\x00\x00\x01")
    units = all_of(data, step)
    assert sum(len(packet.payload) for packet in packets_of(units)) <= len(data)


def test_what_we_multiplex_is_what_we_demultiplex() -> None:
    track = video_track()
    sound = Track("audio", Codec.PCMA, 8000, channels=1)
    multiplexer = PsMultiplexer([track, sound])
    data = b"".join(multiplexer.multiplex(unit) for unit in pictures(Codec.H264, 10))
    units = all_of(data)
    maps = [unit for unit in units if isinstance(unit, ProgramMap)]
    assert len(maps) == 2 and maps[0].streams == {0xE0: 0x1B, 0xC0: 0x90}
    assert [packet.pts for packet in packets_of(units)] == [3600 * n for n in range(10)]
