"""Fuzz target: the offers, packets and reports of a meeting's site."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct

from camera_adapters.rtp import vp8
from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import SiteAnswer, choose_sections, write_site_answer
from camera_adapters.webrtc.conference.site_peer import SitePeer
from camera_adapters.webrtc.ice_lite import Candidate
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.sdp_answer import LocalTransport, NotPlayable
from camera_adapters.webrtc.sdp_offer import OfferError, parse_offer
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys, SrtpSession
from camera_adapters.webrtc.wheel import Wheel
from tests.peers.meeting_site import MeetingSite

_LOCAL = LocalTransport("ufrag", "password", "AA:BB", [Candidate("127.0.0.1", 1)])
_ACCEPTED = (Codec.H264, Codec.OPUS, Codec.VP8)
_PROFILE = SRTP_PROFILES[0]
_SIZE = _PROFILE.key_size + _PROFILE.salt_size


def _of(*packets: bytes) -> bytes:
    return b"".join(len(one).to_bytes(2, "big") + one for one in packets)


def _rtp(kind: int, sequence: int, elements: bytes, payload: bytes) -> bytes:
    elements += bytes(-len(elements) % 4)
    head = struct.pack("!BBHII", 0x90, kind, sequence, 3000 * sequence, 7)
    return head + b"\xbe\xde" + (len(elements) // 4).to_bytes(2, "big") + elements + payload


SEEDS = [
    MeetingSite(qualities=("l", "h")).offer.encode(),
    _of(
        _rtp(96, 1, b"\x42cam\x50l", b"\x67\x42\xe0\x1f\x8d\x68\x0a\x03\xda\x6c"),
        _rtp(96, 2, b"", b"\x68\xce\x3c\x80"),
        _rtp(96 | 128, 3, b"", b"\x65\x88abcd"),
        _rtp(96 | 128, 5, b"", b"\x41\x88abcd"),
    ),
    _of(
        _rtp(98 | 128, 1, b"\x42cam\x50h", b"\x90\x80\x81\x23\x10\x02\x00\x9d\x01\x2a" + bytes(9)),
        _rtp(97, 1, b"\x42cam\x60l", b"\x00\x04\x41\x88ab"),
        b"\x81\xce\x00\x02" + bytes(8),
        b"\x8f\xce\x00\x05" + bytes(8) + b"REMB\x01\x02\x03\x04" + bytes(4),
    ),
]


class _Owner:
    """Takes what a site tells."""

    def on_connected(self) -> None:
        """See SiteEvents."""

    def on_source(self, publication: object, source: object) -> None:
        """See SiteEvents."""

    def on_closed(self, reason: str) -> None:
        """See SiteEvents."""


class _Path:
    """A transport that leads nowhere."""

    path = None

    def send_rtcp(self, packet: bytes) -> None:
        """See Transport."""
        assert len(packet) % 4 == 0

    def check(self, now_s: float) -> None:
        """See Transport."""

    def close(self) -> None:
        """See Transport."""


def _agreed() -> SiteAnswer:
    offer = parse_offer(MeetingSite(qualities=("l", "h")).offer)
    return write_site_answer(offer, choose_sections(offer, _ACCEPTED)[0], _LOCAL)


async def _walk(datagrams: list[bytes]) -> None:
    now_us = 1_000_000
    owner = _Owner()
    peer = SitePeer(
        _agreed(),
        owner,
        wheel=Wheel(),
        scratch=Scratch(),
        now_us=lambda: now_us,
        on_closed=lambda one: None,
    )
    peer.transport = _Path()  # type: ignore[assignment]
    keys = SrtpKeys(_PROFILE, os.urandom(_SIZE), os.urandom(_SIZE))
    theirs = SrtpSession(SrtpKeys(_PROFILE, keys.theirs, keys.ours))
    peer.on_secured(SrtpSession(keys))
    loop = asyncio.get_running_loop()
    for datagram in datagrams:
        now_us += 20_000
        # As it is: forged; then as an authentic site would send it.
        peer.on_rtp(datagram)
        if len(datagram) >= 12:
            with contextlib.suppress(Exception):  # libsrtp refuses to send what is no RTP
                peer.on_rtp(bytes(theirs._outbound.protect(datagram)))
        peer.on_rtcp(datagram)
        await asyncio.sleep(0)
        peer.turn(loop.time(), now_us)
        for publication in peer.publications:
            for source in publication.layers.values():
                for slot in peer.slots:
                    slot.show(source)
                assert len(source.distribution.log.batches) <= 75
    peer.second(loop.time() + 1, now_us)
    assert not peer.closed
    assert sum(len(one.layers) for one in peer.publications) <= 4
    peer.close("done")


def target(data: bytes) -> None:
    """Must raise nothing: OfferError and NotPlayable are how it refuses."""
    with contextlib.suppress(OfferError, NotPlayable):
        offer = parse_offer(data.decode("utf-8", "replace"))
        chosen, _ = choose_sections(offer, _ACCEPTED)
        answer = write_site_answer(offer, chosen, _LOCAL)
        assert answer.sdp.startswith("v=0\r\n")
        assert len(answer.publications) + len(answer.slots) == len(chosen)
    vp8.frame([data[:40], data[40:]])
    datagrams, position = [], 0
    while position + 2 <= len(data) and len(datagrams) < 20:
        size = int.from_bytes(data[position : position + 2], "big") % 1500
        datagrams.append(data[position + 2 : position + 2 + size])
        position += 2 + size
    asyncio.run(_walk(datagrams))
