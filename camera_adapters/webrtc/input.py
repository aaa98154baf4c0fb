"""All WebRTC peers of a media shard that send: offers in, answers and peers out.

They share the UDP port and the certificate with those who watch
(:class:`~camera_adapters.webrtc.output.WebRtcOutput`); one timer serves them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from camera_adapters.stream import Codec
from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.ice_lite import IceLiteAgent
from camera_adapters.webrtc.incoming import IncomingPeer
from camera_adapters.webrtc.offer_answering import OfferRefused, local_transport, reading_offer
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.receive_answer import choose_incoming, write_incoming_answer
from camera_adapters.webrtc.sdp_offer import parse_offer
from camera_adapters.webrtc.udp_mux import UdpMux

_log = structlog.get_logger(__name__)

_TURN_S = 0.05
_TURNS_PER_REPORT = 20
PEERS_LIMIT = 256


class WebRtcInput:
    """``now_us`` is the process's steady clock. All methods run on the event loop, at once."""

    def __init__(self, mux: UdpMux, identity: DtlsIdentity, now_us: Callable[[], int]) -> None:
        self.peers: set[IncomingPeer] = set()
        self._mux = mux
        self._identity = identity
        self._now_us = now_us
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._turns = 0

    def answer(
        self,
        offer: str,
        accepted: Sequence[Codec],
        *,
        on_closed: Callable[[str], None],
        client_address: str | None = None,
    ) -> tuple[IncomingPeer, str]:
        """Make a peer of an offer; returns it with the SDP answer, which names the addresses that
        are for who asks from ``client_address``. ``accepted`` by preference.

        ``on_closed(reason)`` is called once: ``ended_by_viewer``, ``no_consent``,
        ``not_connected``, ``dtls_failed``, ``failed``, and what ``close`` was given. Raises
        OfferRefused: ``offer_malformed``, ``not_playable``, ``busy``.
        """
        if len(self.peers) >= PEERS_LIMIT:
            raise OfferRefused(503, "busy", f"{PEERS_LIMIT} peers send already")
        with reading_offer():
            parsed = parse_offer(offer)
            chosen, remote = choose_incoming(parsed, accepted)
        ice = IceLiteAgent(remote.ice_ufrag)
        local = local_transport(ice, self._identity, self._mux, client_address)
        answer = write_incoming_answer(parsed, chosen, local)

        def closed(reason: str) -> None:
            self.peers.discard(peer)
            on_closed(reason)

        tracks = [chosen[position] for position in sorted(chosen)]
        peer = IncomingPeer(tracks, self._now_us, closed)
        peer.transport = Transport(self._mux, self._identity, ice, remote, peer, self._loop.time())
        self.peers.add(peer)
        if self._timer is None:
            self._timer = self._loop.call_later(_TURN_S, self._turn)
        return peer, answer

    def close(self) -> None:
        """End every peer: the shard stops."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for peer in tuple(self.peers):
            peer.close("shard_stopping")

    def _turn(self) -> None:
        self._timer = self._loop.call_later(_TURN_S, self._turn) if self.peers else None
        self._turns += 1
        now_s, now_us = self._loop.time(), self._now_us()
        for peer in tuple(self.peers):
            try:
                if not peer.secured or self._turns % _TURNS_PER_REPORT == 0:
                    peer.transport.check(now_s)
                if peer.closed:
                    continue
                peer.turn(now_us)
                if self._turns % _TURNS_PER_REPORT == 0:
                    peer.report(now_us)
            except Exception:
                _log.exception("a sending peer failed")
                peer.close("failed")
