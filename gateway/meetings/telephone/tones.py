"""What a caller is told: by tones, which every country's callers understand or are told of.

The patterns are in docs/telephones.md; who changes them changes it there.
"""

from __future__ import annotations

import numpy as np

from gateway.meetings.telephone.g711 import RATE
from gateway.meetings.telephone.playout import Samples

# (Hz, ms): 0 Hz is a pause.
_PATTERNS: dict[str, tuple[tuple[int, int], ...]] = {
    "number": ((600, 150), (0, 100), (600, 150)),
    "pin": ((900, 120), (0, 80), (900, 120), (0, 80), (900, 120)),
    "wrong": ((300, 600), (0, 200), (300, 600)),
    "waiting": ((500, 120), (0, 200)),
    "inside": ((500, 120), (600, 120), (900, 200)),
    "muted": ((900, 120), (500, 200)),
    "unmuted": ((500, 120), (900, 200)),
    "called": ((1000, 200), (0, 100), (1000, 200), (0, 100), (1000, 200)),
    "heard": ((1000, 100),),
    "recorded": ((1400, 400), (0, 200), (1400, 400)),
    "over": ((900, 120), (600, 120), (400, 300)),
}
_AMPLITUDE = 6000
_FADE = RATE // 200


def _sine(hertz: int, ms: int) -> Samples:
    count = RATE * ms // 1000
    if not hertz:
        return np.zeros(count, np.int16)
    sound = _AMPLITUDE * np.sin(2 * np.pi * hertz / RATE * np.arange(count))
    fade = np.minimum(1.0, np.minimum(np.arange(count), np.arange(count)[::-1]) / _FADE)
    made: Samples = (sound * fade).astype(np.int16)
    return made


TONES: dict[str, Samples] = {
    name: np.concatenate([_sine(hertz, ms) for hertz, ms in pattern])
    for name, pattern in _PATTERNS.items()
}
