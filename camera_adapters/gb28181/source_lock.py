"""From where media are taken: the first valid sender, and its later ports.

A device behind a NAT sends from another port, often from another address, than it answered; and
the NAT may change the port in the middle. What proves a sender is the agreed SSRC, or for a change
of port the one that it has sent until now. SSRCs can be guessed, so for the first two seconds only
the hosts count that the device has named or registered from.
"""

from __future__ import annotations

# Host, port; and two numbers more for IPv6.
Address = tuple[str, int] | tuple[str, int, int, int]

_RTP_HEADER_BYTES = 12
STRANGERS_WAIT_S = 2.0


class SourceLock:
    """Says which datagrams are the session's. ``host`` is the answered address, ``registered`` the
    host that the device registered from, ``now_s`` of one steady clock.

    ``foreign`` counts datagrams from elsewhere, ``moved`` how often the port was changed under way.
    """

    __slots__ = ("_begun_s", "_host", "_registered", "_seen", "_ssrc", "foreign", "moved", "source")

    def __init__(self, host: str, ssrc: int | None, now_s: float, registered: str = "") -> None:
        self.source: Address | None = None
        self.foreign = 0
        self.moved = 0
        self._begun_s = now_s
        self._host = host
        self._registered = registered
        self._ssrc = ssrc
        self._seen = -1

    def admit(self, sender: Address, head: bytes | memoryview, size: int, now_s: float) -> bool:
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
            early = now_s - self._begun_s < STRANGERS_WAIT_S
            is_known = agreed and (sender[0] == self._registered or not early)
            if sender[0] != self._host and not is_known:
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
