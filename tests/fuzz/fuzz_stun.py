"""STUN messages, as anybody may send them to the media port."""

from __future__ import annotations

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.ice_lite import IceLiteAgent, peer_ufrag

_AGENT = IceLiteAgent("them", "us", "secret")

SEEDS = [
    stun.build(
        stun.BINDING_REQUEST,
        bytes(12),
        [(stun.USERNAME, b"us:them"), (stun.PRIORITY, b"\x6e\0\1\xff"), (stun.USE_CANDIDATE, b"")],
        b"secret",
    ),
    stun.build(stun.BINDING_SUCCESS, bytes(12), [(stun.XOR_MAPPED_ADDRESS, bytes(8))]),
]


def target(data: bytes) -> None:
    """Only StunError; and what is parsed can be answered."""
    try:
        message = stun.parse(data)
    except stun.StunError:
        return
    peer_ufrag(message)
    response = _AGENT.answer(message, ("127.0.0.1", 9), 1.0)
    if response is not None:
        stun.parse(response)
