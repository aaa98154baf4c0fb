"""A pair of UDP ports for one track: RTP on the even one, RTCP on the next (RFC 3550 §11)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

_ATTEMPTS = 200
_FIRST_PORT = 16384
_LAST_PORT = 65000
_RECEIVE_BUFFER_BYTES = 1024 * 1024
_DATAGRAM_BYTES_LIMIT = 65536
# One camera's flood must not hold the loop: the rest is read at the next turn.
_DATAGRAMS_PER_TURN = 256


class DatagramPair:
    """Two bound sockets. After :meth:`listen`, datagrams of the given hosts go to the takers.

    Datagrams of other hosts are dropped and counted in ``foreign``.
    """

    def __init__(self, local_address: str) -> None:
        """Bind to two free neighbouring ports. Raises OSError when there are none."""
        self.foreign = 0
        self._sockets = _bind_pair(local_address)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def ports(self) -> tuple[int, int]:
        """The ports for RTP and RTCP."""
        first, second = (one.getsockname()[1] for one in self._sockets)
        return first, second

    def listen(
        self,
        hosts: set[str],
        packets: Callable[[bytes], None],
        reports: Callable[[bytes], None],
    ) -> None:
        """Begin to read, on the running loop."""
        self._loop = asyncio.get_running_loop()
        for one, taker in zip(self._sockets, (packets, reports), strict=True):
            self._loop.add_reader(one.fileno(), self._read, one, hosts, taker)

    def send(self, rtcp: bool, payload: bytes, host: str, port: int) -> None:
        """Send one datagram; failures are the network's and are passed over."""
        with contextlib.suppress(OSError):
            self._sockets[1 if rtcp else 0].sendto(payload, (host, port))

    def close(self) -> None:
        """Stop reading and give the ports back. May be called twice."""
        for one in self._sockets:
            if self._loop is not None and one.fileno() >= 0:
                self._loop.remove_reader(one.fileno())
            one.close()

    def _read(self, one: socket.socket, hosts: set[str], taker: Callable[[bytes], None]) -> None:
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                data, sender = one.recvfrom(_DATAGRAM_BYTES_LIMIT)
            except OSError:  # Nothing more, or an ICMP error that an earlier send brought back.
                return
            if sender[0] in hosts:
                taker(data)
            else:
                self.foreign += 1


def _bind_pair(local_address: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in local_address else socket.AF_INET
    last: OSError | None = None
    for _ in range(_ATTEMPTS):
        port = random.randrange(_FIRST_PORT, _LAST_PORT, 2)
        pair: list[socket.socket] = []
        try:
            for number in (port, port + 1):
                one = socket.socket(family, socket.SOCK_DGRAM)
                pair.append(one)
                one.setblocking(False)
                one.bind((local_address, number))
            pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            return pair[0], pair[1]
        except OSError as error:
            last = error
            for one in pair:
                one.close()
    raise last or OSError("no free pair of UDP ports")
