"""One site of a meeting as the gateway sees a page: its media, real but for decoding.

Connectivity checks, a DTLS-SRTP handshake, receiver reports every second; every packet is taken off
the socket and one in a hundred decrypted. Pictures and sounds carry when they were sent, of which
room and by which site, so that delay and cross-talk show. What nobody wants is not sent.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from pylibsrtp import Error as LibSrtpError
from pylibsrtp import Session

from benchmarks._webrtc_receivers import Receiver
from camera_adapters.webrtc.dtls import DtlsIdentity

PICTURES_PER_SECOND = 25
SOUNDS_PER_SECOND = 50
_VERIFY_EVERY = 100
_KEYFRAME_PICTURES = 250
_KEYFRAME_TIMES = 6
_FRAGMENT_BYTES = 1150
_UDP_GRO, _TIMESTAMP = 104, 35
_SEGMENT, _TIMESPEC = struct.Struct("=i"), struct.Struct("@ll")
_STAMP = struct.Struct("!QHH")
_SETS = (bytes.fromhex("6742e01f8d680a03da6c"), b"\x68\xce\x3c\x80")
_AGAIN = 97
_SEI = b"\x06\x05\x28" + b"gridsight-measur"
"""Of a picture that is really decoded: its stamp stands beside it, in hexadecimal (H.264 D.2.7)."""
SENDS = {"mic": "microphone", "cam": "camera", "screen": "screen"}
SOUND_SLOTS = 3

_TRANSPORT = """c=IN IP4 127.0.0.1
a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=rtcp-mux
a=rtcp-rsize
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level
"""
_VIDEO = """m=video {port} UDP/TLS/RTP/SAVPF 96 97
a=rtpmap:96 H264/90000
a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
"""
_AUDIO = """m=audio {port} UDP/TLS/RTP/SAVPF 111
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
"""


@dataclass(slots=True)
class Stream:
    """What came in one slot. ``highest`` counts on past 65535."""

    first: int = -1
    highest: int = -1
    packets: int = 0
    bytes: int = 0
    runs: int = 0

    def note(self, sequence: int, count: int, size: int) -> None:
        """A run has come."""
        if self.first < 0:
            self.first = self.highest = sequence
        ahead = (sequence + count - 1 - self.highest + 0x8000 & 0xFFFF) - 0x8000
        self.highest = max(self.highest, self.highest + ahead)
        self.packets += count
        self.bytes += size
        self.runs += 1


@dataclass(slots=True)
class Sending:
    """One section that a site sends."""

    mid: str
    bitrate_bps: int
    ssrc: int
    period_s: float
    next_s: float
    extension: bytes
    number: int = 0
    sequence: int = 0
    wanted: bool = True
    on: bool = False
    counts: list[int] = field(default_factory=lambda: [0, 0])


class Site(Receiver):
    """One site of a ``plan``: ``sends`` are bits per second of what it films and says, by section,
    ``pictures`` how many slots it has for them, ``expects`` how many pictures and sounds it is to
    get, ``room`` and ``index`` what its own bear. ``keyframe``: NAL units of a picture that can be
    decoded; without, slices are as large as real ones and nobody could.
    """

    def __init__(
        self, identity: DtlsIdentity, plan: dict[str, Any], keyframe: list[bytes] | None
    ) -> None:
        super().__init__(identity)
        self.socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        self.plan = plan
        self.room: int = plan["room"]
        self.streams: dict[int, Stream] = {}
        self.sending: list[Sending] = []
        self.delays_ms: list[float] = []
        self.crosstalk = 0
        self.unknown = 0
        self.asked_s = 0.0
        self.first_picture_s = 0.0
        self.pictures_sent = 0
        # Whose picture it waits for, and when the whole of one was there.
        self.watched: int | None = None
        self.seen_s = 0.0
        self._watched_comes = False
        self._keyframe = keyframe
        self._stamp_of = _STAMP.pack(0, self.room, plan["index"])[8:]
        self._layers: dict[str, list[str]] = {}
        self._video: set[int] = set()
        self._until_verified = 1

    @property
    def picture_slots(self) -> list[str]:
        """Their mids."""
        return [f"v{number}" for number in range(self.plan["pictures"])]

    def offer(self) -> str:
        """See Receiver: the sections that a page of the console has."""
        slots = [*(f"a{number}" for number in range(SOUND_SLOTS)), *self.picture_slots]
        text = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
        text += "a=group:BUNDLE " + " ".join([*SENDS, *slots]) + "\n"
        for mid in SENDS:
            text += (_AUDIO if mid == "mic" else _VIDEO) + _TRANSPORT
            text += f"a=mid:{mid}\na=sendonly\n"
        for mid in slots:
            text += (_AUDIO if mid[0] == "a" else _VIDEO) + _TRANSPORT
            text += f"a=mid:{mid}\na=recvonly\n"
        return text.replace("\n", "\r\n").format(
            port=self.socket.getsockname()[1],
            ufrag=self._ufrag,
            password=self._password,
            fingerprint=self._fingerprint,
        )

    def take_answer(self, answer: str) -> None:
        """See Receiver: and note the SSRC of each slot."""
        super().take_answer(answer)
        for section in answer.split("\r\nm=")[1:]:
            ssrcs = [line[7:].split()[0] for line in section.split("\r\n") if line[:7] == "a=ssrc:"]
            if ssrcs:
                ssrc = int(ssrcs[0])
                self.streams[ssrc] = Stream()
                if section.startswith("video"):
                    self._video.add(ssrc)
        start_s = time.monotonic() + 0.2
        for index, (mid, bitrate_bps) in enumerate(self.plan["sends"].items()):
            period_s = 1 / (SOUNDS_PER_SECOND if mid == "mic" else PICTURES_PER_SECOND)
            names = bytes((4 << 4 | len(mid) - 1,)) + mid.encode()
            if mid == "mic":
                names += b"\x70\x1e"
            names += bytes(-len(names) % 4)
            extension = b"\xbe\xde" + (len(names) // 4).to_bytes(2, "big") + names
            ssrc = int.from_bytes(os.urandom(4), "big") or 1
            phase_s = self.room * 0.0017 + index * 0.003
            self.sending.append(
                Sending(mid, bitrate_bps, ssrc, period_s, start_s + phase_s, extension)
            )
        self.take_wanted(self._layers)

    @property
    def connected(self) -> bool:
        """Whether it is secured, and everything that it is to be shown comes."""
        if self._outbound is None:
            return False
        pictures, sounds = self.plan["expects"]
        come = [ssrc for ssrc, stream in self.streams.items() if stream.first >= 0]
        shown = sum(ssrc in self._video for ssrc in come)
        return bool(shown >= pictures and len(come) - shown >= sounds)

    @property
    def answered(self) -> bool:
        """Whether it knows where to."""
        return bool(self._remote[1])

    def take_wanted(self, layers: dict[str, list[str]]) -> None:
        """The room says what it wants to be sent."""
        for one in self.sending:
            wanted = bool(layers.get(one.mid))
            if wanted and not one.on:
                one.wanted = True
                now_s = time.monotonic()
                # Its time went on while nobody wanted it.
                one.number += max(0, int((now_s - one.next_s) / one.period_s))
                one.next_s = max(now_s, one.next_s)
            one.on = wanted
        self._layers = layers

    def watch(self, index: int) -> None:
        """Look out for a picture of the site of this index."""
        self.watched, self.seen_s, self._watched_comes = index, 0.0, False

    def drain(self) -> None:
        """See Receiver."""
        buffer = self.buffer
        receive = self.socket.recvmsg_into
        try:
            for _ in range(16):
                size, ancillary, _, _ = receive((buffer,), 128)
                if buffer[0] & 0xC0 != 0x80 or 192 <= buffer[1] <= 223:
                    self._control(bytes(buffer[:size]))
                    continue
                segment = size
                for _, kind, data in ancillary:
                    if kind == _UDP_GRO:
                        segment = _SEGMENT.unpack(data)[0]
                stream = self.streams.get(int.from_bytes(buffer[8:12], "big"))
                if stream is None:
                    # Retransmissions have a stream of their own.
                    self.unknown += (buffer[1] & 0x7F) != _AGAIN
                    continue
                count = -(-size // segment)
                stream.note(buffer[2] << 8 | buffer[3], count, size)
                if not self.first_picture_s or self.watched is not None:
                    self._look_at(size, segment)
                self._until_verified -= count
                if self._until_verified <= 0:
                    self._until_verified = _VERIFY_EVERY
                    self._verify_first(bytes(buffer[: min(size, segment)]), ancillary)
        except BlockingIOError:
            return

    def _look_at(self, size: int, segment: int) -> None:
        """Note when the first whole picture is there, and the first of whom is watched."""
        buffer = self.buffer
        if int.from_bytes(buffer[8:12], "big") not in self._video:
            return
        for start in range(0, size, segment):
            if self.watched is not None and not self._watched_comes:
                plain = self._decrypted(bytes(buffer[start : min(size, start + segment)]))
                stamp = None if plain is None else _stamp_in(plain)
                self._watched_comes = stamp is not None and stamp[2] == self.watched
            if buffer[start + 1] & 0x80:
                now_s = time.monotonic()
                self.first_picture_s = self.first_picture_s or now_s - self.asked_s
                if self._watched_comes:
                    self.watched, self.seen_s, self._watched_comes = None, now_s, False

    def tick(self, now_s: float) -> None:
        """See Receiver."""
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + (2.5 if self._nominated else 0.2)
            self.socket.sendto(self._check(), self._remote)
        if self._nominated and self._inbound is None:
            self._handshake()
        elif self._outbound is not None and now_s >= self._next_report_s:
            self._next_report_s = now_s + 1.0
            self.socket.sendto(self._outbound.protect_rtcp(self._reports()), self._remote)

    def send_due(self, now_s: float) -> None:
        """What its sections have to send by now."""
        if self._outbound is None:
            return
        for one in self.sending:
            if not one.on:
                continue
            while one.next_s <= now_s:
                one.next_s += one.period_s
                if one.mid == "mic":
                    self._send_sound(self._outbound, one)
                else:
                    self._send_picture(self._outbound, one)

    def _send_sound(self, session: Session, one: Sending) -> None:
        size = one.bitrate_bps // 8 // SOUNDS_PER_SECOND
        payload = b"\x78" + self._stamp() + bytes(size - 13)
        self._send_packet(session, one, 111, 960, payload)
        one.number += 1

    def _send_picture(self, session: Session, one: Sending) -> None:
        keyframe = one.wanted or one.number % _KEYFRAME_PICTURES == 0
        one.wanted = False
        size = one.bitrate_bps // 8 // PICTURES_PER_SECOND * (_KEYFRAME_TIMES if keyframe else 1)
        kind = 5 if keyframe else 1
        if keyframe and self._keyframe is not None:
            stamp = _SEI + self._stamp().hex().encode() + b"\x80"
            payloads = [*self._keyframe[:2], stamp, *_fragments(self._keyframe[2])]
        else:
            slice_ = bytes((0x60 | kind, 0x88)) + self._stamp() + bytes(size - 14)
            payloads = [*(_SETS if keyframe else ()), *_fragments(slice_)]
        for index, payload in enumerate(payloads):
            marker = 0x80 * (index == len(payloads) - 1)
            self._send_packet(session, one, 96 | marker, 3600, payload)
        one.number += 1
        self.pictures_sent += 1

    def _send_packet(
        self, session: Session, one: Sending, kind: int, ticks: int, payload: bytes
    ) -> None:
        packet = b"".join(
            (
                struct.pack(
                    "!BBHII", 0x90, kind, one.sequence, one.number * ticks & 0xFFFFFFFF, one.ssrc
                ),
                one.extension,
                payload,
            )
        )
        one.sequence = (one.sequence + 1) & 0xFFFF
        one.counts[0] += 1
        self.socket.sendto(session.protect(packet), self._remote)

    def _stamp(self) -> bytes:
        return time.time_ns().to_bytes(8, "big") + self._stamp_of

    def _decrypted(self, packet: bytes) -> bytes | None:
        assert self._inbound is not None
        try:
            plain = self._inbound.unprotect(packet)
        except LibSrtpError:
            return None
        self.verified += 1
        return plain

    def _verify_first(self, packet: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        plain = self._decrypted(packet)
        if plain is None:
            # What was looked at before is refused as a replay (RFC 3711 §3.3.2).
            self.forged += self.watched is None and not self.seen_s
            return
        stamp = _stamp_in(plain)
        if stamp is None:
            return
        sent_ns, room, _ = stamp
        self.crosstalk += room != self.room
        for _, one, data in ancillary:
            if one == _TIMESTAMP:
                seconds, nanoseconds = _TIMESPEC.unpack(data)
                came_ns = seconds * 1_000_000_000 + nanoseconds
                self.delays_ms.append((came_ns - sent_ns) / 1e6)

    def _control(self, datagram: bytes) -> None:
        if datagram[0] >= 128:
            self._take_rtcp(datagram)
        else:
            super()._control(datagram)

    def _take_rtcp(self, datagram: bytes) -> None:
        """A wish for a keyframe, or for packets again, which loopback does not lose."""
        if self._inbound is None or not self.sending:
            return
        packet = self._inbound.unprotect_rtcp(datagram)
        if packet[1] == 206 and packet[0] & 0x1F == 1:
            ssrc = int.from_bytes(packet[8:12], "big")
            for one in self.sending:
                if one.ssrc == ssrc:
                    one.wanted = True
                    one.counts[1] += 1

    def _reports(self) -> bytes:
        blocks = []
        for ssrc, stream in self.streams.items():
            if stream.packets:
                lost = max(0, stream.highest - stream.first + 1 - stream.packets)
                highest = stream.highest & 0xFFFFFFFF
                blocks.append(struct.pack("!IIIIII", ssrc, lost & 0xFFFFFF, highest, 30, 0, 0))
        words = 1 + 6 * len(blocks)
        return struct.pack("!BBHI", 0x80 | len(blocks), 201, words, 1) + b"".join(blocks)


def _fragments(nal_unit: bytes) -> list[bytes]:
    """The payloads that carry it (RFC 6184 §5.8)."""
    if len(nal_unit) <= _FRAGMENT_BYTES:
        return [nal_unit]
    indicator, kind, body = nal_unit[0] & 0x60 | 28, nal_unit[0] & 31, nal_unit[1:]
    starts = range(0, len(body), _FRAGMENT_BYTES)
    return [
        bytes((indicator, 0x80 * (at == 0) | 0x40 * (at == starts[-1]) | kind))
        + body[at : at + _FRAGMENT_BYTES]
        for at in starts
    ]


def _stamp_in(plain: bytes) -> tuple[int, int, int] | None:
    """When it was sent in nanoseconds, of which room, by which site; None where it says nothing."""
    payload = plain[12 + 4 + 4 * int.from_bytes(plain[14:16], "big") :]
    kind = payload[0] & 0x1F
    if plain[1] & 0x7F == 111:
        stamp = payload[1:13]
    elif kind == 6:
        stamp = bytes.fromhex(payload[len(_SEI) : len(_SEI) + 24].decode())
    elif kind == 28 and payload[1] & 0x80:
        stamp = payload[3:15]
    elif kind in (1, 5):
        stamp = payload[2:14]
    else:
        return None
    sent_ns, room, index = _STAMP.unpack(stamp)
    return sent_ns, room, index
