"""A synthesised G.711 sound track: a soft tone for a quarter of each second."""

from __future__ import annotations

import math

from camera_adapters.stream import AccessUnit, Codec, Track

_RATE = 8000
_FRAME_SAMPLES = 160
_TONE_HZ = 440.0
_AMPLITUDE = 4000

TONE_TRACK = Track("audio", Codec.PCMA, clock_rate=_RATE, channels=1)


def a_law(sample: int) -> int:
    """One 16-bit linear sample as A-law (ITU-T G.711 Table 1a, even bits inverted)."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = min((sample if sample >= 0 else -sample - 1) >> 3, 0xFFF)
    segment = max(0, magnitude.bit_length() - 5)
    mantissa = magnitude >> max(1, segment) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


def tone_units(track_index: int, duration_90k: int) -> list[AccessUnit]:
    """20 ms packets of the tone for ``duration_90k``; whole seconds loop without a click."""
    second = bytes(
        a_law(round(_AMPLITUDE * math.sin(2 * math.pi * _TONE_HZ * index / _RATE)))
        if index < _RATE // 4
        else a_law(0)
        for index in range(_RATE)
    )
    step_90k = 90000 * _FRAME_SAMPLES // _RATE
    return [
        AccessUnit(
            track_index,
            second[
                number * _FRAME_SAMPLES % _RATE : number * _FRAME_SAMPLES % _RATE + _FRAME_SAMPLES
            ],
            number * step_90k,
            number * step_90k,
            True,
            0,
        )
        for number in range(duration_90k // step_90k)
    ]
