"""RTCP between us and a viewer: what it tells us, and the sender reports we tell it.

RFC 3550 §6, RFC 4585 (NACK, PLI), RFC 5104 (FIR), draft-alvestrand-rmcat-remb,
draft-holmer-rmcat-transport-wide-cc-extensions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from camera_adapters.rtp.rtcp import ReportBlock, pack_block, us_to_ntp

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK, _TRANSPORT_CC = 1, 15
_PLI, _FIR, _APPLICATION = 1, 4, 15

_HEADER = struct.Struct("!BBH")
_REPORT_BLOCK = struct.Struct("!IIIIII")
_NACK_ITEM = struct.Struct("!HH")
_SENDER_REPORT = struct.Struct("!BBHIQIII")

NACKED_LIMIT = 512
"""Packets asked for in one datagram beyond this are not answered: a keyframe is cheaper."""


class FeedbackError(Exception):
    """Not well-formed RTCP."""


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """One report block (RFC 3550 §6.4.1). ``fraction_lost`` of 1; jitter in RTP clock units.

    ``last_report`` and ``delay_since`` are 1/65536 s: the middle of our NTP time stamp, and the
    time it lay there.
    """

    ssrc: int
    fraction_lost: float
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay_since: int


@dataclass(slots=True)
class Feedback:
    """Everything one RTCP datagram says.

    ``nacked`` are (media SSRC, sequence number) pairs; ``keyframe_wanted`` the media SSRCs of PLI
    and FIR; ``transport_*`` count packets by transport-wide feedback.
    """

    reports: list[ReceptionReport] = field(default_factory=list)
    nacked: list[tuple[int, int]] = field(default_factory=list)
    keyframe_wanted: list[int] = field(default_factory=list)
    estimate_bps: int | None = None
    transport_received: int = 0
    transport_missing: int = 0


def parse_feedback(datagram: bytes) -> Feedback:
    """Read a compound or reduced-size RTCP packet (RFC 5506). Raises FeedbackError.

    Kinds that are not known are skipped.
    """
    feedback = Feedback()
    position = 0
    end = len(datagram)
    if end < 8:
        raise FeedbackError("too short")
    while position < end:
        if end - position < 4:
            raise FeedbackError("a packet without header")
        first, kind, words = _HEADER.unpack_from(datagram, position)
        size = 4 * (words + 1)
        if first >> 6 != 2 or position + size > end:
            raise FeedbackError("wrong version or length")
        body = datagram[position + 4 : position + size]
        if first & 0x20:
            padding = body[-1] if body else 0
            if not 0 < padding <= len(body):
                raise FeedbackError("wrong padding")
            body = body[: len(body) - padding]
        _packet(feedback, kind, first & 0x1F, body)
        position += size
    return feedback


def _packet(feedback: Feedback, kind: int, count: int, body: bytes) -> None:
    if kind in (_RR, _SR):
        start = 4 if kind == _RR else 24
        if len(body) < start + 24 * count:
            raise FeedbackError("a report shorter than its blocks")
        for index in range(count):
            feedback.reports.append(_report(body, start + 24 * index))
    elif kind in (_RTPFB, _PSFB):
        if len(body) < 8:
            raise FeedbackError("feedback without addressee")
        if kind == _RTPFB:
            _transport_feedback(feedback, count, body)
        else:
            _picture_feedback(feedback, count, body)


def _report(body: bytes, at: int) -> ReceptionReport:
    ssrc, lost, highest, jitter, last_report, delay = _REPORT_BLOCK.unpack_from(body, at)
    cumulative = lost & 0xFFFFFF
    if cumulative & 0x800000:  # signed: duplicates make it negative
        cumulative -= 0x1000000
    return ReceptionReport(
        ssrc, (lost >> 24) / 256, cumulative, highest, jitter, last_report, delay
    )


def _transport_feedback(feedback: Feedback, kind: int, body: bytes) -> None:
    media_ssrc = int.from_bytes(body[4:8], "big")
    if kind == _NACK:
        for at in range(8, len(body) - 3, 4):
            first, following = _NACK_ITEM.unpack_from(body, at)
            feedback.nacked.append((media_ssrc, first))
            for bit in range(16):
                if following >> bit & 1:
                    feedback.nacked.append((media_ssrc, (first + bit + 1) & 0xFFFF))
            if len(feedback.nacked) >= NACKED_LIMIT:
                del feedback.nacked[NACKED_LIMIT:]
                return
    elif kind == _TRANSPORT_CC:
        for received in _transport_statuses(body):
            if received:
                feedback.transport_received += 1
            else:
                feedback.transport_missing += 1


def _transport_statuses(body: bytes) -> Iterator[bool]:
    """Which packets arrived, in order (§3.1.3: run lengths and vectors of status symbols)."""
    if len(body) < 16:
        raise FeedbackError("transport feedback without status")
    left = int.from_bytes(body[10:12], "big")
    position = 16
    while left > 0:
        if position + 2 > len(body):
            raise FeedbackError("transport feedback ends early")
        chunk = int.from_bytes(body[position : position + 2], "big")
        position += 2
        if not chunk & 0x8000:
            symbols = [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols = [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols = [chunk >> shift & 1 for shift in range(13, -1, -1)]
        if not symbols:
            raise FeedbackError("an empty run of statuses")
        for symbol in symbols[:left]:
            yield symbol in (1, 2)
        left -= len(symbols)


def _picture_feedback(feedback: Feedback, kind: int, body: bytes) -> None:
    media_ssrc = int.from_bytes(body[4:8], "big")
    if kind == _PLI:
        feedback.keyframe_wanted.append(media_ssrc)
    elif kind == _FIR:
        # The addressee is in each item, not in the header (RFC 5104 §4.3.1.1).
        for at in range(8, len(body) - 7, 8):
            feedback.keyframe_wanted.append(int.from_bytes(body[at : at + 4], "big"))
    elif kind == _APPLICATION and body[8:12] == b"REMB" and len(body) >= 16:
        exponent = body[13] >> 2
        mantissa = (body[13] & 3) << 16 | body[14] << 8 | body[15]
        feedback.estimate_bps = mantissa << exponent


def sender_report(
    ssrc: int,
    wall_us: int,
    rtp_timestamp: int,
    packets_sent: int,
    octets_sent: int,
    canonical_name: bytes,
    block: ReportBlock | None = None,
) -> bytes:
    """SR and SDES (RFC 3550 §6.4.1, §6.5): ``rtp_timestamp`` is the media's time at ``wall_us``,
    ``block`` what is received of the other side.
    """
    received = b"" if block is None else pack_block(block)
    report = _SENDER_REPORT.pack(
        0x80 | (block is not None),
        _SR,
        6 + len(received) // 4,
        ssrc,
        us_to_ntp(wall_us),
        rtp_timestamp & 0xFFFFFFFF,
        packets_sent & 0xFFFFFFFF,
        octets_sent & 0xFFFFFFFF,
    )
    item = struct.pack("!IBB", ssrc, 1, len(canonical_name)) + canonical_name
    item += bytes(4 - len(item) % 4)
    return report + received + _HEADER.pack(0x81, _SDES, len(item) // 4) + item


def goodbye(ssrcs: list[int]) -> bytes:
    """An empty receiver report and BYE (RFC 3550 §6.6)."""
    listed = b"".join(ssrc.to_bytes(4, "big") for ssrc in ssrcs[:31])
    count = len(listed) // 4
    return (
        _HEADER.pack(0x80, _RR, 1) + listed[:4] + _HEADER.pack(0x80 | count, _BYE, count) + listed
    )


def nack(ssrc: int, media_ssrc: int, numbers: list[int]) -> bytes:
    """A request for packets by number (RFC 4585 §6.2.1), in rising order."""
    items = bytearray()
    index = 0
    while index < len(numbers):
        first, following = numbers[index], 0
        index += 1
        while index < len(numbers) and 1 <= (numbers[index] - first) & 0xFFFF <= 16:
            following |= 1 << ((numbers[index] - first) & 0xFFFF) - 1
            index += 1
        items += _NACK_ITEM.pack(first, following)
    head = _HEADER.pack(0x80 | _NACK, _RTPFB, 2 + len(items) // 4)
    return head + struct.pack("!II", ssrc, media_ssrc) + items


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """A wish for a keyframe (RFC 4585 §6.3.1)."""
    return _HEADER.pack(0x80 | _PLI, _PSFB, 2) + struct.pack("!II", ssrc, media_ssrc)


def receiver_estimate(ssrc: int, media_ssrcs: list[int], bits_per_second: int) -> bytes:
    """REMB: how much these sources together may send (draft-alvestrand-rmcat-remb-03 §2.2)."""
    exponent = max(0, bits_per_second.bit_length() - 18)
    value = exponent << 18 | bits_per_second >> exponent
    body = struct.pack("!II", ssrc, 0) + b"REMB"
    body += bytes((len(media_ssrcs),)) + value.to_bytes(3, "big")
    body += b"".join(one.to_bytes(4, "big") for one in media_ssrcs)
    return _HEADER.pack(0x80 | _APPLICATION, _PSFB, len(body) // 4) + body


def middle_of_ntp(wall_us: int) -> int:
    """The 32 bits that a reception report gives back as ``last_report``."""
    return us_to_ntp(wall_us) >> 16 & 0xFFFFFFFF


def round_trip_s(report: ReceptionReport, now_wall_us: int) -> float | None:
    """The path's round-trip time (RFC 3550 §6.4.1); None before our first report came through."""
    if report.last_report == 0:
        return None
    ticks = (middle_of_ntp(now_wall_us) - report.last_report - report.delay_since) & 0xFFFFFFFF
    # A clock set back between report and answer makes it wrap: say nothing rather than 18 hours.
    return ticks / 65536 if ticks < 60 * 65536 else None
