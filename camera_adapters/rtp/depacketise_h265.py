"""H.265 out of RTP (RFC 7798): single NAL units, aggregation packets, fragmentation units."""

from __future__ import annotations

from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.rtp.pictures import (
    NalCollector,
    NalPieces,
    NalRules,
    Picture,
    PictureDivider,
)

_AGGREGATION = 48
_FRAGMENTATION = 49
_SLICES = frozenset(range(32))
_PARAMETER_SETS = frozenset({32, 33, 34})


HEAD_BYTES = 3
"""Payload header and FU header: what :meth:`H265Depacketiser.fragmented_picture` wants apart."""


class H265Depacketiser:
    """Turns the payloads of one timestamp into pictures; as
    :class:`~camera_adapters.rtp.depacketise_h264.H264Depacketiser`.

    ``with_decoding_order``: sprop-max-don-diff is above 0, so that DONL fields are there (§4.4.1);
    they are passed over, as the packets come in decoding order all the same.
    """

    def __init__(self, *, with_decoding_order: bool = False) -> None:
        self.malformed = 0
        self.divider = PictureDivider(RULES)
        self._order_bytes = 2 if with_decoding_order else 0

    def fragmented_picture(self, heads: list[int], bodies: list[bytes]) -> Picture | None:
        """The common case at once: one slice in fragments; None when it is not just that.

        ``heads`` are payload header and FU header of each payload (§4.4.3), ``bodies`` the rest.
        Nine of ten packets come this way, so no step here is taken per packet in Python.
        """
        middle = len(heads) - 2
        start = heads[0] & 0xFFFF7F
        kind = start & 0x3F
        if (
            middle < 0
            or self.divider.before
            or self._order_bytes
            or start >> 17 & 0x3F != _FRAGMENTATION
            or kind >= 32
            or heads[0] != start | 0x80
            or heads[-1] != start | 0x40
            or heads.count(start) != middle
            or not bodies[0]
        ):
            return None
        length = sum(map(len, bodies)) + 2
        first = start >> 16 & 0x81 | kind << 1
        head = (length << 16 | first << 8 | start >> 8 & 0xFF).to_bytes(6, "big")
        return Picture(
            b"".join((head, *bodies)), 16 <= kind <= 23, [], False, bodies[0][0] & 0x80 == 0
        )

    def pictures(self, payloads: list[bytes], *, hole: bool, after_gap: bool) -> list[Picture]:
        """The pictures of one group; none while only parameter sets have come."""
        collector = NalCollector()
        for payload in payloads:
            self._collect(collector, payload)
        collector.finish()
        self.malformed += collector.malformed
        return self.divider.pictures(collector, payloads, hole=hole, after_gap=after_gap)

    def _collect(self, collector: NalCollector, payload: bytes) -> None:
        if len(payload) < 3:
            collector.malformed += 1
            return
        kind = payload[0] >> 1 & 0x3F
        if kind == _FRAGMENTATION:
            header = payload[2]
            if header & 0x80:
                first = bytes((payload[0] & 0x81 | (header & 0x3F) << 1, payload[1]))
                piece = payload[3 + self._order_bytes :]
                if header & 0x40:
                    collector.units.append([first, piece])
                else:
                    collector.start_fragmented(first, piece)
            elif header & 0x40:
                collector.end_fragmented(payload[3:])
            else:
                collector.continue_fragmented(payload[3:])
        elif kind == _AGGREGATION:
            self._collect_aggregate(collector, payload)
        elif kind < _AGGREGATION:
            if self._order_bytes:
                payload = payload[:2] + payload[2 + self._order_bytes :]
            if payload[:3] in (b"\x00\x00\x01", b"\x00\x00\x00"):
                collector.units += [[part] for part in split_annex_b(payload) if len(part) > 2]
            else:
                collector.units.append([payload])
        else:
            collector.malformed += 1

    def _collect_aggregate(self, collector: NalCollector, payload: bytes) -> None:
        position, end = 2 + self._order_bytes, len(payload)
        while position + 2 < end:
            start = position + 2
            position = start + (payload[position] << 8 | payload[position + 1])
            if position > end or position < start + 2:
                collector.torn = collector.torn or position > end
                collector.malformed += 1
                break
            collector.units.append([payload[start:position]])
            position += self._order_bytes // 2


def starts_picture(payload: bytes) -> bool:
    """Whether a packet's payload begins a picture's first slice."""
    if len(payload) < 4:
        return False
    kind = payload[0] >> 1 & 0x3F
    if kind == _FRAGMENTATION:
        return payload[2] & 0x80 != 0 and payload[2] & 0x3F < 32 and payload[3] & 0x80 != 0
    return kind < 32 and payload[2] & 0x80 != 0


def _is_of_keyframe(payload: bytes) -> bool:
    kind = payload[0] >> 1 & 0x3F if payload else 0
    if kind == _FRAGMENTATION and len(payload) > 2:
        kind = payload[2] & 0x3F
    return 16 <= kind <= 23


def _is_first_slice(unit: NalPieces) -> bool:
    """first_slice_segment_in_pic_flag, the bit behind the NAL unit header (H.265 §7.3.6.1)."""
    first = unit[0]
    byte = first[2] if len(first) > 2 else unit[1][0] if len(unit) > 1 and unit[1] else 0
    return byte & 0x80 != 0


def _is_keyframe(units: list[NalPieces], parameter_sets: list[bytes]) -> bool:
    kinds = (unit[0][0] >> 1 & 0x3F for unit in units)
    return 16 <= next(kind for kind in kinds if kind in _SLICES) <= 23


RULES = NalRules(
    kind_of=lambda first_byte: first_byte >> 1 & 0x3F,
    slices=_SLICES,
    parameter_sets=_PARAMETER_SETS,
    supplements=frozenset({39, 40}),
    may_hold_embedded=frozenset({32, 33, 34, 35, 39}),
    is_first_slice=_is_first_slice,
    is_keyframe=_is_keyframe,
    is_of_keyframe=_is_of_keyframe,
)
"""What H.265 says of NAL units."""
