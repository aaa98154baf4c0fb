"""How long Opus packets last, as ffmpeg's own decoder finds it."""

from __future__ import annotations

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.codecs.opus import SILENCE, SILENCE_US, duration_us


def decoded_us(packet: bytes) -> tuple[int, float]:
    """How long a decoder says that it lasts, and its loudest sample."""
    decoder = av.AudioCodecContext.create("opus", "r")
    decoder.sample_rate = 48_000
    decoder.layout = "mono"
    (frame,) = decoder.decode(av.Packet(packet))
    return frame.samples * 1_000_000 // 48_000, float(abs(frame.to_ndarray()).max())


def test_the_packet_of_silence_is_silent() -> None:
    lasts_us, loudest = decoded_us(SILENCE)
    assert lasts_us == SILENCE_US == duration_us(SILENCE)
    assert loudest < 1e-6


# SILK, hybrid and CELT; one frame, two, and a number of them (§3.1, table 2).
@pytest.mark.parametrize("configuration", range(32))
@pytest.mark.parametrize("tail", [b"\x00" * 8, b"\x03" + b"\x00" * 8], ids=["one", "three"])
def test_as_long_as_a_decoder_says(configuration: int, tail: bytes) -> None:
    code = 3 if tail[0] == 3 else 0
    packet = bytes([configuration << 3 | code]) + tail
    if duration_us(packet) >= 120_000:
        pytest.skip("longer than a packet may be")
    # Three frames of three bytes each.
    if code == 3:
        packet += b"\x00"
    # The decoder's resampler keeps the first half millisecond of what SILK gives.
    assert 0 <= duration_us(packet) - decoded_us(packet)[0] <= 1_000


@given(st.binary(max_size=64))
def test_any_bytes_have_a_length_of_at_most_120_ms(packet: bytes) -> None:
    assert 0 <= duration_us(packet) <= 120_000
