"""Viewers of one Stream who are all at the same picture: one pass makes and sends it for them all.

What differs from viewer to viewer lies in columns: headers are written by a handful of numpy
operations for all, libsrtp is called from one C loop, and one ``sendmmsg`` takes everything to the
kernel. So the interpreter's work is for each picture, not for each viewer.

Members go in step, so that counters are kept once: a member's own are what they were when it
joined, and are brought up to date when it leaves. Whoever is special for a moment (a loss to
repair, a keyframe wanted, no room in the socket) leaves, is served by itself, and joins again.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.ice_lite import Address
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import (
    HEADER_SIZE,
    SCRATCH_BYTES,
    SCRATCH_PACKETS_LIMIT,
    SEND_TIME_OFFSET,
    SEND_TIME_SIZE,
    TRANSPORT_SEQUENCE_OFFSET,
    PacketRun,
    Scratch,
)
from camera_adapters.webrtc.retransmission import RING_SIZE
from camera_adapters.webrtc.srtp import RTP_HEADER, WITH_BLOCK, protect_packet, send_time_of
from camera_adapters.webrtc.udp_mux import UDP_SEGMENT, UdpSocket
from camera_adapters.webrtc.wheel import BURST_BYTES

_log = structlog.get_logger(__name__)

MEMBERS_LIMIT = 32
"""A pass over a cohort is what the wheel cannot interrupt: at most this many full runs."""

_ROW_ALIGNMENT = 64

# struct iovec and struct mmsghdr, as the C compiler lays them out.
_PART = np.dtype([("base", np.uintp), ("size", np.uintp)], align=True)
_MESSAGE = np.dtype(
    [
        (
            "header",
            np.dtype(
                [
                    ("name", np.uintp),
                    ("name_size", np.uint32),
                    ("parts", np.uintp),
                    ("parts_count", np.uintp),
                    ("control", np.uintp),
                    ("control_size", np.uintp),
                    ("flags", np.int32),
                ],
                align=True,
            ),
        ),
        ("sent", np.uint32),
    ],
    align=True,
)
_CONTROL = struct.Struct("@nii H6x")
_CONTROL_SIZE = socket.CMSG_LEN(2)
_NAME_SIZE = 28
_INTERFACE_SCOPE = struct.Struct("=HHI16sI")
_ROWS = np.arange(MEMBERS_LIMIT, dtype=np.uintp)
_PACKETS = np.arange(64, dtype=np.uint32)

CohortKey = tuple[int, int, tuple[bool, ...], tuple[bool, ...], tuple[bool, ...]]
"""Members share socket, tag size, which tracks they get, whose packets are numbered throughout the
transport, and whose carry the time at which they leave."""


class Member(Protocol):
    """What a Cohort knows of a viewer. ``cohort`` and ``seat`` belong to the cohort."""

    cohort: Cohort | None
    seat: int
    outgoing: list[Outgoing | None]

    def on_unsent(self) -> None:
        """The socket took not all of a run: the member has just left, mid-picture."""

    def close(self, reason: str) -> None:
        """End it; leaves the cohort."""


class _TrackColumns:
    """What the members' RTP streams of one track differ in, one element a seat."""

    __slots__ = ("headers", "octets", "packets", "sequence_bases", "timestamp_bases")

    def __init__(self) -> None:
        self.headers = np.zeros(MEMBERS_LIMIT, f"V{HEADER_SIZE}")
        self.sequence_bases = np.zeros(MEMBERS_LIMIT, np.uint32)
        self.timestamp_bases = np.zeros(MEMBERS_LIMIT, np.uint32)
        # Sent by the cohort since it was made.
        self.packets = 0
        self.octets = 0


class _Joined:
    """A cohort's counters when a member joined: packets and octets of each track, transport-wide
    numbers, and runs in the history."""

    __slots__ = ("octets", "packets", "runs", "transport")

    def __init__(self, cohort: Cohort) -> None:
        self.packets = [one.packets for one in cohort._tracks]
        self.octets = [one.octets for one in cohort._tracks]
        self.transport = cohort._transport_packets
        self.runs = cohort._runs_sent


class Cohort:
    """Up to :data:`MEMBERS_LIMIT` viewers with one cursor in the log. It is Paced as a viewer is.

    ``cursor`` and ``run_index`` are the next run to send.
    """

    __slots__ = (
        "_addresses",
        "_control",
        "_handles",
        "_history",
        "_joined",
        "_log",
        "_messages",
        "_messages_at",
        "_names",
        "_newest",
        "_parts",
        "_port",
        "_runs_sent",
        "_scratch",
        "_tag_size",
        "_timed_tracks",
        "_tracks",
        "_transport_bases",
        "_transport_packets",
        "_transport_tracks",
        "cursor",
        "key",
        "members",
        "queued",
        "run_index",
    )

    def __init__(self, key: CohortKey, port: UdpSocket, log: BatchLog, scratch: Scratch) -> None:
        self.key = key
        self.queued = False
        self.members: list[Member] = []
        self.cursor = log.end
        self.run_index = 0
        self._port = port
        self._log = log
        self._scratch = scratch
        _, self._tag_size, _, self._transport_tracks, self._timed_tracks = key
        self._addresses: list[Address] = []
        self._handles: list[Any] = []
        self._joined: list[_Joined] = []
        self._tracks = (_TrackColumns(), _TrackColumns())
        self._newest = [-(1 << 62), -(1 << 62)]
        self._transport_bases = np.zeros(MEMBERS_LIMIT, np.uint32)
        self._transport_packets = 0
        self._runs_sent = 0
        # (run, packets sent before it, time stamp, when, transport-wide numbers before it or the
        # time that it carries)
        self._history: deque[tuple[PacketRun, int, int, float, int]] = deque(maxlen=RING_SIZE)
        self._control = bytearray(_CONTROL.size)
        self._names = np.zeros((MEMBERS_LIMIT, _NAME_SIZE), np.uint8)
        self._parts = np.zeros(MEMBERS_LIMIT, _PART)
        self._messages = np.zeros(MEMBERS_LIMIT, _MESSAGE)
        self._messages_at = self._messages.ctypes.data
        header = self._messages["header"]
        header["name"] = self._names.ctypes.data + _ROWS * _NAME_SIZE
        header["parts"] = self._parts.ctypes.data + _ROWS * _PART.itemsize
        header["parts_count"] = 1
        header["control"] = np.frombuffer(self._control, np.uint8).ctypes.data
        header["control_size"] = len(self._control)

    def has_room_at(self, cursor: int) -> bool:
        """Whether a viewer that has sent everything before ``cursor`` can join."""
        if not self.members:
            self.cursor = cursor
            self.run_index = 0
        at_cursor = self.cursor == cursor and self.run_index == 0
        return at_cursor and len(self.members) < MEMBERS_LIMIT

    def join(self, member: Member, address: Address) -> None:
        """Take in a viewer for which :meth:`has_room_at` was asked."""
        seat = len(self.members)
        member.cohort, member.seat = self, seat
        self.members.append(member)
        self._addresses.append(address)
        self._joined.append(_Joined(self))
        name = _socket_address(self._port.socket.family, address)
        self._names[seat, : len(name)] = np.frombuffer(name, np.uint8)
        self._messages["header"]["name_size"][seat] = len(name)
        for index, one in enumerate(member.outgoing):
            if one is None:
                continue
            rtp = one.rtp
            header = RTP_HEADER.pack(
                WITH_BLOCK, rtp.payload_type, 0, 0, rtp.ssrc, rtp.extension_block
            )
            columns = self._tracks[index]
            columns.headers[seat] = np.void(header)
            columns.sequence_bases[seat] = (rtp.next_sequence - columns.packets) & 0xFFFF
            columns.timestamp_bases[seat] = one.timestamp_base
            self._newest[index] = max(self._newest[index], one.newest)
            if rtp.transport_sequence is not None:
                number = rtp.transport_sequence.next - self._transport_packets
                self._transport_bases[seat] = number & 0xFFFF
            handle = rtp.srtp.handle
        self._handles.append(handle)

    def leave(self, member: Member) -> None:
        """Give a member its own counters and history back; its place is ``cursor``, ``run_index``.

        The last member takes over the seat.
        """
        seat = member.seat
        self._settle(member, self._joined[seat])
        member.cohort = None
        last = self.members.pop()
        lists: tuple[list[Any], ...] = (self._addresses, self._joined, self._handles)
        ends = [one.pop() for one in lists]
        if last is member:
            return
        self.members[seat] = last
        from_seat, last.seat = last.seat, seat
        for one, end in zip(lists, ends, strict=True):
            one[seat] = end
        self._names[seat] = self._names[from_seat]
        self._messages["header"]["name_size"][seat] = self._messages["header"]["name_size"][
            from_seat
        ]
        self._transport_bases[seat] = self._transport_bases[from_seat]
        for columns in self._tracks:
            columns.headers[seat] = columns.headers[from_seat]
            columns.sequence_bases[seat] = columns.sequence_bases[from_seat]
            columns.timestamp_bases[seat] = columns.timestamp_bases[from_seat]

    def sent_to(self, member: Member, track_index: int) -> tuple[int, int]:
        """Packets and payload octets of a track that a member was sent since it joined."""
        columns, joined = self._tracks[track_index], self._joined[member.seat]
        return (
            columns.packets - joined.packets[track_index],
            columns.octets - joined.octets[track_index],
        )

    def pump(self, now_s: float) -> bool:
        """Send up to one burst to every member; True when more is waiting (see Paced)."""
        if not self.members:
            return False
        try:
            return self._pump(now_s)
        except Exception:
            _log.exception("a cohort of viewers could not be sent to")
            for member in tuple(self.members):
                member.close("failed")
            return False

    def _pump(self, now_s: float) -> bool:
        log = self._log
        if self.cursor < log.first:
            # Behind by more than the log: only a keyframe helps, if there are pictures at all.
            self.run_index = 0
            if self.key[2][0] and not log.joinable:
                return False
            self.cursor = log.first
        room = BURST_BYTES
        while self.cursor < log.end and self.members:
            batch = log.batches[self.cursor - log.first]
            index = batch.track_index
            if self.key[2][index]:
                if self.run_index == 0:
                    self._newest[index] = max(batch.timestamp, self._newest[index] + 1)
                for run in batch.runs[self.run_index :]:
                    if room < run.size and room < BURST_BYTES:
                        return True
                    room -= run.size
                    self._send_run(index, run, now_s)
            self.run_index = 0
            self.cursor += 1
        return False

    def _send_run(self, index: int, run: PacketRun, now_s: float) -> None:
        """One run for all members; whom it could not be sent to leaves."""
        columns = self._tracks[index]
        timestamp = self._newest[index]
        count = len(self.members)
        row_size = -(-(run.size + run.count * self._tag_size) // _ROW_ALIGNMENT) * _ROW_ALIGNMENT
        rows_limit = min(SCRATCH_BYTES // row_size, SCRATCH_PACKETS_LIMIT // run.count)
        stride = run.packet_size + self._tag_size
        _CONTROL.pack_into(self._control, 0, _CONTROL_SIZE, socket.IPPROTO_UDP, UDP_SEGMENT, stride)
        unsent: list[Member] = []
        send_time = send_time_of(now_s)
        for first in range(0, count, rows_limit):
            rows = min(rows_limit, count - first)
            self._write_rows(columns, index, run, timestamp, send_time, first, rows, row_size)
            failed = self._protect_rows(run, first, rows, row_size)
            unsent += self._send_rows(run, first, rows, row_size, failed)
        if index == 0:
            wide = send_time if self._timed_tracks[index] else self._transport_packets
            self._history.append((run, columns.packets, timestamp, now_s, wide))
            self._runs_sent += 1
        columns.packets += run.count
        columns.octets += run.size - run.count * HEADER_SIZE
        if self._transport_tracks[index]:
            self._transport_packets += run.count
        self.run_index += 1
        for member in unsent:
            self.leave(member)
            member.on_unsent()

    def _write_rows(
        self,
        columns: _TrackColumns,
        index: int,
        run: PacketRun,
        timestamp: int,
        send_time: int,
        first: int,
        rows: int,
        row_size: int,
    ) -> None:
        memory = self._scratch.memory
        stride = run.packet_size + self._tag_size
        image = run.array(self._tag_size)
        shape, strides = (rows, run.count), (row_size, stride)
        seats = slice(first, first + rows)
        numbers = _PACKETS[: run.count]
        np.ndarray((rows, image.size), np.uint8, memory, 0, (row_size, 1))[:] = image
        headers: npt.NDArray[np.void] = np.ndarray(shape, f"V{HEADER_SIZE}", memory, 0, strides)
        headers[:] = columns.headers[seats, None]
        sequences = (columns.sequence_bases[seats] + (columns.packets & 0xFFFF))[:, None] + numbers
        np.ndarray(shape, ">u2", memory, 2, strides)[:] = sequences
        stamps = columns.timestamp_bases[seats] + np.uint32(timestamp & 0xFFFFFFFF)
        np.ndarray(shape, ">u4", memory, 4, strides)[:] = stamps[:, None]
        if run.ends_picture:
            last = (run.count - 1) * stride + 1
            np.ndarray((rows,), np.uint8, memory, last, (row_size,))[:] |= 0x80
        if self._transport_tracks[index]:
            bases = self._transport_bases[seats] + (self._transport_packets & 0xFFFF)
            wide = np.ndarray(shape, ">u2", memory, TRANSPORT_SEQUENCE_OFFSET, strides)
            wide[:] = bases[:, None] + numbers
        elif self._timed_tracks[index]:
            sent_at = np.frombuffer(send_time.to_bytes(SEND_TIME_SIZE, "big"), np.uint8)
            at = (*shape, SEND_TIME_SIZE), np.uint8, memory, SEND_TIME_OFFSET, (*strides, 1)
            np.ndarray(*at)[:] = sent_at

    def _protect_rows(self, run: PacketRun, first: int, rows: int, row_size: int) -> set[int]:
        """Encrypt in place; the seats for which libsrtp refused."""
        scratch = self._scratch
        count = run.count
        stride = run.packet_size + self._tag_size
        packets = rows * count
        sizes = scratch.size_array[:packets].reshape(rows, count)
        sizes[:] = run.packet_size
        sizes[:, -1] = run.last_size
        base = scratch.base
        addresses = [
            base + at
            for row in range(0, rows * row_size, row_size)
            for at in range(row, row + count * stride, stride)
        ]
        handles = self._handles[first : first + rows]
        each = handles if count == 1 else chain.from_iterable(map(repeat, handles, repeat(count)))
        refused = list(map(protect_packet, each, addresses, scratch.size_addresses))
        if not any(refused):
            return set()
        return {first + at // count for at, status in enumerate(refused) if status}

    def _send_rows(
        self, run: PacketRun, first: int, rows: int, row_size: int, failed: set[int]
    ) -> list[Member]:
        """Send what :meth:`_protect_rows` left; the members that did not get all of it."""
        port = self._port
        scratch = self._scratch
        size = run.size + run.count * self._tag_size
        stride = run.packet_size + self._tag_size
        end = first + rows
        self._parts["base"][first:end] = scratch.address + _ROWS[:rows] * row_size
        self._parts["size"][first:end] = size
        unsent = []
        seat = first
        together = port.offload and not failed
        while seat < end:
            if together:
                at = self._messages_at + seat * _MESSAGE.itemsize
                sent = port.send_messages(at, end - seat)
                if sent:
                    seat += sent
                    continue
            # By itself: that path knows what every error means, and counts it.
            at = (seat - first) * row_size
            packets = scratch.view[at : at + size]
            if seat in failed or not port.send_run(packets, stride, self._addresses[seat]):
                unsent.append(self.members[seat])
            seat += 1
        return unsent

    def _settle(self, member: Member, joined: _Joined) -> None:
        for index, one in enumerate(member.outgoing):
            if one is None:
                continue
            columns = self._tracks[index]
            rtp = one.rtp
            sequence_base = rtp.next_sequence - joined.packets[index]
            if columns.packets > joined.packets[index]:
                one.newest = self._newest[index]
            transport = rtp.transport_sequence
            if one.history is not None:
                transport_base = 0 if transport is None else transport.next - joined.transport
                new = min(self._runs_sent - joined.runs, len(self._history))
                for run, packets, timestamp, at_s, wide in tuple(self._history)[
                    len(self._history) - new :
                ]:
                    one.history.note(
                        run,
                        one.timestamp_base + timestamp,
                        at_s,
                        sequence_base + packets,
                        transport_base + wide,
                    )
            rtp.next_sequence = sequence_base + columns.packets
            rtp.packets_sent += columns.packets - joined.packets[index]
            rtp.octets_sent += columns.octets - joined.octets[index]
        for one in member.outgoing:
            # All streams of a peer share the counter.
            if one is not None and one.rtp.transport_sequence is not None:
                one.rtp.transport_sequence.next += self._transport_packets - joined.transport
                break


def key_of(outgoing: Sequence[Outgoing | None], port: UdpSocket) -> CohortKey:
    """Who can be in one cohort."""
    tag_size = next(one.rtp.srtp.tag_size for one in outgoing if one is not None)
    return (
        id(port),
        tag_size,
        tuple(one is not None for one in outgoing),
        tuple(one is not None and one.rtp.transport_sequence is not None for one in outgoing),
        tuple(one is not None and one.rtp.timed for one in outgoing),
    )


def _socket_address(family: int, address: Address) -> bytes:
    """``struct sockaddr_in`` or ``sockaddr_in6`` as Linux has them."""
    packed = socket.inet_pton(family, address[0].partition("%")[0])
    port = socket.htons(address[1])
    if family == socket.AF_INET:
        return struct.pack("=HH4s8x", family, port, packed)
    flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
    return _INTERFACE_SCOPE.pack(family, port, socket.htonl(flow), packed, scope)
