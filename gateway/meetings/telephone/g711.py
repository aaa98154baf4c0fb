"""G.711 (ITU-T G.711, A-law and µ-law) by tables, and sound of 48 kHz at the telephone's 8 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.meetings.telephone.playout import Samples

RATE = 8000
FRAME_SAMPLES = 160
"""20 ms."""
WIDE_FRAME_SAMPLES = 960
"""20 ms of 48 kHz."""
_TAPS = 120


def _mu_law_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_table() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code & 0x70) >> 4
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(exponent == 0, step, step + 0x100 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encoder(decoded: Samples) -> NDArray[np.uint8]:
    """For each of the 65536 samples the code whose sound is nearest."""
    order = np.argsort(decoded, kind="stable")
    values = decoded[order].astype(np.int32)
    borders = (values[1:] + values[:-1]) / 2
    samples = np.arange(-32768, 32768)
    codes: NDArray[np.uint8] = order[np.searchsorted(borders, samples)].astype(np.uint8)
    # Indexed by the sample's 16 bits, as they are.
    return np.roll(codes, -32768)


_DECODE = {"PCMA": _a_law_table(), "PCMU": _mu_law_table()}
_ENCODE = {name: _encoder(table) for name, table in _DECODE.items()}


def decode(codec: str, payload: bytes) -> Samples:
    """Samples at 8 kHz. ``codec`` is ``PCMA`` or ``PCMU``."""
    return _DECODE[codec][np.frombuffer(payload, np.uint8)]


def encode(codec: str, samples: Samples) -> bytes:
    """One byte for each sample."""
    return _ENCODE[codec][samples.view(np.uint16)].tobytes()


def _low_pass() -> NDArray[np.float32]:
    """To 3.6 kHz at 48 kHz, a windowed sinc."""
    at = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * 3600 / 48000 * at) * np.hamming(_TAPS)
    found: NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return found


class Narrowing:
    """48 kHz to 8 kHz, frame by frame of one sound that goes on."""

    __slots__ = ("_before",)

    _filter = _low_pass()

    def __init__(self) -> None:
        self._before = np.zeros(_TAPS - 6, np.float32)

    def push(self, wide: NDArray[np.float32]) -> Samples:
        """As many samples at 48 kHz as are a multiple of six; a sixth as many come out."""
        line = np.concatenate((self._before, wide))
        windows = np.lib.stride_tricks.sliding_window_view(line, _TAPS)[::6]
        self._before = line[len(line) - (_TAPS - 6) :]
        made: Samples = np.clip(windows @ self._filter, -32768, 32767).astype(np.int16)
        return made


def level_dbov(samples: Samples | None) -> int:
    """How far below the loudest possible sound: 0 loud, 127 silent (RFC 6464 §3)."""
    if samples is None:
        return 127
    power = float(np.mean(np.square(samples.astype(np.float32))))
    if power < 1.0:
        return 127
    return int(min(127, max(0, round(-10 * np.log10(power / 32768**2)))))
