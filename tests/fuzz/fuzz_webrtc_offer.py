"""SDP offers, as any viewer with a ticket may post them."""

from __future__ import annotations

from camera_adapters.stream import Codec, Track
from camera_adapters.webrtc.ice_lite import Candidate
from camera_adapters.webrtc.sdp_answer import LocalTransport, NotPlayable, choose, write_answer
from camera_adapters.webrtc.sdp_offer import OfferError, parse_offer
from tests.camera_adapters.webrtc.offers import AIORTC, CHROMIUM, FIREFOX, GSTREAMER

SEEDS = [text.encode() for text in (CHROMIUM, FIREFOX, GSTREAMER, AIORTC)]

_TRACKS = (
    Track("video", Codec.H264, 90000, (b"gd\x00\x1f", b"h")),
    Track("audio", Codec.PCMA, 8000, channels=1),
)
_LOCAL = LocalTransport("ufrag", "password", "AB:CD", [Candidate("127.0.0.1", 4000)])


def target(data: bytes) -> None:
    """Only OfferError and NotPlayable; an answer has as many sections as the offer."""
    try:
        offer = parse_offer(data.decode("utf-8", "replace"))
        chosen, _ = choose(offer, _TRACKS)
    except (OfferError, NotPlayable):
        return
    answer = write_answer(offer, chosen, _LOCAL)
    assert answer.sdp.count("\r\nm=") == len(offer.media)
    assert all(len(line) < 70_000 for line in answer.sdp.split("\r\n"))
