"""Many real WebRTC viewers in one cheap process, for ``benchmarks.webrtc``.

    python -m benchmarks._webrtc_receivers SOCKET FIRST COUNT

Each has a UDP socket of its own and does what a browser does, but for decoding: connectivity checks
every 2.5 s, a DTLS-SRTP handshake, SRTCP receiver reports every second, and it takes every packet
off its socket. One packet in some hundred is authenticated and decrypted. Prints ``ready`` when all
are connected and get media, and their counts when its input ends.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import selectors
import socket
import struct
import sys
import time

from OpenSSL import SSL
from pylibsrtp import Error as LibSrtpError
from pylibsrtp import Policy, Session

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.dtls import DtlsIdentity
from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys

_CHECK_S = 2.5
_REPORT_S = 1.0
_JOINING_LIMIT = 16
_VERIFY_EVERY = 400
_UDP_GRO = 104
_SEGMENT = struct.Struct("=i")

_OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video {port} UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 127.0.0.1
a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:sha-256 {fingerprint}
a=setup:active
a=mid:0
a=extmap:3 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:96 H264/90000
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 goog-remb
a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
"""


class Receiver:
    """One viewer."""

    def __init__(self, identity: DtlsIdentity) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 << 20)
        # On loopback a send does the receiver's work, too: unsplit, it is as little as with a
        # network card between.
        self.socket.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.buffer = bytearray(1 << 16)
        self.packets = self.bytes = self.verified = self.forged = 0
        self._ufrag, self._password = secrets.token_hex(4), secrets.token_hex(12)
        self._fingerprint = identity.fingerprint
        self._dtls = SSL.Connection(identity.context, None)
        self._dtls.set_connect_state()
        self._dtls.set_ciphertext_mtu(1200)
        self._inbound: Session | None = None
        self._outbound: Session | None = None
        self._first_sequence = self._highest = -1
        self._next_check_s = self._next_report_s = 0.0
        self._nominated = False
        self._remote = ("", 0)
        self._remote_ufrag = self._remote_password = ""
        self._ssrc = self._newest = 0
        self._last_sr, self._last_sr_at_s = 0, 0.0

    def offer(self) -> str:
        """The SDP offer."""
        return _OFFER.replace("\n", "\r\n").format(
            port=self.socket.getsockname()[1],
            ufrag=self._ufrag,
            password=self._password,
            fingerprint=self._fingerprint,
        )

    def take_answer(self, answer: str) -> None:
        """Connect to the answer's first IPv4 candidate."""
        candidate = re.search(r"a=candidate:\S+ 1 udp \d+ ([\d.]+) (\d+) typ host", answer)
        ufrag = re.search(r"a=ice-ufrag:(\S+)", answer)
        password = re.search(r"a=ice-pwd:(\S+)", answer)
        assert candidate and ufrag and password, answer
        self._remote = (candidate[1], int(candidate[2]))
        self._remote_ufrag, self._remote_password = ufrag[1], password[1]

    @property
    def connected(self) -> bool:
        """Whether media comes."""
        return self.packets > 0

    @property
    def lost(self) -> int:
        """Packets that never came, by sequence numbers."""
        return 0 if self._first_sequence < 0 else self.expected - self.packets

    @property
    def expected(self) -> int:
        """Packets that the sender numbered so far."""
        return self._highest - self._first_sequence + 1

    def drain(self) -> None:
        """Take what there is off the socket."""
        buffer = self.buffer
        try:
            for _ in range(8):
                size, ancillary, _, _ = self.socket.recvmsg_into((buffer,), 64)
                if buffer[0] & 0xC0 == 0x80 and not 192 <= buffer[1] <= 223:
                    segment = _SEGMENT.unpack(ancillary[0][2])[0] if ancillary else size
                    before, self.packets = self.packets, self.packets - (-size // segment)
                    self.bytes += size
                    if before == 0 or before // _VERIFY_EVERY != self.packets // _VERIFY_EVERY:
                        self._verify(bytes(buffer[: min(size, segment)]))
                    last = (size - 1) // segment * segment
                    self._newest = buffer[last + 2] << 8 | buffer[last + 3]
                else:
                    self._control(bytes(buffer[:size]))
        except BlockingIOError:
            return

    def tick(self, now_s: float) -> None:
        """Checks, handshake repetitions and reports that are due."""
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + (_CHECK_S if self._nominated else 0.2)
            self.socket.sendto(self._check(), self._remote)
        if self._nominated and self._inbound is None:
            self._handshake()
        elif self._outbound is not None and self.packets and now_s >= self._next_report_s:
            self._next_report_s = now_s + _REPORT_S
            self._note_highest()
            self.socket.sendto(self._outbound.protect_rtcp(self._report(now_s)), self._remote)

    def _check(self) -> bytes:
        return stun.build(
            stun.BINDING_REQUEST,
            secrets.token_bytes(12),
            [
                (stun.USERNAME, f"{self._remote_ufrag}:{self._ufrag}".encode()),
                (stun.PRIORITY, (1853824767).to_bytes(4, "big")),
                (stun.ICE_CONTROLLING, bytes(8)),
                (stun.USE_CANDIDATE, b""),
            ],
            self._remote_password.encode(),
        )

    def _control(self, datagram: bytes) -> None:
        if datagram[0] < 4:
            message = stun.parse(datagram)
            if message.message_type == stun.BINDING_SUCCESS:
                if not self._nominated:
                    self._nominated = True
                    self._handshake()
            elif message.message_type == stun.BINDING_REQUEST:  # a full agent checks, too
                mapped = stun.xor_mapped_address(*self._remote, message.transaction_id)
                self.socket.sendto(
                    stun.build(
                        stun.BINDING_SUCCESS,
                        message.transaction_id,
                        [(stun.XOR_MAPPED_ADDRESS, mapped)],
                        self._password.encode(),
                    ),
                    self._remote,
                )
        elif datagram[0] < 64:
            self._dtls.bio_write(datagram)
            self._handshake()
        elif self._inbound is not None and datagram[1] == 200:
            report = self._inbound.unprotect_rtcp(datagram)
            self._last_sr = int.from_bytes(report[10:14], "big")
            self._last_sr_at_s = time.monotonic()

    def _handshake(self) -> None:
        try:
            self._dtls.do_handshake()
        except SSL.WantReadError:
            if self._dtls.DTLSv1_get_timeout() == 0:
                self._dtls.DTLSv1_handle_timeout()
        else:
            if self._inbound is None:
                self._secure()
        try:
            self.socket.sendto(self._dtls.bio_read(4096), self._remote)
        except SSL.Error:
            return

    def _secure(self) -> None:
        name = self._dtls.get_selected_srtp_profile().decode()
        profile = next(one for one in SRTP_PROFILES if one.name == name)
        material = self._dtls.export_keying_material(
            b"EXTRACTOR-dtls_srtp", SrtpKeys.exported_size(profile)
        )
        keys = SrtpKeys.from_exported(profile, material, server=False)
        self._outbound = Session(
            Policy(keys.ours, Policy.SSRC_ANY_OUTBOUND, 0, profile.libsrtp_profile)
        )
        self._inbound = Session(
            Policy(keys.theirs, Policy.SSRC_ANY_INBOUND, 0, profile.libsrtp_profile)
        )

    def _verify(self, packet: bytes) -> None:
        sequence = int.from_bytes(packet[2:4], "big")
        if self._first_sequence < 0:
            self._first_sequence = self._highest = sequence
            self._ssrc = int.from_bytes(packet[8:12], "big")
        self._highest = _unwrapped(sequence, self._highest)
        assert self._inbound is not None
        try:
            self._inbound.unprotect(packet)
            self.verified += 1
        except LibSrtpError:
            self.forged += 1

    def _note_highest(self) -> None:
        self._highest = _unwrapped(self._newest, self._highest)

    def _report(self, now_s: float) -> bytes:
        delay = max(0, int((now_s - self._last_sr_at_s) * 65536)) if self._last_sr else 0
        block = struct.pack(
            "!IIIIII",
            self._ssrc,
            max(0, self.lost) & 0xFFFFFF,
            self._highest & 0xFFFFFFFF,
            30,
            self._last_sr,
            delay,
        )
        remb = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, 1, 0, b"REMB", 1, 0x10, 0, self._ssrc)
        return struct.pack("!BBHI", 0x81, 201, 7, 1) + block + remb


def _unwrapped(sequence: int, near: int) -> int:
    return near + ((sequence - near + 0x8000) & 0xFFFF) - 0x8000


def main() -> None:
    """See the module's description."""
    path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    control = socket.socket(socket.AF_UNIX)
    control.connect(path)
    stream = control.makefile("rwb")
    identity = DtlsIdentity()
    waiting = [Receiver(identity) for _ in range(count)]
    receivers: list[Receiver] = []
    selector = selectors.EpollSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    told = False
    next_tick_s = 0.0
    while True:
        joining = sum(not one.connected for one in receivers)
        if waiting and joining < _JOINING_LIMIT:
            one = waiting.pop()
            request = {"number": first + len(receivers), "offer": one.offer()}
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            one.take_answer(json.loads(stream.readline())["answer"])
            selector.register(one.socket, selectors.EVENT_READ, one)
            receivers.append(one)
        elif not waiting and not joining and not told:
            told = True
            print("ready", flush=True)
        now_s = time.monotonic()
        for key, _ in selector.select(0.0 if waiting else 0.02):
            if key.data is None:
                if not os.read(0, 1):
                    _print_counts(receivers)
                    return
            else:
                key.data.drain()
        if now_s >= next_tick_s:
            next_tick_s = now_s + 0.05
            for one in receivers:
                one.tick(now_s)


def _print_counts(receivers: list[Receiver]) -> None:
    for one in receivers:
        one.drain()
        one._note_highest()
    counts = {
        "packets": sum(one.packets for one in receivers),
        "bytes": sum(one.bytes for one in receivers),
        "lost": sum(max(0, one.lost) for one in receivers),
        "verified": sum(one.verified for one in receivers),
        "forged": sum(one.forged for one in receivers),
        "silent": sum(not one.connected for one in receivers),
    }
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
