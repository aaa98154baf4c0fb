"""The ports on which media come in: a bitmap of pairs, RTP on the even one, RTCP on the next.

A pair that was given back is the last to be taken again, so that a device which has not heard of
the end does not send into another's session (it would be refused by its SSRC, too).
"""

from __future__ import annotations

import contextlib
import errno
import socket

from camera_adapters.receive_buffers import widen


class NoPortLeft(Exception):
    """Every port of the range is in use; the message says which range."""


class PortPool:
    """The pairs within ``first`` … ``last``; 0 and 0: any that the system gives.

    Numbers are only handed out; :func:`bind_pair` and :func:`bind_listener` open them.
    """

    def __init__(self, first: int = 0, last: int = 0) -> None:
        self._first = first + (first & 1)
        self._last = last
        self._count = max(0, (last + 1 - self._first) // 2)
        self._taken = 0
        self._next = 0

    @property
    def is_ephemeral(self) -> bool:
        """Whether the system chooses."""
        return not self._first

    @property
    def in_use(self) -> int:
        """How many pairs are taken."""
        return self._taken.bit_count()

    def take(self) -> int:
        """The even port of a free pair; 0 when the system chooses. Raises NoPortLeft."""
        if self.is_ephemeral:
            return 0
        for step in range(self._count):
            number = (self._next + step) % self._count
            if not self._taken >> number & 1:
                self._taken |= 1 << number
                self._next = number + 1
                return self._first + 2 * number
        raise NoPortLeft(
            f"all {self._count} pairs of media ports from {self._first} to {self._last} are in "
            "use: widen gb28181.media_ports"
        )

    def give_back(self, port: int) -> None:
        """The pair is free again. Ports that are not of the pool are ignored."""
        number = (port - self._first) // 2
        if not self.is_ephemeral and 0 <= number < self._count:
            self._taken &= ~(1 << number)


class BoundPorts:
    """Sockets on a pair of the pool; :meth:`close` gives both back. ``control`` may be None where
    only the even port was free.
    """

    def __init__(
        self, pool: PortPool, media: socket.socket, control: socket.socket | None, taken: int
    ) -> None:
        self.media = media
        self.control = control
        self.port: int = media.getsockname()[1]
        self._pool = pool
        self._taken = taken

    def close(self) -> None:
        """May be called twice."""
        for one in (self.media, self.control):
            if one is not None:
                one.close()
        taken, self._taken = self._taken, -1
        if taken > 0:
            self._pool.give_back(taken)


def bind_pair(pool: PortPool, address: str) -> BoundPorts:
    """Two UDP sockets. Raises NoPortLeft, or OSError when the address is not ours."""
    return _bind(pool, address, socket.SOCK_DGRAM)


def bind_listener(pool: PortPool, address: str) -> BoundPorts:
    """A TCP socket that listens. Raises as :func:`bind_pair`."""
    bound = _bind(pool, address, socket.SOCK_STREAM)
    try:
        bound.media.listen(4)
    except OSError:
        bound.close()
        raise
    return bound


def _bind(pool: PortPool, address: str, kind: socket.SocketKind) -> BoundPorts:
    tried: list[int] = []
    try:
        while True:
            port = pool.take()
            try:
                return _bind_at(pool, address, port, kind)
            except OSError as error:
                if pool.is_ephemeral or not _is_taken(error):
                    pool.give_back(port)
                    raise
                # Somebody else has it: it stays marked while the others are tried.
                tried.append(port)
    finally:
        for port in tried:
            pool.give_back(port)


def _bind_at(pool: PortPool, address: str, port: int, kind: socket.SocketKind) -> BoundPorts:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened: list[socket.socket] = []
    try:
        media = socket.socket(family, kind)
        opened.append(media)
        media.setblocking(False)
        if kind is socket.SOCK_STREAM:
            media.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        media.bind((address, port))
        control: socket.socket | None = None
        if kind is socket.SOCK_DGRAM:
            widen(media)
            control = _control(family, address, media.getsockname()[1] + 1)
        return BoundPorts(pool, media, control, port)
    except OSError:
        for one in opened:
            one.close()
        raise


def _control(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    """RTCP's socket. Media work without it: where its port is taken, reports are not received."""
    one = socket.socket(family, socket.SOCK_DGRAM)
    with contextlib.suppress(OSError, OverflowError):
        one.setblocking(False)
        one.bind((address, port))
        return one
    one.close()
    return None


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE
