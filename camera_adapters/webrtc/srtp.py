"""SRTP sessions from a DTLS handshake (RFC 5764), and encryption of whole runs in place."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from pylibsrtp import Error as LibSrtpError
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from camera_adapters.webrtc.packet_batch import (
    EXTENSION_BLOCK_SIZE,
    HEADER_SIZE,
    RTP_HEADER_SIZE,
    RUN_PACKETS_LIMIT,
    SEND_TIME_OFFSET,
    SEND_TIME_SIZE,
    TRANSPORT_SEQUENCE_OFFSET,
    PacketRun,
    Scratch,
    Slots,
)

protect_packet = lib.srtp_protect
_memmove = ffi.memmove

REPLAY_WINDOW = 256
"""How far back libsrtp encrypts a number again, for the few viewers without RTX: over a second at
2 Mbit/s. It shifts a bitmap of this size for every packet; 8,192 cost a tenth of all the time."""

RTP_HEADER = struct.Struct(f"!BBHII{EXTENSION_BLOCK_SIZE}s")
WITH_BLOCK = 0x90  # version 2, header extension present

# Up to so many packets, writing each header by itself is cheaper than numpy's four calls.
_FEW = 6

# Consecutive 16-bit numbers in network order; a run's numbers are a slice of it.
_NUMBERS = np.arange(65536 + RUN_PACKETS_LIMIT, dtype=np.uint32).astype(">u2")
_INT_SIZE = ffi.sizeof("int")


class SrtpError(Exception):
    """libsrtp refused: a forged or replayed packet, or a key used up."""


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """A protection profile. ``name`` is OpenSSL's, ``tag_size`` the bytes a packet grows by."""

    name: str
    libsrtp_profile: int
    key_size: int
    salt_size: int
    tag_size: int


SRTP_PROFILES = (
    SrtpProfile("SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16),
    SrtpProfile("SRTP_AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16),
    SrtpProfile("SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10),
)
"""In our order of preference: AES-GCM costs half of AES-CM (RFC 7714, RFC 3711)."""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What the handshake agreed on: master key and salt of either side, one behind the other."""

    profile: SrtpProfile
    ours: bytes
    theirs: bytes

    @classmethod
    def from_exported(cls, profile: SrtpProfile, material: bytes, *, server: bool) -> SrtpKeys:
        """Cut the exporter's output (RFC 5764 §4.2): both keys, then both salts, client first."""
        key, salt = profile.key_size, profile.salt_size
        client = material[:key] + material[2 * key : 2 * key + salt]
        other = material[key : 2 * key] + material[2 * key + salt : 2 * (key + salt)]
        return cls(profile, other, client) if server else cls(profile, client, other)

    @staticmethod
    def exported_size(profile: SrtpProfile) -> int:
        """How many bytes the exporter must give."""
        return 2 * (profile.key_size + profile.salt_size)


class SrtpSession:
    """Both directions of one peer. Not usable after :meth:`close`."""

    __slots__ = ("_inbound", "_outbound", "handle", "inbound_handle", "tag_size")

    def __init__(self, keys: SrtpKeys) -> None:
        self.tag_size = keys.profile.tag_size
        self._outbound = _session(keys.ours, Policy.SSRC_ANY_OUTBOUND, keys.profile)
        self._inbound = _session(keys.theirs, Policy.SSRC_ANY_INBOUND, keys.profile)
        self.handle = self._outbound._srtp[0]
        self.inbound_handle = self._inbound._srtp[0]

    def protect_rtcp(self, packet: bytes) -> bytes:
        """An SRTCP packet (RFC 3711 §3.4). Raises SrtpError."""
        try:
            return bytes(self._outbound.protect_rtcp(packet))
        except (LibSrtpError, ValueError) as error:
            raise SrtpError(str(error)) from None

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The RTCP packet inside. Raises SrtpError when it is not authentic."""
        try:
            return bytes(self._inbound.unprotect_rtcp(packet))
        except (LibSrtpError, ValueError) as error:
            raise SrtpError(str(error)) from None


def _session(key: bytes, direction: int, profile: SrtpProfile) -> Session:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=profile.libsrtp_profile)
    policy.allow_repeat_tx = True
    policy.window_size = REPLAY_WINDOW
    return Session(policy)


class TransportSequence:
    """The transport-wide counter that all RTP streams of a peer share
    (draft-holmer-rmcat-transport-wide-cc-extensions §2)."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next = 1


def send_time_of(now_s: float) -> int:
    """An instant as the abs-send-time extension has it: 6.18 seconds in 24 bits."""
    return int(now_s * (1 << 18)) & 0xFFFFFF


class RtpStream:
    """One outgoing RTP stream of one peer: its numbers, its header, its counters.

    ``extension_block`` is the peer's :data:`EXTENSION_BLOCK_SIZE` bytes; the transport-wide number
    is written into it when ``transport_sequence`` is given, or when ``timed`` the ``send_time``,
    which the owner keeps up to date: never both. ``next_sequence`` counts on past
    65535, so that it orders packets; the wire has its low 16 bits.
    """

    __slots__ = (
        "_header",
        "_header_view",
        "_scratch",
        "extension_block",
        "next_sequence",
        "octets_sent",
        "packets_sent",
        "payload_type",
        "send_time",
        "srtp",
        "ssrc",
        "timed",
        "transport_sequence",
    )

    def __init__(
        self,
        srtp: SrtpSession,
        scratch: Scratch,
        *,
        ssrc: int,
        payload_type: int,
        first_sequence: int,
        extension_block: bytes,
        transport_sequence: TransportSequence | None = None,
        timed: bool = False,
    ) -> None:
        self.srtp = srtp
        self._scratch = scratch
        self.extension_block = extension_block
        self._header = bytearray(HEADER_SIZE)
        self._header_view = np.frombuffer(self._header, f"V{HEADER_SIZE}")
        self.transport_sequence = transport_sequence
        self.timed = timed
        self.send_time = 0
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.next_sequence = first_sequence
        self.packets_sent = 0
        self.octets_sent = 0

    @property
    def wide_number(self) -> int:
        """The number beyond its own that the next packet carries: what :meth:`protect_again`
        wants to have back."""
        if self.timed:
            return self.send_time
        transport = self.transport_sequence
        return 0 if transport is None else transport.next

    def protect_again(
        self, run: PacketRun, timestamp: int, sequence: int, wide_number: int
    ) -> memoryview:
        """A run of one packet with the numbers it had before.

        The result must be the very bytes of the first time: a changed header under the same number
        would use AES-GCM's nonce twice (RFC 7714 §8.4). Raises SrtpError.
        """
        next_sequence, packets, octets = self.next_sequence, self.packets_sent, self.octets_sent
        transport, send_time = self.transport_sequence, self.send_time
        self.next_sequence = sequence
        self.send_time = wide_number
        if transport is not None:
            next_transport, transport.next = transport.next, wide_number
        try:
            return self.protect(run, timestamp)[0]
        finally:
            self.next_sequence, self.packets_sent, self.octets_sent = next_sequence, packets, octets
            self.send_time = send_time
            if transport is not None:
                transport.next = next_transport

    def protect(self, run: PacketRun, timestamp: int) -> tuple[memoryview, int]:
        """The run as this peer's SRTP packets, and the distance from one to the next.

        The view is into the scratch buffer: valid until the next call. Raises SrtpError.
        """
        scratch = self._scratch
        tag_size = self.srtp.tag_size
        handle = self.srtp.handle
        count = run.count
        stride = run.packet_size + tag_size
        source, source_size = run.image(tag_size)
        _memmove(scratch.base, source, source_size)
        sizes = scratch.sizes
        if count == 1:
            self._write_header(run, timestamp & 0xFFFFFFFF)
            sizes[0] = run.last_size
            failed = protect_packet(handle, scratch.base, sizes)
        else:
            slots = scratch.slots(stride)
            self._write_headers(slots, stride, run, timestamp & 0xFFFFFFFF)
            _memmove(sizes, _full_sizes[run.packet_size], count * _INT_SIZE)
            sizes[count - 1] = run.last_size
            failed = any(
                map(protect_packet, repeat(handle, count), slots.addresses, scratch.size_addresses)
            )
        if failed:
            raise SrtpError("encryption failed")
        self.next_sequence += count
        self.packets_sent += count
        self.octets_sent += run.size - count * HEADER_SIZE
        return scratch.view[: (count - 1) * stride + sizes[count - 1]], stride

    def _write_header(self, run: PacketRun, timestamp: int) -> None:
        memory = self._scratch.view
        RTP_HEADER.pack_into(
            memory,
            0,
            WITH_BLOCK,
            self.payload_type | 0x80 if run.ends_picture else self.payload_type,
            self.next_sequence & 0xFFFF,
            timestamp,
            self.ssrc,
            self.extension_block,
        )
        transport = self.transport_sequence
        if transport is not None:
            number = (transport.next & 0xFFFF).to_bytes(2, "big")
            memory[TRANSPORT_SEQUENCE_OFFSET : TRANSPORT_SEQUENCE_OFFSET + 2] = number
            transport.next += 1
        if self.timed:
            memory[SEND_TIME_OFFSET : SEND_TIME_OFFSET + SEND_TIME_SIZE] = self._send_time_bytes()

    def _send_time_bytes(self) -> bytes:
        return self.send_time.to_bytes(SEND_TIME_SIZE, "big")

    def _write_headers(self, slots: Slots, stride: int, run: PacketRun, timestamp: int) -> None:
        count = run.count
        kind = self.payload_type
        sequence = self.next_sequence & 0xFFFF
        transport = self.transport_sequence
        memory = self._scratch.view
        if self.timed:
            # The same for all packets of a run: so the block that every header gets has it.
            at = SEND_TIME_OFFSET - RTP_HEADER_SIZE
            block = self.extension_block
            block = block[:at] + self._send_time_bytes() + block[at + SEND_TIME_SIZE :]
        else:
            block = self.extension_block
        if count <= _FEW:
            position = 0
            for number in range(sequence, sequence + count):
                RTP_HEADER.pack_into(
                    memory,
                    position,
                    WITH_BLOCK,
                    kind,
                    number & 0xFFFF,
                    timestamp,
                    self.ssrc,
                    block,
                )
                position += stride
        else:
            RTP_HEADER.pack_into(
                self._header,
                0,
                WITH_BLOCK,
                kind,
                0,
                timestamp,
                self.ssrc,
                block,
            )
            slots.headers[:count] = self._header_view
            slots.sequence_numbers[:count] = _NUMBERS[sequence : sequence + count]
        if run.ends_picture:
            memory[(count - 1) * stride + 1] = kind | 0x80
        if transport is not None:
            first = transport.next & 0xFFFF
            slots.transport_sequence_numbers[:count] = _NUMBERS[first : first + count]
            transport.next += count


class _FullSizes(dict[int, Any]):
    """Packet size → the lengths of a run in which all packets have it."""

    def __missing__(self, packet_size: int) -> Any:
        made = self[packet_size] = ffi.new("int[]", [packet_size] * RUN_PACKETS_LIMIT)
        return made


_full_sizes = _FullSizes()
