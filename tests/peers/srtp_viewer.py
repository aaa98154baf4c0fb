"""A WebRTC viewer made of independent parts (OpenSSL, libsrtp, aiortc's RTP parser), for tests.

It connects to an SDP answer over real UDP, decrypts everything, and can lose packets, ask for them
again, and stop checking. What it got is in ``packets``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from aiortc.rtp import HeaderExtensionsMap, RtcpPsfbPacket, RtcpRtpfbPacket, RtpPacket
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys

OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
m=video 9 UDP/TLS/RTP/SAVPF {video}
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=mid:0
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01
a=recvonly
a=rtcp-mux
a=rtpmap:96 H264/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 transport-cc
a=fmtp:96 packetization-mode=1;profile-level-id=42e01f
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 H265/90000
m=audio 9 UDP/TLS/RTP/SAVPF 8
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=mid:1
a=recvonly
a=rtcp-mux
"""


class SrtpViewer(asyncio.DatagramProtocol):
    """``profile`` is OpenSSL's name of the one SRTP profile it offers; ``lose(packet)`` says which
    encrypted packets the network drops."""

    def __init__(
        self,
        *,
        profile: str = "SRTP_AEAD_AES_128_GCM",
        retransmission: bool = True,
        lose: Callable[[bytes], bool] = lambda packet: False,
    ) -> None:
        self._identity = DtlsIdentity()
        self._identity.context.set_tlsext_use_srtp(profile.encode())
        self._retransmission = retransmission
        self._lose = lose
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)
        self._dtls = SSL.Connection(self._identity.context, None)
        self._dtls.set_connect_state()
        self._dtls.set_ciphertext_mtu(1200)
        self._inbound: Session | None = None
        self._outbound: Session | None = None
        self._transport: asyncio.DatagramTransport
        self._remote = ("", 0)
        self._names = b""
        self._remote_password = b""
        self._changed = asyncio.Event()
        self.packets: list[RtpPacket] = []
        self.lost: list[int] = []
        self.reports: list[bytes] = []
        self.encrypted: dict[tuple[int, int], list[bytes]] = {}
        self.closed = False
        self._extensions = HeaderExtensionsMap()

    @property
    def offer(self) -> str:
        """What to post."""
        text = OFFER if self._retransmission else OFFER.replace("a=fmtp:97 apt=96\n", "")
        return text.format(
            video="96 97 98",
            ufrag=self._ufrag,
            password=self._password,
            fingerprint=self._identity.fingerprint,
        )

    async def connect(self, answer: str) -> None:
        """Check, shake hands; returns when media can flow."""
        lines = dict(
            line[2:].split(":", 1)
            for line in answer.splitlines()
            if line[:2] == "a=" and ":" in line
        )
        words = lines["candidate"].split()
        self._remote = (words[4], int(words[5]))
        self._names = f"{lines['ice-ufrag']}:{self._ufrag}".encode()
        self._remote_password = lines["ice-pwd"].encode()
        self._transport = await self._open()
        self.check()
        await self.until(lambda: self._outbound is not None)

    async def _open(self) -> asyncio.DatagramTransport:
        """Where datagrams leave, and come in."""
        local = "::1" if ":" in self._remote[0] else "127.0.0.1"
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(local, 0)
        )
        return transport

    def close(self) -> None:
        """Vanish without a word."""
        self._transport.close()

    def check(self, *, nominate: bool = True) -> None:
        """Send one connectivity check."""
        attributes = [
            (stun.USERNAME, self._names),
            (stun.PRIORITY, bytes((110, 0, 1, 255))),
            (stun.ICE_CONTROLLING, bytes(8)),
        ]
        if nominate:
            attributes.append((stun.USE_CANDIDATE, b""))
        self._transport.sendto(
            stun.build(
                stun.BINDING_REQUEST, secrets.token_bytes(12), attributes, self._remote_password
            ),
            self._remote,
        )

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send."""
        assert self._outbound is not None
        self._transport.sendto(self._outbound.protect_rtcp(packet), self._remote)

    def ask_again(self, ssrc: int, numbers: list[int]) -> None:
        """NACK (RFC 4585 §6.2.1)."""
        self.send_rtcp(bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=ssrc, lost=numbers)))

    def ask_keyframe(self, ssrc: int) -> None:
        """PLI (RFC 4585 §6.3.1)."""
        self.send_rtcp(bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=ssrc)))

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait for something to become true by what arrives."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, payload_type: int) -> list[RtpPacket]:
        """The packets of one payload type."""
        return [packet for packet in self.packets if packet.payload_type == payload_type]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """See asyncio."""
        if data[0] < 4:
            if stun.parse(data).message_type == stun.BINDING_SUCCESS and self._inbound is None:
                self._handshake()
        elif data[0] < 64:
            self._dtls.bio_write(data)
            if self._inbound is None:
                self._handshake()
            else:
                try:
                    self._dtls.recv(2048)
                except SSL.ZeroReturnError:
                    self.closed = True
                except SSL.Error:
                    pass
        elif self._inbound is not None:
            self._media(data)
        self._changed.set()

    def _media(self, data: bytes) -> None:
        assert self._inbound is not None
        if 192 <= data[1] <= 223:
            self.reports.append(self._inbound.unprotect_rtcp(data))
        elif self._lose(data):
            self.lost.append(int.from_bytes(data[2:4], "big"))
        else:
            key = (int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big"))
            self.encrypted.setdefault(key, []).append(data)
            packet = self._inbound.unprotect(data)
            self.packets.append(RtpPacket.parse(packet, self._extensions))

    def _handshake(self) -> None:
        try:
            self._dtls.do_handshake()
        except SSL.WantReadError:
            pass
        else:
            name = self._dtls.get_selected_srtp_profile().decode()
            profile = next(one for one in SRTP_PROFILES if one.name == name)
            material = self._dtls.export_keying_material(
                b"EXTRACTOR-dtls_srtp", SrtpKeys.exported_size(profile)
            )
            keys = SrtpKeys.from_exported(profile, material, server=False)
            self._outbound = Session(
                Policy(keys.ours, Policy.SSRC_ANY_OUTBOUND, 0, profile.libsrtp_profile)
            )
            inbound = Policy(keys.theirs, Policy.SSRC_ANY_INBOUND, 0, profile.libsrtp_profile)
            inbound.allow_repeat_tx = True
            self._inbound = Session(inbound)
        try:
            self._transport.sendto(self._dtls.bio_read(4096), self._remote)
        except SSL.Error:
            return
