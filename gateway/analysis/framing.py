"""Messages between the analysis process and its workers: msgpack behind four bytes of length."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgpack

LENGTH = struct.Struct(">I")
BYTES_LIMIT = 512 * 1024 * 1024


def packed(message: dict[str, Any]) -> bytes:
    """The message with its length."""
    body: bytes = msgpack.packb(message)
    return LENGTH.pack(len(body)) + body


def read_message(reader: BinaryIO) -> dict[str, Any] | None:
    """The next message; None at the end."""
    header = reader.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    body = reader.read(length)
    if len(body) < length:
        return None
    message: dict[str, Any] = msgpack.unpackb(body)
    return message
