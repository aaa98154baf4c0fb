"""Viewers sent to together get what each would have been sent alone, whoever comes and goes."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import Any

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from camera_adapters.webrtc import cohort as cohort_module
from camera_adapters.webrtc import srtp
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.cohort import MEMBERS_LIMIT, Cohort, key_of
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import (
    EXTENSION_BLOCK_SIZE,
    PAYLOAD_SIZE_LIMIT,
    PacketBatch,
    Scratch,
    runs_of_payloads,
)
from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.srtp import (
    SRTP_PROFILES,
    RtpStream,
    SrtpKeys,
    SrtpProfile,
    SrtpSession,
    TransportSequence,
)
from camera_adapters.webrtc.udp_mux import UdpSocket

SCRATCH = Scratch()


class Watcher:
    """A member with a socket of its own, and libsrtp as its receiver."""

    def __init__(self, stack: ExitStack, profile: SrtpProfile, first: int, *, wide: bool) -> None:
        self.cohort: Cohort | None = None
        self.seat = 0
        self.unsent = 0
        self.closed = ""
        self.socket = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        size = profile.key_size + profile.salt_size
        keys = SrtpKeys(profile, os.urandom(size), os.urandom(size))
        self.transport = TransportSequence() if wide else None
        block = b"\xbe\xde\x00\x03" + (b"\x51\0\0" if wide else b"") + b"\x40\x30"
        rtp = RtpStream(
            SrtpSession(keys),
            SCRATCH,
            ssrc=1000 + first,
            payload_type=96,
            first_sequence=first,
            extension_block=block.ljust(EXTENSION_BLOCK_SIZE, b"\0"),
            transport_sequence=self.transport,
        )
        self.video = Outgoing(rtp, SendHistory(rtp, None), 90000)
        self.outgoing: list[Outgoing | None] = [self.video, None]
        policy = Policy(keys.ours, Policy.SSRC_ANY_INBOUND, 0, profile.libsrtp_profile)
        policy.allow_repeat_tx = True
        self._receiver = Session(policy)

    def on_unsent(self) -> None:
        self.unsent += 1

    def close(self, reason: str) -> None:
        self.closed = reason
        if self.cohort is not None:
            self.cohort.leave(self)

    def received(self) -> list[tuple[bytes, RtpPacket]]:
        """Everything there is, as it came and decrypted."""
        found = []
        while True:
            try:
                datagram = self.socket.recv(2048)
            except BlockingIOError:
                return found
            plain = self._receiver.unprotect(datagram)
            found.append((datagram, RtpPacket.parse(plain, HeaderExtensionsMap())))


def batch_of(number: int, sizes: list[int], *, keyframe: bool = False) -> PacketBatch:
    payloads = [(bytes((number & 255,)), os.urandom(size - 1)) for size in sizes]
    return PacketBatch(0, number * 3600, keyframe, runs_of_payloads(payloads, marker=True))


def payloads_of(batch: PacketBatch) -> list[bytes]:
    return [bytes(run.payload(index)) for run in batch.runs for index in range(run.count)]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("come and go"), st.integers(0, 5)),
        st.tuples(
            st.just("send"),
            st.lists(st.sampled_from((1, 300, PAYLOAD_SIZE_LIMIT)), min_size=1, max_size=70),
        ),
    ),
    max_size=25,
)


@given(steps, st.sampled_from(SRTP_PROFILES), st.booleans(), st.integers(0, 32767))
@settings(max_examples=60, deadline=None)
def test_whoever_comes_and_goes_every_member_gets_its_own_consecutive_packets(
    steps: list[tuple[str, int | list[int]]], profile: SrtpProfile, wide: bool, first: int
) -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watchers = [
            Watcher(stack, profile, (first + 65530 * one) & 0x7FFF, wide=wide) for one in range(6)
        ]
        firsts = [one.video.rtp.next_sequence for one in watchers]
        expected: list[list[bytes]] = [[] for _ in watchers]
        stamps: list[list[int]] = [[] for _ in watchers]
        log = BatchLog(1 << 30)
        cohort = Cohort(key_of(watchers[0].outgoing, port), port, log, SCRATCH)
        now_s = 0.0
        for number, (kind, value) in enumerate(steps):
            if isinstance(value, int):
                watcher = watchers[value]
                if watcher.cohort is None:
                    assert cohort.has_room_at(log.end)
                    cohort.join(watcher, watcher.socket.getsockname())
                else:
                    cohort.leave(watcher)
                continue
            assert kind == "send"
            batch = batch_of(number, value, keyframe=number == 0)
            log.append(batch)
            if not cohort.members:
                continue
            for index, watcher in enumerate(watchers):
                if watcher.cohort is not None:
                    expected[index] += payloads_of(batch)
                    stamps[index] += [batch.timestamp] * batch.packet_count
            while cohort.pump(now_s):
                now_s += 0.001
        for watcher, first_sequence, payloads, times in zip(
            watchers, firsts, expected, stamps, strict=True
        ):
            if watcher.cohort is not None:
                packets, _ = cohort.sent_to(watcher, 0)
                packets += watcher.video.rtp.packets_sent
                cohort.leave(watcher)
                assert watcher.video.rtp.packets_sent == packets
            arrived = watcher.received()
            assert [packet.payload for _, packet in arrived] == payloads
            assert [packet.sequence_number for _, packet in arrived] == [
                (first_sequence + at) & 0xFFFF for at in range(len(payloads))
            ]
            assert {packet.ssrc for _, packet in arrived} <= {watcher.video.rtp.ssrc}
            base = watcher.video.timestamp_base
            assert [packet.timestamp for _, packet in arrived] == [
                (base + time) & 0xFFFFFFFF for time in times
            ]
            rtp = watcher.video.rtp
            assert rtp.next_sequence == first_sequence + len(payloads)
            assert (rtp.packets_sent, rtp.octets_sent) == (
                len(payloads),
                sum(map(len, payloads)),
            )
            if watcher.transport is not None:
                numbers = [int.from_bytes(datagram[17:19], "big") for datagram, _ in arrived]
                assert numbers == [(1 + at) & 0xFFFF for at in range(len(arrived))]
                assert watcher.transport.next == len(arrived) + 1
            for datagram, packet in arrived[-3:]:
                # What the cohort sent can be asked for again: the very same bytes.
                assert watcher.video.history is not None
                again = watcher.video.history.again(packet.sequence_number, now_s)
                assert again is not None
                assert bytes(again) == datagram


def test_one_to_whom_nothing_can_be_sent_leaves_and_the_others_get_everything() -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watchers = [Watcher(stack, SRTP_PROFILES[0], one, wide=False) for one in range(5)]
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watchers[0].outgoing, port), port, log, SCRATCH)
        for number, watcher in enumerate(watchers):
            host, udp_port = watcher.socket.getsockname()
            # Port 0 is no destination: the kernel refuses with EINVAL.
            cohort.join(watcher, (host, 0 if number == 2 else udp_port))
        batches = [batch_of(number, [700, 700, 90], keyframe=number == 0) for number in range(3)]
        for batch in batches:
            log.append(batch)
            cohort.pump(0.0)
        assert [one.unsent for one in watchers] == [0, 0, 1, 0, 0]
        assert watchers[2] not in cohort.members
        assert port.failed > 0
        whole = [payload for batch in batches for payload in payloads_of(batch)]
        for watcher in cohort.members:
            assert isinstance(watcher, Watcher)
            assert [packet.payload for _, packet in watcher.received()] == whole


def test_what_libsrtp_refuses_never_leaves_and_the_others_get_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watchers = [Watcher(stack, SRTP_PROFILES[0], one, wide=False) for one in range(4)]
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watchers[0].outgoing, port), port, log, SCRATCH)
        for watcher in watchers:
            cohort.join(watcher, watcher.socket.getsockname())
        exhausted = watchers[1].video.rtp.srtp.handle

        def protect(handle: Any, packet: Any, size: Any) -> int:
            return 15 if handle == exhausted else srtp.protect_packet(handle, packet, size)

        monkeypatch.setattr(cohort_module, "protect_packet", protect)
        batch = batch_of(1, [700, 700, 90], keyframe=True)
        log.append(batch)
        cohort.pump(0.0)
        assert [one.unsent for one in watchers] == [0, 1, 0, 0]
        assert [[packet.payload for _, packet in one.received()] for one in watchers] == [
            payloads_of(batch) if one is not watchers[1] else [] for one in watchers
        ]


def test_after_a_full_burst_the_rest_of_a_picture_waits_for_the_next_tick() -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watcher = Watcher(stack, SRTP_PROFILES[0], 7, wide=False)
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watcher.outgoing, port), port, log, SCRATCH)
        cohort.join(watcher, watcher.socket.getsockname())
        batch = batch_of(1, [PAYLOAD_SIZE_LIMIT] * 70, keyframe=True)
        first, second = batch.runs
        log.append(batch)
        assert cohort.pump(0.0)
        assert len(watcher.received()) == first.count
        assert not cohort.pump(0.004)
        assert len(watcher.received()) == second.count


def test_behind_the_log_a_cohort_goes_on_at_the_next_keyframe() -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watcher = Watcher(stack, SRTP_PROFILES[0], 7, wide=False)
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watcher.outgoing, port), port, log, SCRATCH)
        cohort.join(watcher, watcher.socket.getsockname())
        log.append(batch_of(1, [10], keyframe=True))
        log.append(batch_of(2, [10]))
        log.clear()
        assert not cohort.pump(0.0)
        log.append(batch_of(3, [10]))
        assert not cohort.pump(0.0)
        log.append(batch_of(4, [10], keyframe=True))
        assert not cohort.pump(0.0)
        arrived = [packet for _, packet in watcher.received()]
        assert [(one.payload[0], one.sequence_number) for one in arrived] == [(4, 7)]


def test_a_full_cohort_or_one_elsewhere_in_the_log_cannot_be_joined() -> None:
    with ExitStack() as stack:
        port = UdpSocket(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        watchers = [
            Watcher(stack, SRTP_PROFILES[0], one, wide=False) for one in range(MEMBERS_LIMIT)
        ]
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watchers[0].outgoing, port), port, log, SCRATCH)
        for watcher in watchers:
            assert cohort.has_room_at(0)
            cohort.join(watcher, watcher.socket.getsockname())
        assert not cohort.has_room_at(0)
        cohort.leave(watchers[3])
        assert cohort.has_room_at(0)
        log.append(batch_of(1, [10], keyframe=True))
        assert not cohort.has_room_at(log.end)
        cohort.pump(0.0)
        assert cohort.has_room_at(log.end)


def test_members_are_reached_over_ipv6() -> None:
    with ExitStack() as stack:
        bound = stack.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        port = UdpSocket(bound)
        watchers = [Watcher(stack, SRTP_PROFILES[0], one, wide=False) for one in range(3)]
        log = BatchLog(1 << 20)
        cohort = Cohort(key_of(watchers[0].outgoing, port), port, log, SCRATCH)
        for watcher in watchers:
            watcher.socket = stack.enter_context(
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            )
            watcher.socket.bind(("::1", 0))
            cohort.join(watcher, watcher.socket.getsockname())
        batch = batch_of(1, [700, 700, 90], keyframe=True)
        log.append(batch)
        cohort.pump(0.0)
        assert [one.unsent for one in watchers] == [0, 0, 0]
        for watcher in watchers:
            arrived = [packet.payload for _, packet in watcher.received()]
            assert arrived == payloads_of(batch)
