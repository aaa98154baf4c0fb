"""Payload formats: H.264 (RFC 6184), H.265 (RFC 7798), AAC (RFC 3640), G.711, Opus (RFC 7587)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.codecs.nal import iterate_nal_units, nal_units_to_payload
from camera_adapters.rtp.depacketise_audio import AacDepacketiser, PlainDepacketiser
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.packetise import TrackPacketiser
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import AccessUnit, Codec, Track
from tests.peers.parameter_sets import H264_PPS, H264_SETS, H264_SPS, H265_SETS
from tests.peers.rtp_packets import slice_unit, video_track

bodies = st.binary(min_size=4, max_size=5000).map(lambda b: b.replace(b"\x00\x00", b"\x00\x01"))


def depacketiser(codec: Codec) -> H264Depacketiser | H265Depacketiser:
    return H264Depacketiser() if codec is Codec.H264 else H265Depacketiser()


def payloads_of(codec: Codec, payload: bytes, keyframe: bool) -> list[bytes]:
    packetiser = TrackPacketiser(video_track(codec), 0, 7, 0, 0)
    made = packetiser.packetise(AccessUnit(0, payload, 0, 0, keyframe, 0))
    return [bytes(one[12:]) for one in made.datagrams()]


def taken(one: H264Depacketiser | H265Depacketiser, payloads: list[bytes]) -> list[Picture]:
    return one.pictures(payloads, hole=False, after_gap=False)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@given(st.lists(bodies, min_size=1, max_size=3), st.booleans())
def test_what_the_packetiser_makes_comes_back(
    codec: Codec, slices: list[bytes], keyframe: bool
) -> None:
    head = slice_unit(codec, keyframe, 0, 0)
    units = [head + slices[0]]
    # Further slices of the same picture: not its first.
    units += [head[:-1] + b"\x01" + body for body in slices[1:]]
    payload = nal_units_to_payload(codec, units)
    (picture,) = taken(depacketiser(codec), payloads_of(codec, payload, keyframe))
    assert picture.payload == payload
    assert picture.keyframe == keyframe
    assert not picture.damaged and not picture.continues
    sets = H264_SETS if codec is Codec.H264 else H265_SETS
    assert tuple(picture.parameter_sets) == (sets if keyframe else ())


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@given(size=st.integers(1, 9000), keyframe=st.booleans(), data=st.data())
def test_the_common_case_gives_what_the_careful_way_gives(
    codec: Codec, size: int, keyframe: bool, data: st.DataObject
) -> None:
    unit = slice_unit(codec, keyframe, 1, size)
    payloads = payloads_of(codec, len(unit).to_bytes(4, "big") + unit, False)
    disturbed = data.draw(st.booleans())
    if disturbed:
        place = data.draw(st.integers(0, len(payloads) - 1))
        payloads[place : place + 1] = [payloads[place]] * data.draw(st.integers(0, 2))
    head_bytes = 2 if codec is Codec.H264 else 3
    heads = [int.from_bytes(payload[:head_bytes], "big") for payload in payloads]
    bodies = [payload[head_bytes:] for payload in payloads]
    if not heads:
        return
    at_once = depacketiser(codec).fragmented_picture(heads, bodies)
    if at_once is None:
        assert len(payloads) == 1 or disturbed
    else:
        assert [at_once] == taken(depacketiser(codec), payloads)


@given(payload=st.binary(min_size=2, max_size=40), waiting=st.booleans())
def test_one_packet_alone_gives_at_once_what_the_careful_way_gives(
    payload: bytes, waiting: bool
) -> None:
    at_once, careful = H264Depacketiser(), H264Depacketiser()
    for one in (at_once, careful):
        if waiting:
            # Belongs to the picture that follows.
            assert taken(one, [H264_SPS]) == []
    picture = at_once.fragmented_picture([int.from_bytes(payload[:2], "big")], [payload[2:]])
    if 1 <= payload[0] & 0x1F <= 5 and not waiting:
        assert [picture] == taken(careful, [payload])
    else:
        assert picture is None


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
@given(data=st.data())
def test_any_missing_fragment_is_noticed(codec: Codec, data: st.DataObject) -> None:
    unit = slice_unit(codec, True, 1, 9000)
    payloads = payloads_of(codec, len(unit).to_bytes(4, "big") + unit, False)
    missing = data.draw(st.integers(0, len(payloads) - 1))
    del payloads[missing]
    # The receiver sees a gap inside the picture, or only in front of it.
    (picture,) = depacketiser(codec).pictures(payloads, hole=missing > 0, after_gap=True)
    assert picture.damaged and picture.keyframe


def test_stap_a_with_everything() -> None:
    idr = b"\x65\x88\x01"
    units = (b"\x09\xf0", H264_SPS, H264_PPS, b"\x06\x05\x01", idr)
    payload = b"\x78" + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)
    (picture,) = taken(H264Depacketiser(), [payload])
    assert picture.keyframe and picture.parameter_sets == [H264_SPS, H264_PPS]
    assert [bytes(u) for u in iterate_nal_units(picture.payload)] == [b"\x06\x05\x01", idr]


def test_h265_aggregation_packet() -> None:
    idr = b"\x26\x01\xaf\x01"
    units = (*H265_SETS, b"\x4e\x01\x01", idr)
    payload = b"\x60\x01" + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)
    (picture,) = taken(H265Depacketiser(), [payload])
    assert picture.keyframe and picture.parameter_sets == list(H265_SETS)


def test_h265_with_decoding_order_numbers() -> None:
    one = H265Depacketiser(with_decoding_order=True)
    idr = b"\x26\x01\xaf\x01\x02\x03"
    single = idr[:2] + b"\x00\x07" + idr[2:]
    fragments = [b"\x62\x01\x93\x00\x08" + idr[2:4], b"\x62\x01\x53" + idr[4:]]
    payload = nal_units_to_payload(Codec.H265, [idr])
    assert [picture.payload for picture in taken(one, [single])] == [payload]
    assert [picture.payload for picture in taken(one, fragments)] == [payload]


def test_parameter_sets_in_a_group_of_their_own_belong_to_the_next_picture() -> None:
    one = H264Depacketiser()
    assert taken(one, [H264_SPS, H264_PPS]) == []
    (picture,) = taken(one, [b"\x65\x88\x01"])
    assert picture.parameter_sets == [H264_SPS, H264_PPS]
    (picture,) = taken(one, [b"\x41\x9a\x01"])
    assert picture.parameter_sets == []


def test_several_nal_units_with_start_codes_in_one_packet() -> None:
    idr = b"\x65\x88\x02"
    payload = H264_SPS + b"\x00\x00\x00\x01" + H264_PPS + b"\x00\x00\x01" + idr
    (picture,) = taken(H264Depacketiser(), [payload])
    assert picture.keyframe and picture.parameter_sets == [H264_SPS, H264_PPS]
    assert picture.payload == nal_units_to_payload(Codec.H264, [idr])


def test_several_pictures_of_one_timestamp_are_divided_unless_they_are_fields() -> None:
    payloads = [b"\x65\x88\x01", b"\x65\x08\x02", b"\x06\x01", b"\x41\x9a\x03"]
    first, second = taken(H264Depacketiser(), payloads)
    assert first.payload == nal_units_to_payload(Codec.H264, payloads[:2])
    assert second.payload == nal_units_to_payload(Codec.H264, payloads[2:])
    fields = H264Depacketiser()
    fields.divider.splits = False
    assert len(taken(fields, payloads)) == 1


def test_a_slice_that_is_not_the_first_says_so() -> None:
    (picture,) = taken(H264Depacketiser(), [b"\x41\x1a\x01"])
    assert picture.continues
    (picture,) = H264Depacketiser().pictures([b"\x41\x1a\x01"], hole=False, after_gap=True)
    assert picture.damaged


def test_an_intra_picture_behind_an_sps_is_a_keyframe_without_idr() -> None:
    # first_mb 0 ("1"), slice_type 7 ("0001000"): all slices are I.
    (picture,) = taken(H264Depacketiser(), [H264_SPS, H264_PPS, b"\x41\x88\x80\x11"])
    assert picture.keyframe
    (picture,) = taken(H264Depacketiser(), [H264_SPS, H264_PPS, b"\x41\x9a\x80\x11"])
    assert not picture.keyframe


@pytest.mark.parametrize(
    "payload", [b"", b"\x1c", b"\x7b\x00\x01", b"\x78\x00\x09abc", b"\x00\x01"]
)
def test_malformed_payloads_are_counted(payload: bytes) -> None:
    one = H264Depacketiser()
    taken(one, [payload])
    assert one.malformed == 1


def aac_packets(frames: list[bytes]) -> list[list[bytes]]:
    packetiser = TrackPacketiser(Track("audio", Codec.AAC, 16000, (b"\x14\x08",), channels=1), 0)
    return [
        [bytes(one) for one in packetiser.packetise(AccessUnit(0, f, 0, 0, True, 0)).datagrams()]
        for f in frames
    ]


@given(st.lists(st.binary(min_size=1, max_size=4000), min_size=1, max_size=5))
def test_aac_comes_back_whole_or_fragmented(frames: list[bytes]) -> None:
    one = AacDepacketiser()
    made = []
    for packets in aac_packets(frames):
        for data in packets:
            made += one.frames(data[12:], marker=data[1] & 0x80 != 0, after_gap=False)
    assert [frame.payload for frame in made] == frames


@given(st.lists(st.binary(min_size=1, max_size=100), min_size=1, max_size=12))
def test_several_aac_frames_in_one_packet(frames: list[bytes]) -> None:
    headers = b"".join(struct.pack(">H", len(frame) << 3) for frame in frames)
    payload = struct.pack(">H", 16 * len(frames)) + headers + b"".join(frames)
    made = AacDepacketiser().frames(payload, marker=True, after_gap=False)
    assert [frame.payload for frame in made] == frames
    assert [frame.offset for frame in made] == [1024 * n for n in range(len(frames))]


def test_aac_low_bit_rate_mode() -> None:
    one = AacDepacketiser(size_length=6, index_length=2, index_delta_length=2)
    payload = struct.pack(">HBB", 16, 3 << 2, 2 << 2) + b"abcde"
    frames = one.frames(payload, marker=True, after_gap=False)
    assert [frame.payload for frame in frames] == [b"abc", b"de"]


def test_a_lost_aac_fragment_loses_its_frame_only() -> None:
    packets = aac_packets([bytes(4000), b"next"])
    one = AacDepacketiser()
    assert one.frames(packets[0][0][12:], marker=False, after_gap=False) == []
    assert one.frames(packets[0][-1][12:], marker=True, after_gap=True) == []
    (frame,) = one.frames(packets[1][0][12:], marker=True, after_gap=False)
    assert frame.payload == b"next"


@pytest.mark.parametrize(
    "payload", [b"", b"\x00", b"\x00\x00", b"\xff\xff\x00", b"\x00\x10\x00\x00"]
)
def test_malformed_aac(payload: bytes) -> None:
    assert AacDepacketiser().frames(payload, marker=True, after_gap=False) == []


def test_g711_and_opus_are_their_payload() -> None:
    (frame,) = PlainDepacketiser().frames(b"abc", marker=False, after_gap=False)
    assert (frame.payload, frame.offset) == (b"abc", 0)
