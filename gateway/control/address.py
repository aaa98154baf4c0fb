"""Where a process answers on the control channel: a Unix socket here, a port on another machine."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

# A machine that is gone is noticed within 1 + 3 × 1 s on a quiet connection, within 3 s on one
# that waits for an acknowledgement: no later than its shards are given up (gateway.cluster). A
# process that is frozen is not noticed: its kernel still answers.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3_000),
)


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A process on another machine. Its certificate must carry the name ``process``."""

    process: str
    host: str
    port: int


Address = Path | RemoteAddress

# Asked at each attempt to connect: a process that was started again answers elsewhere. Raises
# ConnectionError where nobody knows the process.
Locate = Callable[[], Awaitable[Address]]


def process_of(address: Address) -> str:
    """The name of the process that answers there, for messages."""
    return address.process if isinstance(address, RemoteAddress) else address.stem


def watch_for_silence(connection: socket.socket) -> None:
    """Have the kernel end a TCP connection whose other machine is gone."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _KEEPALIVE:
            connection.setsockopt(level, option, value)
