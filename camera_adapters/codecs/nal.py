"""NAL units in their two wrappings: behind a 4-byte length, and behind a start code (Annex B).

An :class:`~camera_adapters.stream.AccessUnit`'s payload has neither parameter sets nor delimiters;
:func:`to_annex_b` puts back what a decoder needs, :func:`annex_b_to_payload` takes it out.
"""

from __future__ import annotations

from collections.abc import Iterator

from camera_adapters.codecs import CodecError
from camera_adapters.stream import Codec, Track

_START_CODE = b"\x00\x00\x00\x01"

# What a payload leaves out: parameter sets, delimiters, ends, filler.
H264_LEFT_OUT = frozenset({7, 8, 9, 10, 11, 12, 13, 15})
H265_LEFT_OUT = frozenset({32, 33, 34, 35, 36, 37, 38})


def iterate_nal_units(payload: bytes) -> Iterator[memoryview]:
    """The NAL units of a length-prefixed payload, without copying.

    Raises CodecError when a length runs past the end.
    """
    view = memoryview(payload)
    end = len(view)
    position = 0
    while position < end:
        start = position + 4
        position = start + int.from_bytes(view[position:start], "big")
        if start > end or position > end:
            raise CodecError("a NAL unit's length runs past the end of its access unit")
        yield view[start:position]


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream with start codes (H.264 Annex B, H.265 Annex B).

    Bytes before the first start code are not a NAL unit and are left out; so are trailing zeros.
    """
    units = []
    at = data.find(b"\x00\x00\x01")
    while at >= 0:
        start = at + 3
        at = data.find(b"\x00\x00\x01", start)
        unit = data[start : at if at >= 0 else len(data)].rstrip(b"\x00")
        if unit:
            units.append(unit)
    return units


def to_annex_b(track: Track, payload: bytes, with_parameter_sets: bool) -> bytes:
    """The payload with start codes, for decoders; the track's parameter sets in front if asked.

    Raises CodecError as :func:`iterate_nal_units`.
    """
    pieces: list[bytes | memoryview] = []
    if with_parameter_sets:
        for parameter_set in track.parameter_sets:
            pieces += (_START_CODE, parameter_set)
    for unit in iterate_nal_units(payload):
        pieces += (_START_CODE, unit)
    return b"".join(pieces)


def annex_b_to_payload(codec: Codec, data: bytes) -> bytes:
    """An Access Unit's payload from one picture's byte stream: lengths, no parameter sets.

    ``codec`` is H264 or H265. The result is empty when nothing but parameter sets was there.
    """
    return nal_units_to_payload(codec, split_annex_b(data))


def nal_units_to_payload(codec: Codec, units: list[bytes]) -> bytes:
    """As :func:`annex_b_to_payload`, from the NAL units of one picture."""
    pieces: list[bytes] = []
    for unit in units:
        if not unit or is_left_out(codec, unit[0]):
            continue
        pieces += (len(unit).to_bytes(4, "big"), unit)
    return b"".join(pieces)


def is_left_out(codec: Codec, first_byte: int) -> bool:
    """Whether a NAL unit with this first byte is not part of a payload."""
    if codec is Codec.H265:
        return (first_byte >> 1) & 0x3F in H265_LEFT_OUT
    return first_byte & 0x1F in H264_LEFT_OUT
