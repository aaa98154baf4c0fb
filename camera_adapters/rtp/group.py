"""What a receiver hands on: the payloads of one picture, and counts of what it has seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Group:
    """The payloads of one picture, or one packet's, each in two pieces.

    ``heads`` are the first ``head_bytes`` bytes of the payloads, as numbers (none when that is 0),
    ``bodies`` the rest: fragments of a NAL unit are joined without being cut once more.
    ``timestamp`` is unwrapped: it goes on beyond 32 bits. ``hole``: packets inside are missing.
    ``after_gap``: packets just before it are missing, perhaps its own first ones. ``restarted``:
    the sender began anew, so that the timestamp has no relation to the last.
    """

    head_bytes: int
    heads: list[int]
    bodies: list[bytes]
    timestamp: int
    marker: bool
    hole: bool
    after_gap: bool
    restarted: bool
    arrival_us: int

    @property
    def payloads(self) -> list[bytes]:
        """The payloads, put together again."""
        return joined_payloads(self.head_bytes, self.heads, self.bodies)


@dataclass(slots=True)
class ReceptionCounters:
    """What a receiver has seen. ``lost`` counts packets that never came, as far as is known."""

    packets: int = 0
    octets: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    malformed: int = 0
    foreign: int = 0


def joined_payloads(head_bytes: int, heads: list[int], bodies: list[bytes]) -> list[bytes]:
    """Whole payloads from the pieces of a :class:`Group`."""
    if not head_bytes:
        return bodies
    return [
        head.to_bytes(head_bytes, "big") + body for head, body in zip(heads, bodies, strict=True)
    ]
