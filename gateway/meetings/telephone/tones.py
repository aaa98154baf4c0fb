"""What a caller is told: by tones, which every country's callers understand or are told of; and
who is called, and has read nothing, in words.

The patterns are in docs/telephones.md; who changes them changes it there. The words are
``invited.alaw``, 8 kHz, made once by eSpeak NG (voices ``cmn-latn-pinyin`` and ``en-gb``): "nin2
hao3. qing3 nin2 can1 jia1 shi4 pin2 hui4 yi4. can1 jia1, qing3 an4 yi1." and "You are called to a
meeting. To take part, press one."
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.meetings.telephone.g711 import RATE, decode
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
    "invited": ((800, 150), (0, 100), (800, 300), (0, 200)),
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
_WORDS = decode("PCMA", Path(__file__).with_name("invited.alaw").read_bytes())
TONES["invited"] = np.concatenate([TONES["invited"], _WORDS])
