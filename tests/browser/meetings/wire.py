"""Datagrams on the loopback interface, counted as they pass: what nobody says of themselves."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

_ALL_PROTOCOLS = 0x0003
_IPV4, _IPV6 = 0x0800, 0x86DD
_ETHERNET_BYTES = 14
_UDP = 17
_OUTGOING = 4
"""Loopback hands each packet over twice: as it leaves, and as it arrives."""


class Datagrams:
    """How many went to each UDP port of this machine, by the port."""

    def __init__(self) -> None:
        self.to_port: Counter[int] = Counter()
        self._over = threading.Event()

    def read(self, wire: socket.socket) -> None:
        """Count until :meth:`stop`."""
        wire.settimeout(0.2)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                packet, (_, _, direction, *_) = wire.recvfrom(65535)
                if direction != _OUTGOING:
                    self._take(packet)

    def stop(self) -> None:
        """No more."""
        self._over.set()

    def _take(self, packet: bytes) -> None:
        kind, body = int.from_bytes(packet[12:14]), packet[_ETHERNET_BYTES:]
        if kind == _IPV4 and body[9] == _UDP:
            header = (body[0] & 0x0F) * 4
        elif kind == _IPV6 and body[6] == _UDP:
            header = 40
        else:
            return
        self.to_port[int.from_bytes(body[header + 2 : header + 4])] += 1


@contextlib.contextmanager
def counted_datagrams() -> Iterator[Datagrams]:
    """From now on; the test is skipped where one may not look at the wire."""
    try:
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL_PROTOCOLS))
    except PermissionError:
        pytest.skip("looking at the wire needs the right to (CAP_NET_RAW)")
    with wire:
        wire.bind(("lo", 0))
        counting = Datagrams()
        reader = threading.Thread(target=counting.read, args=(wire,))
        reader.start()
        try:
            yield counting
        finally:
            counting.stop()
            reader.join()
