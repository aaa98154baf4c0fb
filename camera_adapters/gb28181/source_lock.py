"""From where media are taken: the first valid sender, and its later ports.

A device behind a NAT sends from another port, often from another address, than it answered; and
the NAT may change the port in the middle. What proves a sender is the agreed SSRC, or for a change
of port the one that it has sent until now.
"""

from __future__ import annotations

# Host, port; and two numbers more for IPv6.
Address = tuple[str, int] | tuple[str, int, int, int]

_RTP_HEADER_BYTES = 12


class SourceLock:
    """Says which datagrams are the session's. ``host`` is the answered address.

    ``foreign`` counts datagrams from elsewhere, ``moved`` how often the port was changed under way.
    """

    __slots__ = ("_host", "_seen", "_ssrc", "foreign", "moved", "source")

    def __init__(self, host: str, ssrc: int | None) -> None:
        self.source: Address | None = None
        self.foreign = 0
        self.moved = 0
        self._host = host
        self._ssrc = ssrc
        self._seen = -1

    def admit(self, sender: Address, head: bytes | memoryview, size: int) -> bool:
        """Whether a datagram of ``size`` bytes, beginning with ``head`` (12 bytes), is ours.

        Called for senders other than :attr:`source`, which it may change.
        """
        if size < _RTP_HEADER_BYTES or head[0] >> 6 != 2:
            self.foreign += 1
            return False
        ssrc = int.from_bytes(head[8:12], "big")
        agreed = ssrc == self._ssrc
        locked = self.source
        if locked is None:
            if sender[0] != self._host and not agreed:
                self.foreign += 1
                return False
        elif sender[0] != locked[0] or not (agreed or ssrc == self._seen):
            self.foreign += 1
            return False
        else:
            self.moved += 1
        self.source = sender
        self._seen = ssrc
        return True
