"""Frames and the handshake, without a socket."""

from __future__ import annotations

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.frames import (
    FRAME_BYTES_LIMIT,
    FrameDecoder,
    FrameError,
    Kind,
    check_message,
    encode,
)
from gateway.control.handshake import ClientHandshake, HandshakeError, ServerHandshake

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(st.lists(values), max_size=5), st.data())
def test_messages_survive_any_cutting(messages: list[list[object]], data: st.DataObject) -> None:
    wire = b"".join(encode(message) for message in messages)
    decoder = FrameDecoder(FRAME_BYTES_LIMIT)
    received = []
    position = 0
    while position < len(wire):
        step = data.draw(st.integers(1, len(wire) - position))
        received.extend(decoder.feed(wire[position : position + step]))
        position += step
    assert received == messages


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    try:
        for message in FrameDecoder(1000).feed(data):
            check_message(message)
    except FrameError:
        pass


def test_a_long_frame_is_refused_before_its_body_comes() -> None:
    decoder = FrameDecoder()
    with pytest.raises(FrameError, match="exceeds"):
        list(decoder.feed(struct.pack(">I", 257)))


@pytest.mark.parametrize(
    "message",
    [
        [],
        [Kind.CALL, 1, "name"],
        [Kind.CALL, 1, b"name", {}],
        [Kind.CALL, 1, "name", {1: 2}],
        [Kind.CREDIT, 1, 0],
        [Kind.ITEM, "1", 2],
        [True, 1],
        [99, 1],
    ],
)
def test_misshapen_messages_are_refused(message: list[object]) -> None:
    with pytest.raises(FrameError):
        check_message(message)


def _body(frame: bytes) -> list[object]:
    unpacked: list[object] = msgpack.unpackb(frame[4:])
    return unpacked


def test_both_sides_prove_the_secret() -> None:
    server, client = ServerHandshake(b"k" * 32), ClientHandshake(b"k" * 32)
    answer = client.receive(_body(server.greeting))
    assert not server.done
    proof = server.receive(_body(answer))
    assert server.done and not client.done
    assert client.receive(_body(proof)) == b""
    assert client.done


def test_a_server_refuses_a_client_with_another_secret() -> None:
    server, client = ServerHandshake(b"k" * 32), ClientHandshake(b"x" * 32)
    with pytest.raises(HandshakeError):
        server.receive(_body(client.receive(_body(server.greeting))))
    assert not server.done


def test_a_proof_cannot_be_reflected_nor_replayed() -> None:
    server, client = ServerHandshake(b"k" * 32), ClientHandshake(b"k" * 32)
    recorded = _body(client.receive(_body(server.greeting)))
    with pytest.raises(HandshakeError):
        client.receive([recorded[1]])
    with pytest.raises(HandshakeError):
        ServerHandshake(b"k" * 32).receive(recorded)
