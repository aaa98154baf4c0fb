"""Packets that came before the one that is next: UDP may deliver them out of order."""

from __future__ import annotations

REORDER_WAIT_US = 150_000
"""How long the next packet may be behind those that came before it."""

_LIMIT = 256


class EarlyPackets:
    """Whole packets by sequence number, bounded, for ``wait_us``. True while there are any."""

    __slots__ = ("_packets", "_since_us", "wait_us")

    def __init__(self, wait_us: int = REORDER_WAIT_US) -> None:
        self.wait_us = wait_us
        self._packets: dict[int, tuple[bytes, int]] = {}
        self._since_us = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def is_full(self) -> bool:
        """Whether the one that is next must be given up now."""
        return len(self._packets) > _LIMIT

    def hold(self, sequence: int, packet: bytes, arrival_us: int) -> bool:
        """Keep a packet; False when it is here already."""
        if sequence in self._packets:
            return False
        if not self._packets:
            self._since_us = arrival_us
        self._packets[sequence] = (packet, arrival_us)
        return True

    def is_overdue(self, now_us: int) -> bool:
        """Whether they have waited for longer than they may."""
        return bool(self._packets) and now_us - self._since_us > self.wait_us

    def missing_before(self, expected: int) -> int:
        """How many packets lie between ``expected`` and the nearest one here."""
        return min((sequence - expected) & 0xFFFF for sequence in self._packets)

    def missing_from(self, expected: int) -> list[int]:
        """The numbers from ``expected`` up to the furthest one here that are not here."""
        packets = self._packets
        furthest = max((sequence - expected) & 0xFFFF for sequence in packets)
        numbers = ((expected + ahead) & 0xFFFF for ahead in range(furthest))
        return [number for number in numbers if number not in packets]

    def pop(self, sequence: int) -> bytes | None:
        """The packet of this number, if it is here; those that stay have waited since they came."""
        held = self._packets.pop(sequence, None)
        if held is None:
            return None
        if held[1] <= self._since_us and self._packets:
            self._since_us = min(came_us for _, came_us in self._packets.values())
        return held[0]

    def clear(self) -> None:
        """Forget them: the sender began anew."""
        self._packets.clear()
