"""RTCP (RFC 3550 §6): what a receiver reads, and the reports that it sends."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203

_NTP_EPOCH_S = 2_208_988_800
_HEADER = struct.Struct(">BBH")
_SENDER = struct.Struct(">IQIII")
_BLOCK = struct.Struct(">IIIIII")
_PACKETS_LIMIT = 32


class RtcpError(ValueError):
    """The bytes are no compound RTCP packet (RFC 3550 §A.2)."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """Reception quality of one source (§6.4.1). ``lost`` may be negative: duplicates count.

    ``fraction_lost`` is in 1/256, ``jitter`` in RTP ticks, ``last_report`` and
    ``delay_since_last_report`` in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay_since_last_report: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Which wall-clock instant an RTP timestamp stands for (§6.4.1).

    ``ntp`` is the 64-bit NTP timestamp; :func:`ntp_to_us` reads it.
    """

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """A report of one who only receives (§6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Goodbye:
    """These sources have left (§6.6)."""

    ssrcs: tuple[int, ...]


RtcpPacket = SenderReport | ReceiverReport | Goodbye


def parse(data: bytes) -> list[RtcpPacket]:
    """The packets of a compound packet that this module knows; others are passed over.

    Cameras send reports without the description that §6.1 wants: accepted. Raises RtcpError when a
    length runs past the end, or the version is not 2.
    """
    return list(_packets(data))


def _packets(data: bytes) -> Iterator[RtcpPacket]:
    position = 0
    for _ in range(_PACKETS_LIMIT):
        if len(data) - position < 4:
            if position == 0:
                raise RtcpError("shorter than a header")
            return
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise RtcpError("wrong version, or a length that runs past the end")
        count = first & 31
        body = data[position + 4 : end]
        if first & 0x20 and body:
            body = body[: max(len(body) - body[-1], 0)]
        if kind == SENDER_REPORT and len(body) >= _SENDER.size:
            ssrc, ntp, timestamp, sent, octets = _SENDER.unpack_from(body)
            blocks = _blocks(body, _SENDER.size, count)
            yield SenderReport(ssrc, ntp, timestamp, sent, octets, blocks)
        elif kind == RECEIVER_REPORT and len(body) >= 4:
            yield ReceiverReport(int.from_bytes(body[:4], "big"), _blocks(body, 4, count))
        elif kind == GOODBYE:
            yield Goodbye(tuple(struct.unpack_from(f">{min(count, len(body) // 4)}I", body)))
        position = end


def _blocks(body: bytes, position: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for _ in range(count):
        if len(body) - position < _BLOCK.size:
            break
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, position)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
        position += _BLOCK.size
    return tuple(blocks)


def build_receiver_report(ssrc: int, blocks: list[ReportBlock], canonical_name: str) -> bytes:
    """A receiver report with the source description that §6.1 asks for. At most 31 blocks."""
    report = bytearray(_HEADER.pack(0x80 | len(blocks), RECEIVER_REPORT, 1 + 6 * len(blocks)))
    report += ssrc.to_bytes(4, "big")
    for block in blocks:
        report += pack_block(block)
    name = canonical_name.encode()[:255]
    item = bytes((1, len(name))) + name + b"\x00"
    item += b"\x00" * (-len(item) % 4)
    return bytes(
        report
        + _HEADER.pack(0x81, SOURCE_DESCRIPTION, 1 + len(item) // 4)
        + ssrc.to_bytes(4, "big")
        + item
    )


def pack_block(block: ReportBlock) -> bytes:
    """A report block as it stands in a sender's or a receiver's report (§6.4.1)."""
    lost = max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | lost,
        block.highest_sequence,
        block.jitter,
        block.last_report,
        block.delay_since_last_report,
    )


def ntp_to_us(ntp: int) -> int:
    """UTC microseconds since 1970 of a 64-bit NTP timestamp.

    Numbers below 2^63 belong to the era that begins in 2036 (RFC 4330 §3), as no camera's clock
    means a time before 1968; some send seconds since 1970 instead, which then looks absurd.
    """
    seconds = ntp >> 32
    if not seconds & 0x8000_0000:
        seconds += 1 << 32
    return (seconds - _NTP_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFF_FFFF) * 1_000_000 >> 32)


def us_to_ntp(wall_us: int) -> int:
    """The 64-bit NTP timestamp of an instant, the reverse of :func:`ntp_to_us`."""
    seconds, rest = divmod(wall_us, 1_000_000)
    return ((seconds + _NTP_EPOCH_S) & 0xFFFF_FFFF) << 32 | (rest << 32) // 1_000_000
