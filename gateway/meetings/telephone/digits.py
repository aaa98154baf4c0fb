"""Keys that are pressed on a telephone, from its RTP (RFC 4733 §2.5). Sans-IO."""

from __future__ import annotations

_KEYS = "0123456789*#ABCD"


class Digits:
    """Each press once, however often its packets are repeated or lost: a press is known by its
    timestamp, told at its first packet that arrives.
    """

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: int | None = None

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """The key of one telephone event packet, if it was not told yet."""
        if len(payload) < 4 or payload[0] >= len(_KEYS):
            return None
        if self._newest is not None and (timestamp - self._newest - 1) & 0xFFFFFFFF >= 1 << 31:
            return None
        self._newest = timestamp
        return _KEYS[payload[0]]
