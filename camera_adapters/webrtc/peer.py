"""One WebRTC peer's transport: ICE-lite, DTLS, SRTP, on the shard's UDP port."""

from __future__ import annotations

from typing import Protocol

import structlog

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.dtls import DtlsError, DtlsIdentity, DtlsServer
from camera_adapters.webrtc.ice_lite import Address, IceLiteAgent
from camera_adapters.webrtc.sdp_answer import RemoteTransport
from camera_adapters.webrtc.srtp import SrtpError, SrtpSession
from camera_adapters.webrtc.udp_mux import UdpMux, UdpSocket

_log = structlog.get_logger(__name__)

CONNECT_S = 20.0
"""From the answer to a finished handshake; then the peer is given up."""


class PeerEvents(Protocol):
    """What a peer tells its owner."""

    def on_secured(self, srtp: SrtpSession) -> None:
        """The handshake is done: media may be sent."""

    def on_moved(self) -> None:
        """``path`` has changed."""

    def on_rtp(self, datagram: bytes) -> None:
        """An RTP packet, still encrypted."""

    def on_rtcp(self, packet: bytes) -> None:
        """An authentic RTCP packet."""

    def on_lost(self, reason: str) -> None:
        """The peer is gone: ``ended_by_viewer``, ``no_consent``, ``not_connected`` or
        ``dtls_failed``. The owner calls :meth:`Transport.close`."""


class _NobodyListens:
    """The owner of a peer that was closed."""

    __slots__ = ()

    def on_secured(self, srtp: SrtpSession) -> None:
        pass

    def on_moved(self) -> None:
        pass

    def on_rtp(self, datagram: bytes) -> None:
        pass

    def on_rtcp(self, packet: bytes) -> None:
        pass

    def on_lost(self, reason: str) -> None:
        pass


_NOBODY_LISTENS = _NobodyListens()


class Transport:
    """The peer's side of the port. ``path`` is where to send; None until a check was nominated.

    The owner calls :meth:`check` every second or so, and oftener until ``srtp`` is there.
    """

    __slots__ = ("_created_s", "_dtls", "_events", "_mux", "ice", "path", "srtp")

    def __init__(
        self,
        mux: UdpMux,
        identity: DtlsIdentity,
        ice: IceLiteAgent,
        remote: RemoteTransport,
        events: PeerEvents,
        now_s: float,
    ) -> None:
        self.ice = ice
        self.path: tuple[UdpSocket, Address] | None = None
        self.srtp: SrtpSession | None = None
        self._dtls = DtlsServer(identity, remote.fingerprints)
        self._events: PeerEvents = events
        self._mux = mux
        self._created_s = now_s
        mux.register(ice.local_ufrag, self)

    def on_check(
        self, message: stun.StunMessage, port: UdpSocket, address: Address
    ) -> bytes | None:
        """See :class:`~camera_adapters.webrtc.udp_mux.Peer`."""
        before = self.ice.selected
        response = self.ice.answer(message, address, self._mux.now_s())
        if self.ice.selected != before:
            self.path = (port, address)
            self._events.on_moved()
            self._flush()
        return response

    def on_datagram(self, datagram: bytes) -> None:
        """See :class:`~camera_adapters.webrtc.udp_mux.Peer`."""
        first = datagram[0]
        if 127 < first < 192:
            # RFC 5761 §4: types 192 to 223 are RTCP.
            if self.srtp is None or len(datagram) < 2:
                return
            if not 192 <= datagram[1] <= 223:
                self._events.on_rtp(datagram)
            else:
                try:
                    packet = self.srtp.unprotect_rtcp(datagram)
                except SrtpError:
                    return
                self._events.on_rtcp(packet)
        elif 19 < first < 64:
            self._on_dtls(datagram)

    def check(self, now_s: float) -> None:
        """Look at the clocks: repeat handshake flights, notice who is gone."""
        if self.srtp is None:
            if now_s - self._created_s > CONNECT_S:
                self._events.on_lost("not_connected")
                return
            timeout_s = self._dtls.timeout_s()
            if timeout_s is not None and timeout_s <= 0:
                try:
                    self._dtls.on_timeout()
                except DtlsError:
                    self._events.on_lost("dtls_failed")
                    return
                self._flush()
        elif not self.ice.has_consent(now_s):
            self._events.on_lost("no_consent")

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send, if there is somewhere to send to."""
        if self.srtp is not None and self.path is not None:
            port, address = self.path
            port.send(self.srtp.protect_rtcp(packet), address)

    def close(self) -> None:
        """Say goodbye and leave the port; the owner is told nothing more."""
        self._dtls.close()
        self._flush()
        self._mux.forget(self.ice.local_ufrag)
        self.path = None
        self.srtp = None
        # Owner and peer know one another. The garbage collector comes by once in hours.
        self._events = _NOBODY_LISTENS

    def _on_dtls(self, datagram: bytes) -> None:
        try:
            self._dtls.receive(datagram)
        except DtlsError as error:
            self._flush()
            _log.info("a viewer's DTLS handshake failed", detail=str(error))
            self._events.on_lost("dtls_failed")
            return
        self._flush()
        if self.srtp is None and self._dtls.keys is not None:
            self.srtp = SrtpSession(self._dtls.keys)
            self._events.on_secured(self.srtp)
        elif self._dtls.closed_by_peer:
            self._events.on_lost("ended_by_viewer")

    def _flush(self) -> None:
        if self.path is None:
            return  # kept in OpenSSL's buffer until there is an address to send to
        port, address = self.path
        for datagram in self._dtls.datagrams():
            port.send(datagram, address)
