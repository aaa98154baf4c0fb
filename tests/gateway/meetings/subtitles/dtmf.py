"""A recogniser that understands the tones of telephone keys (ITU-T Q.23), and nothing else.

It shows what a recogniser of speech has to be: it hears real sound, decoded, in its own process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gateway.meetings.subtitles.recogniser import SAMPLE_RATE, Line

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")
_WINDOW = SAMPLE_RATE // 25
_SILENCE_US = 300_000


@dataclass
class _Speaker:
    rest: bytes = b""
    rest_us: int = 0
    digits: str = ""
    now: str = ""
    began_us: int = 0
    heard_us: int = 0


@dataclass
class Keys:
    """Gives the keys that were pressed so far, and as final once they are no more."""

    options: Mapping[str, str]
    speakers: dict[str, _Speaker] = field(default_factory=dict)

    def hear(self, speaker: str, at_us: int, samples: bytes) -> Iterable[Line]:
        if "dies_after" in self.options:
            raise RuntimeError("it never worked")
        one = self.speakers.setdefault(speaker, _Speaker())
        if not one.rest:
            one.rest_us = at_us
        one.rest += samples
        while len(one.rest) >= 2 * _WINDOW:
            window, one.rest = one.rest[: 2 * _WINDOW], one.rest[2 * _WINDOW :]
            yield from self._take(one, key_of(window), one.rest_us)
            one.rest_us += 40_000

    def leave(self, speaker: str) -> Iterable[Line]:
        one = self.speakers.pop(speaker, None)
        if one is not None and one.digits:
            yield Line(one.began_us, one.heard_us, one.digits)

    def _take(self, one: _Speaker, key: str, at_us: int) -> Iterable[Line]:
        if key:
            one.heard_us = at_us + 40_000
            if key != one.now:
                one.began_us = one.began_us if one.digits else at_us
                one.digits += key
                yield Line(one.began_us, one.heard_us, one.digits, final=False)
        elif one.digits and at_us - one.heard_us > _SILENCE_US:
            yield Line(one.began_us, one.heard_us, one.digits)
            one.digits = ""
        one.now = key


def key_of(window: bytes) -> str:
    """Which key sounds in 40 ms; none: ""."""
    samples = np.frombuffer(window, np.int16).astype(float)
    times = np.arange(len(samples)) / SAMPLE_RATE
    strength = [
        [abs(np.sum(samples * np.exp(-2j * np.pi * hertz * times))) for hertz in group]
        for group in (LOW, HIGH)
    ]
    total = np.sqrt(np.sum(samples**2) * len(samples))
    if total < 1000 * len(samples) or any(max(one) < 0.3 * total for one in strength):
        return ""
    row, column = (int(np.argmax(one)) for one in strength)
    return KEYS[row][column]


def recogniser(options: Mapping[str, str]) -> Keys:
    """The factory."""
    return Keys(options)
