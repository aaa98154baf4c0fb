"""Which of a picture's times counts: that of its PES packet, or its RTP timestamp.

Both count 90 kHz. The PES packet's is common to picture and sound and knows of reordering, so it
comes first; where it is missing or stands still, the RTP timestamp carries on from it.
"""

from __future__ import annotations

from dataclasses import dataclass

_PTS_BITS = 33
_STANDSTILL_LIMIT = 3


@dataclass(slots=True)
class PictureTimes:
    """Unwraps times and bridges what is missing. ``by_rtp``: the PES packets' times are useless."""

    by_rtp: bool = False
    last: int = -1
    _last_pts: int = -1
    _last_rtp: int = 0
    _step: int = 3600
    _standing: int = 0

    def timestamp(self, pts: int | None, rtp_timestamp: int) -> int:
        """The picture's time in 90 kHz, unwrapped. ``rtp_timestamp`` is unwrapped already."""
        if self.last < 0:
            return self._note(rtp_timestamp if pts is None else pts, pts, rtp_timestamp)
        moved = rtp_timestamp - self._last_rtp
        if pts is not None and not self.by_rtp:
            if pts != self._last_pts:
                self._standing = 0
                return self._note(self._unwrap(pts), pts, rtp_timestamp)
            if moved:
                self._standing += 1
                self.by_rtp = self._standing >= _STANDSTILL_LIMIT
        return self._note(self.last + (moved or self._step), pts, rtp_timestamp)

    def beside(self, pts: int) -> int:
        """The time of a sound packet on the same clock, unwrapped near the newest picture's."""
        return pts if self.last < 0 else self._unwrap(pts)

    def restart(self) -> None:
        """The sender began anew."""
        self.last = -1
        self._last_pts = -1
        self.by_rtp = False
        self._standing = 0

    def _unwrap(self, pts: int) -> int:
        difference = (pts - self.last) & ((1 << _PTS_BITS) - 1)
        if difference >> (_PTS_BITS - 1):
            difference -= 1 << _PTS_BITS
        return self.last + difference

    def _note(self, timestamp: int, pts: int | None, rtp_timestamp: int) -> int:
        if 0 < timestamp - self.last < 90_000 and self.last >= 0:
            self._step = timestamp - self.last
        self.last = timestamp
        self._last_pts = -1 if pts is None else pts
        self._last_rtp = rtp_timestamp
        return timestamp
