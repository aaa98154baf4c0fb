"""Frames of the control channel, before and after the handshake."""

from __future__ import annotations

import contextlib

from gateway.control.frames import FrameDecoder, FrameError, Kind, check_message, encode
from gateway.control.handshake import ClientHandshake, ServerHandshake

SEEDS = [
    encode([Kind.CALL, 1, "rows.write", {"operation": "x", "arguments": {"a": [1, None, b"b"]}}])
    + encode([Kind.CANCEL, 1]),
    encode([Kind.OPEN, 2, "shard.watch", {}]) + encode([Kind.CREDIT, 2, 32]),
    encode([Kind.ITEM, 3, {"units": [b"x" * 40]}]) + encode([Kind.END, 3]),
    encode([Kind.ERROR, 4, "failed", "why"]) + encode([Kind.RESULT, 4, None]),
    encode([1, b"n" * 32]),
    encode([b"n" * 32, b"p" * 32]),
]


def target(data: bytes) -> None:
    """Only FrameError, and nothing is kept beyond one frame's limit."""
    decoder = FrameDecoder(4096)
    with contextlib.suppress(FrameError):
        for message in decoder.feed(data):
            with contextlib.suppress(FrameError):
                check_message(message)
            for side in (ServerHandshake(b"k" * 32), ClientHandshake(b"k" * 32)):
                with contextlib.suppress(FrameError):
                    side.receive(message)
                assert not side.done
