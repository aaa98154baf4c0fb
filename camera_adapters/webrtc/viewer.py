"""One viewer of one Stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ViewerStatistics:
    """Counters since the viewer came; ``*_lost`` and below as its last receiver report said."""

    packets_sent: int = 0
    bytes_sent: int = 0
    packets_lost: int = 0
    fraction_lost: float = 0.0
    round_trip_ms: float | None = None
    jitter_ms: float = 0.0
    retransmitted: int = 0
    pictures_skipped: int = 0
    receiver_estimate_bps: int | None = None


class Viewer:
    """A peer that watches. ``ice_session`` names its ICE session (used as ETag)."""

    ice_session: str

    def close(self, reason: str) -> None:
        """End it now; may be called twice."""
        raise NotImplementedError

    @property
    def statistics(self) -> ViewerStatistics:
        """A snapshot for /metrics."""
        raise NotImplementedError
