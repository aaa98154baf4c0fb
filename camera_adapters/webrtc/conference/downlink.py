"""How much a receiver's network can take, from what the receiver says.

REMB follows what is really sent (libwebrtc: at most 1.5 times that), so while we send little its
value says nothing about the path; what counts is when it falls: receivers lower it only when
packets queue up. Losses beyond what noise explains count as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from camera_adapters.webrtc.feedback import ReceptionReport

_FALL = 0.97
"""A receiver's estimate wanders by less than this without congestion."""
_LOSS_LIMIT = 0.10
_GROWTH_PER_S = 0.08
_FREE_BPS = 20_000_000
_FLOOR_BPS = 64_000
_WINDOW_PACKETS = 50
"""Of fewer packets a part says nothing: one of ten is no ten per cent."""
_HOLD_S = 4.0
_HOLD_LIMIT_S = 60.0
_CALM_S = 120.0
_STALE_S = 2.5
"""What is reported for so long after a congestion is of before it, or of the queue that it left."""


@dataclass(slots=True)
class LossWindow:
    """Which part of what was sent did not arrive, over all of a receiver's streams together."""

    _before: dict[int, tuple[int, int]] = field(default_factory=dict)
    _expected: int = 0
    _lost: int = 0

    def note(self, reports: list[ReceptionReport]) -> float | None:
        """Take a receiver's reports; the part lost since the last answer, None until enough
        packets were sent to say."""
        for one in reports:
            highest, lost = self._before.get(one.ssrc, (one.highest_sequence, one.packets_lost))
            self._before[one.ssrc] = one.highest_sequence, one.packets_lost
            ahead = (one.highest_sequence - highest) & 0xFFFFFFFF
            if ahead < 1 << 16:
                self._expected += ahead
                # Repeats that came count as negative losses.
                self._lost += one.packets_lost - lost
        if self._expected < _WINDOW_PACKETS:
            return None
        part = min(1.0, max(0.0, self._lost / self._expected))
        self._expected = self._lost = 0
        return part


@dataclass(slots=True)
class Downlink:
    """Give it every estimate and every report of losses; ``estimate_bps`` is None while nothing
    says that the path has a limit.

    After a congestion it rests for ``hold_s``, twice as long each time until all has been calm for
    two minutes, so that quality does not swing, and then grows until it limits nothing any more.
    """

    estimate_bps: int | None = None
    _remb_bps: int | None = None
    _hold_s: float = _HOLD_S
    _congested_s: float = -1e9
    _grown_s: float = 0.0
    _lossy: int = 0

    def note_estimate(self, bps: int, now_s: float) -> None:
        """The receiver says so (REMB)."""
        before, self._remb_bps = self._remb_bps, bps
        if before is not None and bps < before * _FALL:
            self._congest(bps, now_s)
        else:
            self._grow(now_s)

    def note_loss(self, fraction: float, sent_bps: int, now_s: float) -> None:
        """Of what was sent lately (:class:`LossWindow`), this part did not arrive."""
        if now_s - self._congested_s < _STALE_S:
            return
        self._lossy = self._lossy + 1 if fraction > _LOSS_LIMIT else 0
        if self._lossy >= 2:
            self._lossy = 0
            self._congest(int(sent_bps * (1 - fraction / 2)), now_s)
        else:
            self._grow(now_s)

    def _congest(self, bps: int, now_s: float) -> None:
        since_s = now_s - self._congested_s
        if since_s > _CALM_S:
            self._hold_s = _HOLD_S
        elif since_s > _STALE_S:
            self._hold_s = min(2 * self._hold_s, _HOLD_LIMIT_S)
        self._congested_s = now_s
        limit = bps if self.estimate_bps is None else min(bps, self.estimate_bps)
        self.estimate_bps = max(limit, _FLOOR_BPS)

    def _grow(self, now_s: float) -> None:
        seconds, self._grown_s = now_s - self._grown_s, now_s
        if self.estimate_bps is None or now_s - self._congested_s < self._hold_s:
            return
        grown = self.estimate_bps * (1 + _GROWTH_PER_S) ** min(max(seconds, 0.0), 5.0)
        self.estimate_bps = int(max(grown, self._remb_bps or 0)) + 1
        if self.estimate_bps > _FREE_BPS:
            self.estimate_bps = None
