"""NAL units between start codes and lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.codecs import CodecError, nal
from camera_adapters.stream import Codec, Track

# No emulated start codes inside, as an encoder guarantees, and no trailing zero.
nal_bodies = st.binary(min_size=1, max_size=60).map(
    lambda body: body.replace(b"\x00\x00", b"\x00\x07") + b"\x80"
)
slices = nal_bodies.map(lambda body: b"\x41" + body)


@given(st.lists(slices, max_size=6))
def test_there_and_back(units: list[bytes]) -> None:
    payload = nal.nal_units_to_payload(Codec.H264, units)
    assert [bytes(unit) for unit in nal.iterate_nal_units(payload)] == units
    track = Track("video", Codec.H264, 90000, (b"\x67\x01", b"\x68\x02"))
    assert nal.split_annex_b(nal.to_annex_b(track, payload, False)) == units
    whole = nal.to_annex_b(track, payload, True)
    assert nal.split_annex_b(whole) == [b"\x67\x01", b"\x68\x02", *units]
    assert nal.annex_b_to_payload(Codec.H264, whole) == payload


def test_short_and_long_start_codes_and_trailing_zeros() -> None:
    data = b"\xff\x00\x00\x01\x41\x9a\x00\x00\x00\x00\x01\x41\x9b\x00"
    assert nal.split_annex_b(data) == [b"\x41\x9a", b"\x41\x9b"]


def test_delimiters_and_parameter_sets_are_left_out() -> None:
    units = [b"\x09\xf0", b"\x67\x01", b"\x68\x01", b"\x06\x05", b"\x65\x88", b"\x0c\xff"]
    payload = nal.nal_units_to_payload(Codec.H264, units)
    assert [bytes(unit) for unit in nal.iterate_nal_units(payload)] == [b"\x06\x05", b"\x65\x88"]
    units = [b"\x40\x01", b"\x42\x01", b"\x44\x01", b"\x46\x01", b"\x26\x01\xaf", b"\x4e\x01"]
    payload = nal.nal_units_to_payload(Codec.H265, units)
    kept = [b"\x26\x01\xaf", b"\x4e\x01"]
    assert [bytes(unit) for unit in nal.iterate_nal_units(payload)] == kept


@pytest.mark.parametrize("payload", [b"\x00", b"\x00\x00\x00\x05abc", b"\xff\xff\xff\xff"])
def test_lengths_past_the_end(payload: bytes) -> None:
    with pytest.raises(CodecError):
        list(nal.iterate_nal_units(payload))
