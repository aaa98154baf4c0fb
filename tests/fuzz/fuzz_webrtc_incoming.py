"""Fuzz target: offers and packets of peers that send."""

from __future__ import annotations

import contextlib

from camera_adapters.stream import Codec
from camera_adapters.webrtc.feedback import nack, parse_feedback, picture_loss, receiver_estimate
from camera_adapters.webrtc.header_extensions import audio_level, elements
from camera_adapters.webrtc.ice_lite import Candidate
from camera_adapters.webrtc.receive_answer import choose_incoming, write_incoming_answer
from camera_adapters.webrtc.reception import split_compound
from camera_adapters.webrtc.sdp_answer import LocalTransport, NotPlayable
from camera_adapters.webrtc.sdp_offer import OfferError, parse_offer

_LOCAL = LocalTransport("ufrag", "password", "AA:BB", [Candidate("127.0.0.1", 1)])

SEEDS = [
    b"v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\n"
    b"a=ice-ufrag:abcd\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\na=rtcp-mux\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=rtcp-fb:96 nack pli\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 8\r\na=mid:1\r\na=sendonly\r\n",
    b"\x90\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07\xbe\xde\x00\x01\x10\x30\x00\x00abc",
    b"\x80\xc8\x00\x06" + bytes(24) + b"\x81\xca\x00\x02" + bytes(8),
]


def target(data: bytes) -> None:
    """Must raise nothing: OfferError and NotPlayable are how it refuses."""
    with contextlib.suppress(OfferError, NotPlayable):
        offer = parse_offer(data.decode("utf-8", "replace"))
        chosen, _ = choose_incoming(offer, (Codec.H264, Codec.OPUS, Codec.PCMA))
        assert write_incoming_answer(offer, chosen, _LOCAL).startswith("v=0\r\n")
    for packet in split_compound(data):
        assert len(packet) >= 4
    if len(data) >= 12:
        assert all(0 < number < 15 and value for number, value in elements(data))
        audio_level(data, 1)
        numbers = sorted({byte * 7 for byte in data[:40]})
        assert [n for _, n in parse_feedback(nack(1, 2, numbers)).nacked] == numbers
    assert parse_feedback(picture_loss(1, 2)).keyframe_wanted == [2]
    estimate = parse_feedback(receiver_estimate(1, [2], 8_000_000)).estimate_bps
    assert estimate is not None
    assert abs(estimate - 8_000_000) < 100
