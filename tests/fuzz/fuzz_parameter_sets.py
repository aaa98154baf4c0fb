"""Parameter sets, AudioSpecificConfig, and what is made of them."""

from __future__ import annotations

import contextlib

from camera_adapters.codecs import CodecError, aac, h264, h265, nal
from camera_adapters.stream import Codec
from tests.peers.parameter_sets import H264_SETS, H265_SETS

SEEDS = [
    *H264_SETS,
    *H265_SETS,
    bytes.fromhex("1408"),
    b"\x00\x00\x00\x05\x65\x88\x80\x10\x01\x00\x00\x00\x01A",
]


def target(data: bytes) -> None:
    for parse in (h264.parse_sps, h265.parse_sps, aac.parse_audio_specific_config):
        with contextlib.suppress(CodecError):
            parse(data)
    with contextlib.suppress(CodecError):
        list(nal.iterate_nal_units(data))
    for codec in (Codec.H264, Codec.H265):
        payload = nal.annex_b_to_payload(codec, data)
        list(nal.iterate_nal_units(payload))
