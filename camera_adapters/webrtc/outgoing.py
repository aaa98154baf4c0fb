"""One of a viewer's RTP streams: its numbers, its history, and its place in time."""

from __future__ import annotations

import secrets

from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.srtp import RtpStream


class Outgoing:
    """``newest`` is the time stamp of the batch last sent, before ``timestamp_base`` is added."""

    __slots__ = ("clock_rate", "history", "newest", "rtp", "timestamp_base")

    def __init__(self, rtp: RtpStream, history: SendHistory | None, clock_rate: int) -> None:
        self.rtp = rtp
        self.history = history
        self.clock_rate = clock_rate
        self.timestamp_base = secrets.randbits(32)
        self.newest = -(1 << 62)
