"""A meeting's site made of independent parts (OpenSSL, libsrtp, aiortc's RTP parser), for tests.

It offers a microphone, a camera in the qualities it is told, and slots to receive; it sends what a
test gives it, decrypts everything, and can lose packets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import RtpPacket

from camera_adapters.webrtc.header_extensions import MID_URI, SEND_TIME_URI, TRANSPORT_CC_URI
from tests.peers.srtp_viewer import SrtpViewer

MID, RID, REPAIRED_RID, LEVEL, SEND_TIME = 4, 5, 6, 7, 8
H264, H264_AGAIN, VP8, VP8_AGAIN, OPUS, RED = 96, 97, 98, 99, 111, 63

_TRANSPORT = """a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=rtcp-mux
a=rtcp-rsize
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id
a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id
a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
"""
_VIDEO = """m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99
a=rtpmap:96 H264/90000
a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 VP8/90000
a=rtcp-fb:98 nack
a=rtcp-fb:98 nack pli
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
"""
_AUDIO = """m=audio 9 UDP/TLS/RTP/SAVPF 111 63
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
"""

_NUMBERS = f"a=extmap:9 {TRANSPORT_CC_URI}\na=rtcp-fb:96 transport-cc\n"

_ssrcs = itertools.count(1000)


class Sending:
    """One RTP source of a site. ``timestamp`` and ``sequence`` are those of the next packet."""

    def __init__(self, site: MeetingSite, mid: str, payload_type: int, rid: str = "") -> None:
        self.ssrc = next(_ssrcs)
        self.sequence = 65530  # wraps soon
        self.timestamp = 4_294_900_000
        self.sent: dict[int, bytes] = {}
        self._site = site
        self._payload_type = payload_type
        self._names = _element(MID, mid.encode()) + (_element(RID, rid.encode()) if rid else b"")

    def packet(self, payload: bytes, *, marker: bool, level: int | None = None) -> bytes:
        """The next packet, not sent."""
        names = self._names + (_element(LEVEL, bytes((level,))) if level is not None else b"")
        if self._site.numbered:
            names += _element(9, self._site.next_number.to_bytes(2, "big"))
            self._site.next_number = (self._site.next_number + 1) & 0xFFFF
        names += bytes(-len(names) % 4)
        packet = b"".join(
            (
                bytes((0x90, self._payload_type | marker << 7)),
                self.sequence.to_bytes(2, "big"),
                self.timestamp.to_bytes(4, "big"),
                self.ssrc.to_bytes(4, "big"),
                b"\xbe\xde" + (len(names) // 4).to_bytes(2, "big") + names,
                payload,
            )
        )
        self.sent[self.sequence] = packet
        self.sequence = (self.sequence + 1) & 0xFFFF
        return packet

    def send(self, *payloads: bytes, ticks: int = 3000, level: int | None = None) -> None:
        """One picture, or one packet of sound; time goes on by ``ticks``."""
        for index, payload in enumerate(payloads):
            last = index == len(payloads) - 1
            self._site.send_rtp(self.packet(payload, marker=last, level=level))
        self.timestamp = (self.timestamp + ticks) & 0xFFFFFFFF


class MeetingSite(SrtpViewer):
    """``qualities`` are the rids of its camera, () for one quality without a name. Its sections are
    ``mic``, ``cam``, then the slots: ``v0`` … and ``a0`` … With ``numbered`` its pictures' packets
    have transport-wide numbers, as browsers' have."""

    def __init__(
        self,
        *,
        qualities: Sequence[str] = (),
        video_slots: int = 2,
        sound_slots: int = 1,
        numbered: bool = False,
        lose: Callable[[bytes], bool] = lambda packet: False,
    ) -> None:
        super().__init__(lose=lose)
        named = ((MID, MID_URI), (SEND_TIME, SEND_TIME_URI))
        extensions = [RTCRtpHeaderExtensionParameters(id=id_, uri=uri) for id_, uri in named]
        self._extensions.configure(RTCRtpParameters(headerExtensions=extensions))
        self._qualities = qualities
        self.numbered = numbered
        self.next_number = 65530
        self.slots = [f"v{index}" for index in range(video_slots)]
        self.slots += [f"a{index}" for index in range(sound_slots)]

    @property
    def offer(self) -> str:
        """What to post."""
        simulcast = "".join(f"a=rid:{rid} send\n" for rid in self._qualities)
        if self._qualities:
            simulcast += f"a=simulcast:send {';'.join(self._qualities)}\n"
        transport = _TRANSPORT.format(
            ufrag=self._ufrag, password=self._password, fingerprint=self._identity.fingerprint
        )
        numbers = _NUMBERS if self.numbered else ""
        sections = [
            f"{_AUDIO}{transport}a=mid:mic\na=sendonly\n",
            f"{_VIDEO}{transport}a=mid:cam\na=sendonly\n{simulcast}{numbers}",
        ]
        for mid in self.slots:
            media = _VIDEO if mid[0] == "v" else _AUDIO
            sections.append(f"{media}{transport}a=mid:{mid}\na=recvonly\n")
        head = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE mic cam "
        return head + " ".join(self.slots) + "\n" + "".join(sections)

    def camera(self, rid: str = "", payload_type: int = H264) -> Sending:
        """A source of its camera."""
        return Sending(self, "cam", payload_type, rid)

    def microphone(self) -> Sending:
        """The source of its microphone."""
        return Sending(self, "mic", OPUS)

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send."""
        assert self._outbound is not None
        self._transport.sendto(self._outbound.protect(packet), self._remote)

    def send_raw(self, datagram: bytes) -> None:
        """As it is."""
        self._transport.sendto(datagram, self._remote)

    def in_slot(self, mid: str) -> list[RtpPacket]:
        """What came in a slot, by the name in its packets, in order of arrival."""
        return [one for one in self.packets if one.extensions.mid == mid]


def _element(identifier: int, value: bytes) -> bytes:
    return bytes((identifier << 4 | len(value) - 1,)) + value
