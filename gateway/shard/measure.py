"""Rates of a pulled source, made of its counters every few seconds: a picture costs nothing."""

from __future__ import annotations

from camera_adapters.source import SourceCounters

_SMOOTHING = 0.3


class SourceRates:
    """Bit rate, picture rate and keyframe distance; None while nothing is pulled."""

    __slots__ = ("_last", "_last_s", "bitrate_bps", "frames_per_second", "gop_s")

    def __init__(self) -> None:
        self.bitrate_bps: int | None = None
        self.frames_per_second: float | None = None
        self.gop_s: float | None = None
        self._last: SourceCounters | None = None
        self._last_s = 0.0

    def clear(self) -> None:
        """Nothing comes any more: what was measured is no longer true."""
        self.bitrate_bps = self.frames_per_second = self.gop_s = self._last = None

    def turn(self, counters: SourceCounters, now_s: float) -> None:
        """Make rates of what was counted since the last turn."""
        last, self._last = self._last, counters
        elapsed_s, self._last_s = now_s - self._last_s, now_s
        if counters.gop_us:
            self.gop_s = round(counters.gop_us / 1_000_000, 3)
        # Counters start anew when an on-demand source is pulled again.
        if last is None or counters.bytes < last.bytes or elapsed_s <= 0:
            return
        bits = (counters.bytes - last.bytes) * 8
        self.bitrate_bps = round(_smooth(self.bitrate_bps, bits / elapsed_s))
        pictures = (counters.pictures - last.pictures) / elapsed_s
        self.frames_per_second = round(_smooth(self.frames_per_second, pictures), 2)


def _smooth(before: float | None, now: float) -> float:
    return now if before is None else before + (now - before) * _SMOOTHING
