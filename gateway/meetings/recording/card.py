"""The picture of no picture: what a recording shows while there is sound, and nothing to see.

One H.264 keyframe (baseline, 640 × 360) of a crossed-out camera on a dark ground, encoded once and
for all: the process that records decodes and encodes nothing.
"""

from __future__ import annotations

import base64
import zlib

from camera_adapters.rtp.pictures import Picture

_SPS = base64.b64decode("Z0LAFtwKAv+WEAAAAwAQACvyAPFi+A==")
_PPS = base64.b64decode("aM4CEsg=")
_SLICE = base64.b64decode(
    "eNpL7Whh2eOmwcAZfpyn7Pf7fbjRul2vRyyaZRHAILCrL7l3odm2bdu2nI8tvY4d2QJxyWd3LgYm8cAzhcvscJi3"
    "FQzWXcNlY8ZDBwanV5Z9Zi23gOCyzcVDDQytV4plMvtxuPAliFq+dR1++0ZwDK7bAwB4gye5"
)

PARAMETER_SETS = (_SPS, _PPS)


def card() -> Picture:
    """The picture, as a depacketiser would give it."""
    unit = zlib.decompress(_SLICE)
    return Picture(len(unit).to_bytes(4, "big") + unit, True, list(PARAMETER_SETS), False)
