"""Frames of the control channel: a 4-byte big-endian length, then one msgpack array. Sans-IO."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import msgpack

FRAME_BYTES_LIMIT = 32 * 1024 * 1024
# Before a peer has proved that it knows the secret, it is given no memory to fill.
HANDSHAKE_FRAME_BYTES_LIMIT = 256

_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """The peer does not speak this protocol, or breaks its limits: close the connection."""


class Kind(IntEnum):
    """The first item of a message; the second is the id of the call or stream it belongs to."""

    CALL = 1  # name, arguments
    OPEN = 2  # name, arguments
    RESULT = 3  # value
    ERROR = 4  # code, message
    ITEM = 5  # value; both ways on an open stream
    END = 6  # no more items from this side
    CREDIT = 7  # how many more items the other side may send
    CANCEL = 8  # the caller has lost interest in the call or stream


_FIELDS: dict[int, tuple[type, ...]] = {
    Kind.CALL: (str, dict),
    Kind.OPEN: (str, dict),
    Kind.RESULT: (object,),
    Kind.ERROR: (str, str),
    Kind.ITEM: (object,),
    Kind.END: (),
    Kind.CREDIT: (int,),
    Kind.CANCEL: (),
}

Message = list[Any]


def encode(message: Message) -> bytes:
    """One frame. Raises FrameError when it is too long, TypeError when msgpack cannot carry it."""
    body: bytes = msgpack.packb(message, use_bin_type=True)
    if len(body) > FRAME_BYTES_LIMIT:
        raise FrameError(f"a frame of {len(body)} bytes exceeds {FRAME_BYTES_LIMIT}")
    return _LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Takes bytes as they come, gives whole arrays. ``limit`` is raised after the handshake."""

    __slots__ = ("_buffer", "limit")

    def __init__(self, limit: int = HANDSHAKE_FRAME_BYTES_LIMIT) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The frames that ``data`` completes. Raises FrameError."""
        self._buffer += data
        position = 0
        try:
            while len(self._buffer) - position >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(self._buffer, position)
                if length > self.limit:
                    raise FrameError(f"a frame of {length} bytes exceeds {self.limit}")
                end = position + _LENGTH.size + length
                if len(self._buffer) < end:
                    break
                body = bytes(memoryview(self._buffer)[position + _LENGTH.size : end])
                position = end
                yield _unpack(body)
        finally:
            del self._buffer[:position]


def check_message(message: Message) -> None:
    """Raise FrameError unless ``message`` has the shape that its kind calls for."""
    if len(message) < 2 or type(message[0]) is not int or type(message[1]) is not int:
        raise FrameError("a message begins with its kind and its id")
    fields = _FIELDS.get(message[0])
    if fields is None or len(message) != 2 + len(fields):
        raise FrameError(f"a message of kind {message[0]} with {len(message)} items")
    for value, expected in zip(message[2:], fields, strict=True):
        if not isinstance(value, expected):
            raise FrameError(f"a message of kind {message[0]} with a field of the wrong type")
    if message[0] in (Kind.CALL, Kind.OPEN) and not all(type(key) is str for key in message[3]):
        raise FrameError("arguments have names")
    if message[0] == Kind.CREDIT and message[2] <= 0:
        raise FrameError("credit is positive")


def _unpack(body: bytes) -> Message:
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (ValueError, msgpack.UnpackException, TypeError, RecursionError) as error:
        # TypeError: a map key that cannot be hashed.
        raise FrameError(f"not msgpack: {type(error).__name__}") from None
    if not isinstance(message, list):
        raise FrameError("a frame holds one array")
    return message
