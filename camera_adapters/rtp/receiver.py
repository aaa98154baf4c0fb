"""One RTP source's packets, put in order and gathered by timestamp (RFC 3550 §5.1, §A.1).

The hot path of the gateway: :meth:`RtpReceiver.receive_interleaved` walks all packets of a read in
one call, with one ``unpack`` and one slice each; whatever is not the plain next packet goes the
careful way round, through :meth:`RtpReceiver.receive_packet`.

What comes out are *groups*: the payloads of one picture (or of one packet, for sound).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from camera_adapters.rtp.early_packets import REORDER_WAIT_US, EarlyPackets
from camera_adapters.rtp.group import Group, ReceptionCounters, joined_payloads
from camera_adapters.rtp.rtcp import ReportBlock

# A read's plain packet: "$", channel, length; then version to marker and payload type, sequence,
# timestamp, SSRC; and the first four bytes of the payload, whose first two or three are its head.
_INTERLEAVED = struct.Struct(">HHHHIII")
_INTERLEAVED_HEADER_BYTES = 16
_PACKET = struct.Struct(">HHII")

GROUP_OCTETS_LIMIT = 8 * 1024 * 1024
# Without marker bits and with a clock that stands still, this much is no one picture any more.
_STANDSTILL_OCTETS = 512 * 1024
# RFC 3550 §A.1: a larger leap is a restart of the sender, not a loss.
_MAX_DROPOUT = 3000


class RtpReceiver:
    """Takes one source's packets; hands each group to ``deliver``, which may be exchanged.

    ``by_packet`` makes every packet a group of its own (sound). ``reordering`` holds packets that
    came too early (UDP; see EarlyPackets), for at most ``reorder_wait_us``: the owner calls
    :meth:`expire` now and then. ``ends_on_marker`` may be turned off for a camera whose marker bits
    lie. ``head_bytes`` is how much of each payload is kept apart in :class:`Group`, at most 3.
    ``starts_picture`` tells from a payload whether a picture starts there; it is used when neither
    markers nor timestamps divide the pictures. ``framing`` is 4 for RTSP's frames and 2 for those
    of RFC 4571, whose length has nothing in front: see :meth:`receive_framed`. ``only_ssrc``, where
    it is set, is the only source that is taken; ``refused_ssrc`` is the newest that was not.
    ``jitter`` is that of arrivals, in RTP clock units (§6.4.1).
    """

    __slots__ = (
        "_after_gap",
        "_bodies",
        "_early",
        "_expected",
        "_extended",
        "_group_arrival_us",
        "_group_octets",
        "_head_bytes",
        "_heads",
        "_hole",
        "_last_report",
        "_last_report_us",
        "_last_transit",
        "_overlap",
        "_payload_type",
        "_plain",
        "_prefix",
        "_prefix_mask",
        "_probation",
        "_reported_lost",
        "_reported_packets",
        "_restarted",
        "_splits_by_content",
        "_started",
        "_ticks_per_us",
        "_timestamp",
        "_wraps",
        "by_packet",
        "counters",
        "deliver",
        "ends_on_marker",
        "jitter",
        "only_ssrc",
        "refused_ssrc",
        "reordering",
        "ssrc",
        "starts_picture",
    )

    def __init__(
        self,
        payload_type: int,
        clock_rate: int,
        deliver: Callable[[Group], None],
        *,
        by_packet: bool = False,
        reordering: bool = False,
        channel: int = 0,
        head_bytes: int = 0,
        starts_picture: Callable[[bytes], bool] | None = None,
        framing: int = 4,
        reorder_wait_us: int = REORDER_WAIT_US,
    ) -> None:
        self.counters = ReceptionCounters()
        self.by_packet = by_packet
        self.ends_on_marker = True
        self.reordering = reordering
        self.starts_picture = starts_picture
        self.ssrc = 0
        self.only_ssrc: int | None = None
        self.refused_ssrc: int | None = None
        self._payload_type = payload_type
        self._ticks_per_us = clock_rate / 1_000_000
        self.deliver = deliver
        # With frames of RFC 4571 the two bytes before a length are the end of the frame before.
        self._prefix_mask = 0xFFFF if framing == 4 else 0
        self._overlap = 4 - framing
        self._prefix = (0x2400 | channel) & self._prefix_mask
        self._plain = 0x8000 | payload_type
        self._started = False
        self._expected = 0
        self._wraps = 0
        self._timestamp = -1
        self._extended = -1
        self._head_bytes = head_bytes
        self._heads: list[int] = []
        self._bodies: list[bytes] = []
        self._group_octets = 0
        self._group_arrival_us = 0
        self._hole = False
        self._after_gap = False
        self._restarted = True
        self._splits_by_content = False
        self._probation = -1
        self._early = EarlyPackets(reorder_wait_us)
        self.jitter = 0.0
        self._last_transit: float | None = None
        self._last_report = 0
        self._last_report_us = 0
        self._reported_lost = 0
        self._reported_packets = 0

    def receive_interleaved(self, data: bytes, position: int, end: int, arrival_us: int) -> int:
        """Take this channel's packets from ``position`` on; returns where it stopped.

        It stops at another channel's frame, at what is no frame, at an incomplete frame, and at one
        too short to be RTP; all these are the caller's.
        """
        unpack = _INTERLEAVED.unpack_from
        prefix, plain, ssrc = self._prefix, self._plain, self.ssrc
        prefix_mask, overlap = self._prefix_mask, self._overlap
        heads, bodies = self._heads, self._bodies
        expected, current = self._expected, self._timestamp
        body_offset = _INTERLEAVED_HEADER_BYTES + self._head_bytes
        head_shift = 32 - 8 * self._head_bytes
        if not bodies:
            self._group_arrival_us = arrival_us
        start, packets = position, 0
        last_start = end - _INTERLEAVED.size
        careful = self._is_careful()
        # A mask that no head can meet where marker bits are not believed.
        ending = 0x80 if self.ends_on_marker else 0x8000
        while position <= last_start:
            magic, length, first, sequence, timestamp, source, head = unpack(data, position)
            if magic & prefix_mask != prefix or length < 12:
                break
            following = position + 4 + length
            if following > end:
                break
            if (
                sequence != expected
                or careful
                or first & 0xFF7F != plain
                or source != ssrc
                or length < 16
                or (timestamp != current and bodies)
            ):
                self._leave_loop(expected, current, packets, position - start)
                start, packets = following - overlap, 0
                self.receive_packet(data, position + 4, following, arrival_us)
                ssrc, plain, heads, bodies = self.ssrc, self._plain, self._heads, self._bodies
                expected, current = self._expected, self._timestamp
                careful = self._is_careful()
                ending = 0x80 if self.ends_on_marker else 0x8000
                position = following - overlap
                continue
            current = timestamp
            expected = (sequence + 1) & 0xFFFF
            heads.append(head >> head_shift)
            bodies.append(data[position + body_offset : following])
            packets += 1
            position = following - overlap
            if first & ending == 0x80:
                self._leave_loop(expected, current, packets, position - start)
                start, packets = position, 0
                self._finish_group(True, arrival_us)
                heads, bodies = self._heads, self._bodies
                ending = 0x80 if self.ends_on_marker else 0x8000
        if packets:
            self._leave_loop(expected, current, packets, position - start)
            if self._group_octets > _STANDSTILL_OCTETS:
                self._bound_group()
        if last_start < position <= end - _INTERLEAVED_HEADER_BYTES:
            return self._receive_short(data, position, end, arrival_us)
        return position

    def receive_batch(self, data: bytes, arrival_us: int) -> None:
        """Take datagrams, each behind a frame's head as in TCP, with channel 0.

        Unlike there, what is no RTP is a bad datagram, and the next is where it should be.
        """
        position, end = 0, len(data)
        while True:
            position = self.receive_interleaved(data, position, end, arrival_us)
            if position >= end:
                return
            start = position + 4
            position = start + (data[position + 2] << 8 | data[position + 3])
            self.receive_packet(data, start, position, arrival_us)

    def receive_framed(self, data: bytes, arrival_us: int) -> int:
        """Take RFC 4571's frames (``framing`` 2); gives where the first incomplete one begins.

        ``data`` begins with two bytes of anything, and so must what is kept for the next call:
        the result points there, two bytes before the frame.
        """
        position, end = 0, len(data)
        while True:
            position = self.receive_interleaved(data, position, end, arrival_us)
            start = position + 4
            if start > end:
                return position
            following = start + (data[position + 2] << 8 | data[position + 3])
            if following > end:
                return position
            # Too short to be RTP: counted, and the next frame is where it should be.
            self.receive_packet(data, start, following, arrival_us)
            position = following - 2

    def _receive_short(self, data: bytes, position: int, end: int, arrival_us: int) -> int:
        """The last packet of a read, where it is too short for the loop."""
        magic = data[position] << 8 | data[position + 1]
        if magic & self._prefix_mask != self._prefix:
            return position
        following = position + 4 + (data[position + 2] << 8 | data[position + 3])
        if following > end or following < position + _INTERLEAVED_HEADER_BYTES:
            return position
        self.receive_packet(data, position + 4, following, arrival_us)
        return following - self._overlap

    def receive_packet(self, data: bytes, start: int, end: int, arrival_us: int) -> None:
        """Take one packet, ``data[start:end]``, whatever it is."""
        self._receive(data, start, end, arrival_us)
        if self._early:
            self._take_early(arrival_us)

    def _receive(self, data: bytes, start: int, end: int, arrival_us: int) -> None:
        if end - start < 12:
            self.counters.malformed += 1
            return
        head, sequence, timestamp, ssrc = _PACKET.unpack_from(data, start)
        payload_start, payload_end = start + 12 + 4 * (head >> 8 & 15), end
        if head & 0x1000 and payload_start + 4 <= end:
            words = int.from_bytes(data[payload_start + 2 : payload_start + 4], "big")
            payload_start += 4 + 4 * words
        if head & 0x2000:
            payload_end -= data[end - 1]
        if head >> 14 != 2 or payload_start > payload_end:
            self.counters.malformed += 1
            return
        payload_type = head & 0x7F
        if payload_type != self._payload_type and not self._adopt_payload_type(payload_type):
            self.counters.foreign += 1
            return
        if (not self._started or ssrc != self.ssrc) and not self._adopt_source(ssrc, sequence):
            self.counters.foreign += 1
            return
        payload = data[payload_start:payload_end]
        self._count(1, end - start + 4)
        ahead = (sequence - self._expected) & 0xFFFF
        if ahead == 0:
            self._probation = -1
            self._take(payload, sequence, timestamp, head & 0x80 != 0, arrival_us)
            return
        if ahead >= 0x8000 and 0x10000 - ahead <= _MAX_DROPOUT:
            self.counters.duplicates += 1
            return
        if ahead > _MAX_DROPOUT:
            if sequence != self._probation:
                self._probation = (sequence + 1) & 0xFFFF
                return
            self._restart(ssrc, sequence)
        elif self.reordering:
            self._hold(data[start:end], sequence, arrival_us)
            return
        else:
            self._lose(ahead)
        self._take(payload, sequence, timestamp, head & 0x80 != 0, arrival_us)

    def expire(self, now_us: int) -> None:
        """Give up waiting for packets that are too late, and count them as lost."""
        while self._early.is_overdue(now_us):
            self._skip_to_early(now_us)

    def wait_for(self, reorder_wait_us: int) -> None:
        """Another ``reorder_wait_us``, from now on."""
        self._early.wait_us = reorder_wait_us

    def missing(self) -> list[int]:
        """The numbers of packets that are waited for, in rising order."""
        return self._early.missing_from(self._expected) if self._early else []

    def note_sender_report(self, ntp: int, now_us: int) -> None:
        """Remember when the last sender report came, for :meth:`report_block`."""
        self._last_report = ntp >> 16 & 0xFFFF_FFFF
        self._last_report_us = now_us

    def unwrap(self, timestamp: int) -> int | None:
        """A 32-bit timestamp near the newest group, unwrapped; None before the first group."""
        if self._extended < 0:
            return None
        return self._extended + _signed_32(timestamp - self._extended)

    def report_block(self, now_us: int) -> ReportBlock | None:
        """The report since the last call (RFC 3550 §6.4.1, §A.3); None before the first packet."""
        if not self._started:
            return None
        counters = self.counters
        lost = counters.lost - self._reported_lost
        expected = counters.packets - self._reported_packets + lost
        self._reported_lost, self._reported_packets = counters.lost, counters.packets
        delay = 0
        if self._last_report:
            delay = min((now_us - self._last_report_us) * 65536 // 1_000_000, 0xFFFF_FFFF)
        return ReportBlock(
            self.ssrc,
            min(255, lost * 256 // expected) if expected > 0 else 0,
            counters.lost,
            ((self._wraps << 16) + self._expected - 1) & 0xFFFF_FFFF,
            min(int(self.jitter), 0xFFFF_FFFF),
            self._last_report,
            max(delay, 0),
        )

    def _is_careful(self) -> bool:
        """Whether every packet must go through :meth:`receive_packet`, in order or not."""
        return not self._started or self.by_packet or self._splits_by_content or bool(self._early)

    def _leave_loop(self, expected: int, timestamp: int, packets: int, octets: int) -> None:
        """Store what the loop over plain packets kept in local variables."""
        if expected < self._expected:
            self._wraps += 1
        self._expected = expected
        self._timestamp = timestamp
        self._count(packets, octets)

    def _count(self, packets: int, octets: int) -> None:
        self.counters.packets += packets
        self.counters.octets += octets
        self._group_octets += octets

    def _adopt_payload_type(self, payload_type: int) -> bool:
        """Cameras that use another number than they announced are taken at their first packet."""
        if self._started or 64 <= payload_type <= 95:
            return False
        self._payload_type = payload_type
        self._plain = 0x8000 | payload_type
        return True

    def _adopt_source(self, ssrc: int, sequence: int) -> bool:
        """The first source is ours; another one replaces it after two packets in a row."""
        if self.only_ssrc is not None and ssrc != self.only_ssrc:
            self.refused_ssrc = ssrc
            return False
        if self._started:
            if self._probation != sequence:
                self._probation = (sequence + 1) & 0xFFFF
                return False
            self._restart(ssrc, sequence)
        self._started = True
        self.ssrc = ssrc
        self._expected = sequence
        return True

    def _restart(self, ssrc: int, sequence: int) -> None:
        if self._bodies:
            self._hole = True
            self._finish_group(False, self._group_arrival_us)
        self.ssrc = ssrc
        self._expected = sequence
        self._probation = -1
        self._early.clear()
        self._after_gap = True
        self._restarted = True
        self._last_report = 0
        self._last_transit = None

    def _lose(self, count: int) -> None:
        self.counters.lost += count
        if self._bodies:
            self._hole = True
        self._after_gap = True

    def _take(
        self, payload: bytes, sequence: int, timestamp: int, marker: bool, arrival_us: int
    ) -> None:
        """Add the packet that is next in order."""
        if sequence == 0xFFFF:
            self._wraps += 1
        self._expected = (sequence + 1) & 0xFFFF
        if self._bodies and (
            timestamp != self._timestamp
            or (self._splits_by_content and self.starts_picture and self.starts_picture(payload))
        ):
            gap_behind = self._after_gap and self._hole
            self._finish_group(False, arrival_us)
            # The gap that tore the old group may have swallowed the new one's beginning.
            self._after_gap = self._after_gap or gap_behind
        if not self._bodies:
            self._group_arrival_us = arrival_us
        self._timestamp = timestamp
        head_bytes = self._head_bytes
        if len(payload) < head_bytes:
            self.counters.malformed += 1
            if not self._bodies:
                return
        else:
            self._heads.append(int.from_bytes(payload[:head_bytes], "big"))
            self._bodies.append(payload[head_bytes:])
        if self.by_packet or (marker and self.ends_on_marker):
            self._finish_group(marker, arrival_us)
        elif self._group_octets > _STANDSTILL_OCTETS:
            self._bound_group()

    def _finish_group(self, marker: bool, arrival_us: int) -> None:
        timestamp = self._timestamp
        if self._extended < 0 or self._restarted:
            extended = timestamp + (1 << 32)
        else:
            extended = self._extended + _signed_32(timestamp - self._extended)
            transit = arrival_us * self._ticks_per_us - extended
            if self._last_transit is not None:
                self.jitter += (abs(transit - self._last_transit) - self.jitter) / 16
            self._last_transit = transit
        self._extended = extended
        group = Group(
            self._head_bytes,
            self._heads,
            self._bodies,
            extended,
            marker,
            self._hole,
            self._after_gap,
            self._restarted,
            self._group_arrival_us,
        )
        self._heads = []
        self._bodies = []
        self._group_octets = 0
        self._group_arrival_us = arrival_us
        self._hole = self._after_gap = self._restarted = False
        self.deliver(group)

    def _bound_group(self) -> None:
        """Keep a picture that never ends from growing for ever."""
        if self._group_octets > GROUP_OCTETS_LIMIT:
            self._heads.clear()
            self._bodies.clear()
            self._group_octets = 0
            self._hole = True
        elif self.starts_picture is not None and len(self._bodies) > 1:
            payloads = joined_payloads(self._head_bytes, self._heads, self._bodies)
            if sum(map(self.starts_picture, payloads)) > 2:
                self._splits_by_content = True

    def _hold(self, packet: bytes, sequence: int, arrival_us: int) -> None:
        if not self._early.hold(sequence, packet, arrival_us):
            self.counters.duplicates += 1
        elif self._early.is_full:
            self._skip_to_early(arrival_us)
        else:
            self.expire(arrival_us)

    def _skip_to_early(self, now_us: int) -> None:
        ahead = self._early.missing_before(self._expected)
        if ahead:
            self._lose(ahead)
            self._expected = (self._expected + ahead) & 0xFFFF
        self._take_early(now_us)

    def _take_early(self, arrival_us: int) -> None:
        while (packet := self._early.pop(self._expected)) is not None:
            self.counters.reordered += 1
            # Counted when it came; the way round again must not count it twice.
            self.counters.packets -= 1
            self.counters.octets -= len(packet) + 4
            self._receive(packet, 0, len(packet), arrival_us)


def _signed_32(difference: int) -> int:
    difference &= 0xFFFF_FFFF
    return difference - (1 << 32) if difference & 0x8000_0000 else difference
