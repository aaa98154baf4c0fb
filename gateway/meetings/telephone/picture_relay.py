"""A terminal's pictures at the worker: packets as they are, between its network and the shard.

Nothing is decoded. Only the terminal itself is listened to, and only as fast as was agreed: what is
more is dropped here, before it costs anybody else anything.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from gateway.meetings.telephone import wire

_PACKETS_PER_WAKE = 64
_PACKET_BYTES_LIMIT = wire.DATAGRAM_BYTES_LIMIT - wire.BODY_AT
_OVER = 2
"""So many times what was agreed is let through: keyframes come in bursts."""
_BURST_S = 2.0
_BURST_BYTES = 256 * 1024
_REPORTS_PER_S = 50
_RECEIVE_BUFFER_BYTES = 1024 * 1024

Address = tuple[str, int]


class Allowance:
    """How many units may come: ``per_s``, and ``burst`` at once."""

    __slots__ = ("_at_s", "_burst", "_left", "_per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst, self._left = per_s, burst, burst
        self._at_s = time.monotonic()

    def take(self, units: float) -> bool:
        """Whether so many more may come; then they are spent."""
        now_s = time.monotonic()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if units > self._left:
            return False
        self._left -= units
        return True


class PictureRelay:
    """``pictures`` and ``reports`` are bound sockets, for RTP and RTCP. :meth:`aim` says whose
    packets count; before it none do, and nothing is sent. ``deliver(kind, packet)`` is given what
    came.
    """

    def __init__(
        self,
        pictures: socket.socket,
        reports: socket.socket,
        deliver: Callable[[bytes, bytes], None],
    ) -> None:
        self.dropped = 0
        self.heard_s = -1e9
        self._pictures = pictures
        self._reports = reports
        self._deliver = deliver
        self._hosts: frozenset[str] = frozenset()
        self._signals_from = ""
        self._to: Address | None = None
        self._reports_to: Address | None = None
        self._seen = self._reports_seen = self._muxed = False
        self._octets = Allowance(0, 0)
        self._report_count = Allowance(_REPORTS_PER_S, _REPORTS_PER_S)
        for one in (pictures, reports):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)

    @property
    def sockets(self) -> tuple[tuple[socket.socket, Callable[[], None]], ...]:
        """Each with what is to be called when it can be read."""
        return (self._pictures, self.read), (self._reports, self.read_reports)

    @property
    def port(self) -> int:
        """Where pictures are taken; reports at the next one."""
        return int(self._pictures.getsockname()[1])

    def aim(self, hosts: list[str], agreed: dict[str, Any] | None) -> None:
        """The terminal is at one of ``hosts``, signals from the last. ``agreed`` has ``remote``,
        ``reports``, ``muxed``, ``kbps``; None: no pictures, either way.

        Elsewhere than from where it signals it is sent nothing before something has come from
        there: else whoever may call could have pictures poured out over others.
        """
        to = None if agreed is None else _address(agreed["remote"])
        if agreed is None or to is None:
            self._to = self._reports_to = None
            self._hosts = frozenset()
            return
        if to != self._to or not self._hosts:
            self._seen = self._reports_seen = False
            self._to = to
            self._reports_to = _address(agreed["reports"])
        self._muxed = agreed["muxed"]
        self._hosts = frozenset(hosts)
        self._signals_from = hosts[-1]
        per_s = agreed["kbps"] * 1000 / 8 * _OVER
        self._octets = Allowance(per_s, max(per_s * _BURST_S, _BURST_BYTES))

    def read(self) -> None:
        """Take what has come to the port of the pictures."""
        for _ in range(_PACKETS_PER_WAKE):
            try:
                packet, address = self._pictures.recvfrom(wire.DATAGRAM_BYTES_LIMIT)
            except OSError:
                return
            source = (address[0], address[1])
            if source != self._to or not self._seen:
                if self._seen or source[0] not in self._hosts:
                    continue
                # Behind a NAT it sends from elsewhere than it says.
                self._to, self._seen = source, True
                if self._muxed:
                    self._reports_to = source
            if wire.is_report(packet):
                self._take_report(packet)
            elif not 12 <= len(packet) <= _PACKET_BYTES_LIMIT or packet[0] >> 6 != 2:
                self.dropped += 1
            elif self._octets.take(len(packet)):
                self.heard_s = time.monotonic()
                self._deliver(wire.PICTURE, packet)
            else:
                self.dropped += 1

    def read_reports(self) -> None:
        """Take what has come to the port of the reports."""
        for _ in range(_PACKETS_PER_WAKE):
            try:
                packet, address = self._reports.recvfrom(wire.DATAGRAM_BYTES_LIMIT)
            except OSError:
                return
            source = (address[0], address[1])
            if source != self._reports_to or not self._reports_seen:
                if self._reports_seen or source[0] not in self._hosts:
                    continue
                self._reports_to, self._reports_seen = source, True
            self._take_report(packet)

    def send(self, kind: bytes, packet: bytes) -> None:
        """To the terminal; a full socket loses it, as any network may."""
        muxed = kind == wire.PICTURE or self._muxed
        to = self._to if muxed else self._reports_to
        if to is not None and (self._seen or self._reports_seen or to[0] == self._signals_from):
            with contextlib.suppress(OSError):
                (self._pictures if muxed else self._reports).sendto(packet, to)

    def close(self) -> None:
        """The call is over."""
        self._pictures.close()
        self._reports.close()

    def _take_report(self, packet: bytes) -> None:
        if 8 <= len(packet) <= _PACKET_BYTES_LIMIT and self._report_count.take(1):
            self._deliver(wire.REPORT, packet)
        else:
            self.dropped += 1


def _address(value: list[Any] | None) -> Address | None:
    return None if value is None else (str(value[0]), int(value[1]))
