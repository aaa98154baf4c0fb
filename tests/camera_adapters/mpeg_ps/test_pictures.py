"""PictureAssembler: where pictures end, which time is whose, which codec it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.mpeg_ps.packets import PesPacket
from camera_adapters.mpeg_ps.pictures import PICTURE_BYTES_LIMIT, PictureAssembler, TimedPicture
from camera_adapters.stream import Codec
from tests.peers.parameter_sets import H264_SETS, H265_SETS
from tests.peers.rtp_packets import slice_unit

START = b"\x00\x00\x00\x01"


def picture(codec: Codec, number: int, *, size: int = 300) -> bytes:
    """One picture's bytes; parameter sets in front of every fifth."""
    keyframe = number % 5 == 0
    sets = (H264_SETS if codec is Codec.H264 else H265_SETS) if keyframe else ()
    units = [*sets, slice_unit(codec, keyframe, number, size)]
    return b"".join(START + unit for unit in units)


def packet(payload: bytes, pts: int | None) -> PesPacket:
    return PesPacket(0xE0, pts, None, payload)


def assembler(codec: Codec | None = Codec.H264) -> PictureAssembler:
    made = PictureAssembler()
    if codec is not None:
        made.declare(codec)
    return made


def times(made: list[TimedPicture]) -> list[int | None]:
    return [one.pts for one in made]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_a_picture_ends_where_the_next_begins(codec: Codec) -> None:
    taker = assembler(codec)
    made = [one for n in range(8) for one in taker.take(packet(picture(codec, n), n * 3600))]
    assert times(made) == [n * 3600 for n in range(7)]
    made += taker.flush()
    assert [one.picture.keyframe for one in made] == [n % 5 == 0 for n in range(8)]
    assert made[0].picture.parameter_sets == list(H264_SETS if codec is Codec.H264 else H265_SETS)
    unit = slice_unit(codec, False, 1, 300)
    assert made[1].picture.payload == len(unit).to_bytes(4, "big") + unit


def test_the_ends_that_the_transport_tells_are_believed_once_they_have_proved_true() -> None:
    taker = assembler()
    at_once = []
    for number in range(10):
        made = taker.take(packet(picture(Codec.H264, number), number))
        ended = taker.end_of_picture()
        at_once.append(bool(ended))
        assert len(made) + len(ended) <= 2
    assert at_once == [False] * 3 + [True] * 7


def test_an_end_that_was_none_costs_one_picture_and_the_trust() -> None:
    taker = assembler()
    made = []
    for number in range(20):
        whole = picture(Codec.H264, number)
        made += taker.take(packet(whole, number))
        if number == 10:
            # Two packets of one picture, each with a marker.
            made = made[:-1] + taker.end_of_picture()
            made += taker.take(packet(b"\x55" * 100, None))
        made += taker.end_of_picture()
    made += taker.flush()
    assert sum(one.picture.damaged for one in made) <= 1
    assert taker.end_of_picture() == []


def test_a_picture_in_several_packets_is_one() -> None:
    taker = assembler()
    whole = picture(Codec.H264, 1, size=5000)
    taker.take(packet(whole[:2000], 1))
    taker.take(packet(whole[2000:4000], None))
    taker.take(packet(whole[4000:], 1))
    (made,) = taker.take(packet(picture(Codec.H264, 2), 2))
    assert len(made.picture.payload) == len(whole)


def test_a_packet_with_the_end_of_one_picture_and_the_beginning_of_the_next() -> None:
    stream = b"".join(picture(Codec.H264, number) for number in range(10))
    edges = [0]
    for number in range(10):
        edges.append(edges[-1] + len(picture(Codec.H264, number)))
    taker = assembler()
    made = []
    for start in range(0, len(stream), 170):
        begun = [n for n in range(10) if start <= edges[n] < start + 170]
        pts = begun[0] * 3600 if begun else None
        made += taker.take(packet(stream[start : start + 170], pts))
    made += taker.flush()
    assert times(made) == [n * 3600 for n in range(10)]
    assert all(not one.picture.damaged for one in made)


def test_without_times_pictures_are_told_by_their_first_slices() -> None:
    stream = b"".join(picture(Codec.H264, number, size=30_000) for number in range(12))
    taker = assembler()
    made = []
    for start in range(0, len(stream), 2000):
        made += taker.take(packet(stream[start : start + 2000], None))
    made += taker.flush()
    assert len(made) == 12


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_the_codec_is_told_from_the_bytes_where_no_map_came(codec: Codec) -> None:
    taker = assembler(None)
    for number in range(3, 7):
        taker.take(packet(picture(codec, number), number))
    assert taker.codec is codec and taker.guessed


def test_a_map_that_is_wrong_is_not_believed() -> None:
    taker = assembler(Codec.H264)
    made = []
    for number in range(3):
        made += taker.take(packet(picture(Codec.H265, number), number))
        taker.declare(Codec.H264)
    assert taker.codec is Codec.H265 and taker.guessed
    assert made[0].picture.keyframe


def test_parameter_sets_in_a_packet_of_their_own_belong_to_the_next_picture() -> None:
    taker = assembler()
    taker.take(packet(b"".join(START + one for one in H264_SETS), 7))
    taker.take(packet(START + slice_unit(Codec.H264, True, 0), None))
    (made,) = taker.take(packet(picture(Codec.H264, 1), 9))
    assert made.pts == 7 and made.picture.parameter_sets == list(H264_SETS)


def test_several_slices_are_one_picture() -> None:
    first = START + slice_unit(Codec.H264, False, 1)
    second = START + b"\x41\x3a" + b"\x22" * 300
    taker = assembler()
    taker.take(packet(first + second, 1))
    (made,) = taker.take(packet(picture(Codec.H264, 2), 2))
    assert made.picture.payload.count(b"\x22" * 300) == 1


def test_a_picture_that_never_ends_is_given_up() -> None:
    taker = assembler()
    taker.take(packet(START + b"\x41\x9a", 1))
    for _ in range(PICTURE_BYTES_LIMIT // 60_000 + 2):
        taker.take(packet(b"\x33" * 60_000, None))
    assert taker.undecodable == 1
    assert taker._octets < PICTURE_BYTES_LIMIT


@given(st.lists(st.tuples(st.binary(max_size=60), st.none() | st.integers(0, 3)), max_size=30))
def test_nothing_raises_and_nothing_is_invented(parts: list[tuple[bytes, int | None]]) -> None:
    taker = assembler(None)
    made: list[TimedPicture] = []
    octets = 0
    for data, pts in parts:
        data = data.replace(b"\x01", b"\x00\x00\x01\x67\x42")
        data = data.replace(b"\x02", b"\x00\x00\x01\x65\x88")
        octets += len(data)
        made += taker.take(packet(data, pts))
        made += taker.end_of_picture()
    made += taker.flush()
    assert sum(len(one.picture.payload) for one in made) <= 2 * octets + 4 * len(made)
