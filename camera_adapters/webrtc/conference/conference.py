"""All meeting sites of a media shard: offers in, answers and peers out.

They share the UDP port, the certificate, the pacing wheel and the scratch memory with those who
watch (:class:`~camera_adapters.webrtc.output.WebRtcOutput`). Which site is shown to whom is for
the owner of the peers to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import choose_sections, write_site_answer
from camera_adapters.webrtc.conference.site_peer import SiteEvents, SitePeer
from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.ice_lite import IceLiteAgent
from camera_adapters.webrtc.offer_answering import OfferRefused, local_transport, reading_offer
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.sdp_offer import parse_offer
from camera_adapters.webrtc.udp_mux import UdpMux
from camera_adapters.webrtc.wheel import Wheel

_log = structlog.get_logger(__name__)

ACCEPTED = (Codec.H264, Codec.OPUS, Codec.VP8)
"""What a site may send, by preference."""

PEERS_LIMIT = 2048

_TURN_S = 0.05
_SLICES = 20
_TURNS_PER_ARRIVALS = 2


class Conference:
    """``now_us`` is the process's steady clock. All methods run on the event loop, at once.

    One timer serves all peers: each is looked at once a second, in slices, so that no second has
    one long moment.
    """

    def __init__(
        self,
        mux: UdpMux,
        identity: DtlsIdentity,
        wheel: Wheel,
        scratch: Scratch,
        now_us: Callable[[], int],
    ) -> None:
        self._mux = mux
        self._identity = identity
        self._wheel = wheel
        self._scratch = scratch
        self._now_us = now_us
        self._loop = asyncio.get_running_loop()
        self._slices: list[dict[SitePeer, None]] = [{} for _ in range(_SLICES)]
        self._connecting: dict[SitePeer, None] = {}
        self._opened = 0
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def peers(self) -> list[SitePeer]:
        """Everybody who is here or about to be."""
        return [peer for part in self._slices for peer in part]

    def answer(
        self,
        offer: str,
        events: SiteEvents,
        *,
        accepted: Sequence[Codec] = ACCEPTED,
        client_address: str | None = None,
    ) -> tuple[SitePeer, str]:
        """Make a peer of an offer; returns it with the SDP answer, which names the addresses that
        are for who asks from ``client_address``. ``accepted`` by preference.

        Raises OfferRefused: ``offer_malformed``, ``not_playable``, ``busy``.
        """
        if sum(map(len, self._slices)) >= PEERS_LIMIT:
            raise OfferRefused(503, "busy", f"{PEERS_LIMIT} sites are here already")
        with reading_offer():
            parsed = parse_offer(offer)
            chosen, remote = choose_sections(parsed, accepted)
        ice = IceLiteAgent(remote.ice_ufrag)
        local = local_transport(ice, self._identity, self._mux, client_address)
        answer = write_site_answer(parsed, chosen, local)
        part = self._slices[self._opened % _SLICES]
        self._opened += 1

        def closed(peer: SitePeer) -> None:
            part.pop(peer, None)
            self._connecting.pop(peer, None)

        peer = SitePeer(
            answer,
            events,
            wheel=self._wheel,
            scratch=self._scratch,
            now_us=self._now_us,
            on_closed=closed,
        )
        peer.transport = Transport(self._mux, self._identity, ice, remote, peer, self._loop.time())
        part[peer] = self._connecting[peer] = None
        if self._timer is None:
            self._timer = self._loop.call_later(_TURN_S, self._turn)
        return peer, answer.sdp

    def close(self) -> None:
        """End every peer: the shard stops. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for peer in self.peers:
            peer.close("shard_stopping")

    def _turn(self) -> None:
        self._timer = self._loop.call_later(_TURN_S, self._turn) if any(self._slices) else None
        self._turns += 1
        now_s, now_us = self._loop.time(), self._now_us()
        for peer in tuple(self._connecting):
            self._guarded(peer, peer.transport.check, now_s)
            if peer.secured:
                self._connecting.pop(peer, None)
        for peer in tuple(self._slices[self._turns % _SLICES]):
            self._guarded(peer, peer.second, now_s, now_us)
        for peer in self.peers:
            if peer.restless:
                self._guarded(peer, peer.turn, now_s, now_us)
            if self._turns % _TURNS_PER_ARRIVALS == 0:
                self._guarded(peer, peer.report_arrivals)

    def _guarded(self, peer: SitePeer, call: Callable[..., None], *arguments: float) -> None:
        """One peer's trouble is nobody else's."""
        if peer.closed:
            return
        try:
            call(*arguments)
        except Exception:
            _log.exception("a site failed")
            peer.close("failed")
