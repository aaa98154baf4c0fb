"""A pair of UDP ports for one track: RTP on the even one, RTCP on the next (RFC 3550 §11).

A picture's packets come together, and are read together: they are laid out as a read by TCP would
bring them, so that :class:`~camera_adapters.rtp.receiver.RtpReceiver` takes them in one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable
from functools import partial

from camera_adapters.gathered_reads import GatheredReads, gathered_reads
from camera_adapters.receive_buffers import ENOUGH_FOR_ROUNDS_BYTES, widen

_ATTEMPTS = 200
_FIRST_PORT = 16384
_LAST_PORT = 65000
_DATAGRAM_BYTES_LIMIT = 65536
# One camera's flood must not hold the loop: the rest is read at the next turn.
_BYTES_PER_TURN = 512 * 1024
_REPORTS_PER_TURN = 16
_FRAME = struct.Struct(">HH")
_FRAME_MARK = 0x2400

# Shared by all: it is empty again before the loop goes on.
_batch = memoryview(bytearray(_BYTES_PER_TURN + _FRAME.size + _DATAGRAM_BYTES_LIMIT))


class DatagramPair:
    """Two bound sockets. After :meth:`listen`, datagrams of the given hosts go to the takers.

    Datagrams of other hosts are dropped and counted in ``foreign``.
    """

    def __init__(self, local_address: str) -> None:
        """Bind to two free neighbouring ports. Raises OSError when there are none."""
        self.foreign = 0
        self._sockets = _bind_pair(local_address)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reads: GatheredReads | None = None

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
        """Begin to read, on the running loop.

        ``packets`` gets a batch: each packet behind "$", channel 0 and its length in two bytes
        (RFC 2326 §10.12). ``reports`` gets datagrams one by one.
        """
        self._loop = asyncio.get_running_loop()
        media, control = self._sockets
        read_packets = partial(self._read_packets, media, hosts, packets)
        granted = media.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        if granted >= ENOUGH_FOR_ROUNDS_BYTES:
            self._reads = gathered_reads(self._loop)
            self._reads.add_reader(media.fileno(), read_packets)
        else:
            self._loop.add_reader(media.fileno(), read_packets)

        def read_reports() -> None:
            # A goodbye must not overtake the packets that came before it and wait for a round.
            read_packets()
            self._read_reports(control, hosts, reports)

        self._loop.add_reader(control.fileno(), read_reports)

    def send(self, rtcp: bool, payload: bytes, host: str, port: int) -> None:
        """Send one datagram; failures are the network's and are passed over."""
        with contextlib.suppress(OSError):
            self._sockets[1 if rtcp else 0].sendto(payload, (host, port))

    def close(self) -> None:
        """Stop reading and give the ports back. May be called twice."""
        if self._reads is not None:
            self._reads.remove(self._sockets[0].fileno())
            self._reads = None
        for one in self._sockets:
            if self._loop is not None and one.fileno() >= 0:
                self._loop.remove_reader(one.fileno())
            one.close()

    def _read_packets(
        self, one: socket.socket, hosts: set[str], taker: Callable[[bytes], None]
    ) -> None:
        receive, frame, batch = one.recvfrom_into, _FRAME.pack_into, _batch
        end = 0
        try:
            while end < _BYTES_PER_TURN:
                size, sender = receive(batch[end + 4 :])
                if sender[0] in hosts:
                    frame(batch, end, _FRAME_MARK, size)
                    end += 4 + size
                else:
                    self.foreign += 1
        except OSError:  # Nothing more, or an ICMP error that an earlier send brought back.
            pass
        if end:
            taker(batch[:end].tobytes())

    def _read_reports(
        self, one: socket.socket, hosts: set[str], taker: Callable[[bytes], None]
    ) -> None:
        for _ in range(_REPORTS_PER_TURN):
            try:
                data, sender = one.recvfrom(_DATAGRAM_BYTES_LIMIT)
            except OSError:
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
            widen(pair[0])
            return pair[0], pair[1]
        except OSError as error:
            last = error
            for one in pair:
                one.close()
    raise last or OSError("no free pair of UDP ports")
