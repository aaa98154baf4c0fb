"""How much the kernel keeps of what has come to a UDP port and is not read yet."""

from __future__ import annotations

import socket

# What the kernel must grant for reads in rounds (it counts its own overhead too): a keyframe of a
# megabyte comes within one. Where it grants less, packets are read as they come.
ENOUGH_FOR_ROUNDS_BYTES = 4 * 1024 * 1024
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
_SO_RCVBUFFORCE = 33


def widen(one: socket.socket) -> None:
    """As large a receive buffer as the kernel grants; above its own limit with CAP_NET_ADMIN."""
    try:
        one.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except OSError:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
