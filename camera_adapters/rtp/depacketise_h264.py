"""H.264 out of RTP (RFC 6184): single NAL units, STAP-A, FU-A.

The interleaved modes (STAP-B, MTAP, FU-B) need packetization-mode=2, which no camera offers; their
packets are counted as malformed.
"""

from __future__ import annotations

from camera_adapters.codecs import CodecError
from camera_adapters.codecs.bits import BitReader
from camera_adapters.codecs.nal import split_annex_b
from camera_adapters.rtp.pictures import (
    NalCollector,
    NalPieces,
    NalRules,
    Picture,
    PictureDivider,
)

_STAP_A = 24
_FU_A = 28
_IDR = 5
_SPS = 7
_PPS = 8
_SLICES = frozenset({1, 2, 3, 4, 5})
_SINGLE_BYTES = [bytes((value,)) for value in range(256)]


HEAD_BYTES = 2
"""FU indicator and FU header: what :meth:`H264Depacketiser.fragmented_picture` wants apart."""


class H264Depacketiser:
    """Turns the payloads of one timestamp into pictures; ``divider`` says where one ends."""

    def __init__(self) -> None:
        self.malformed = 0
        self.divider = PictureDivider(RULES)

    def fragmented_picture(self, heads: list[int], bodies: list[bytes]) -> Picture | None:
        """The common case at once: one slice, in FU-A fragments or (the small pictures of meetings)
        as it is; None when it is not just that.

        ``heads`` are FU indicator and FU header of each payload (§5.8), ``bodies`` the rest.
        Nine of ten packets come this way, so no step here is taken per packet in Python.
        """
        middle = len(heads) - 2
        if middle == -1:
            return self._single_slice(heads[0], bodies[0])
        start = heads[0] & 0xFF7F
        kind = start & 0x1F
        if (
            middle < 0
            or self.divider.before
            or start & 0x1FE0 != 0x1C00
            or not 1 <= kind <= 5
            or heads[0] != start | 0x80
            or heads[-1] != start | 0x40
            or heads.count(start) != middle
            or not bodies[0]
        ):
            return None
        length = sum(map(len, bodies)) + 1
        head = (length << 8 | start >> 8 & 0xE0 | kind).to_bytes(5, "big")
        return Picture(b"".join((head, *bodies)), kind == _IDR, [], False, bodies[0][0] & 0x80 == 0)

    def _single_slice(self, head: int, body: bytes) -> Picture | None:
        kind = head >> 8 & 0x1F
        if self.divider.before or not 1 <= kind <= 5:
            return None
        payload = (len(body) + HEAD_BYTES << 16 | head).to_bytes(6, "big") + body
        return Picture(payload, kind == _IDR, [], False, head & 0x80 == 0)

    def pictures(self, payloads: list[bytes], *, hole: bool, after_gap: bool) -> list[Picture]:
        """The pictures of one group; none while only parameter sets have come."""
        collector = NalCollector()
        for payload in payloads:
            _collect(collector, payload)
        collector.finish()
        self.malformed += collector.malformed
        return self.divider.pictures(collector, payloads, hole=hole, after_gap=after_gap)


def starts_picture(payload: bytes) -> bool:
    """Whether a packet's payload begins a picture: its first slice, or what must precede it."""
    if len(payload) < 3:
        return False
    kind = payload[0] & 0x1F
    if kind == _FU_A:
        return payload[1] & 0x80 != 0 and 1 <= payload[1] & 0x1F <= 5 and payload[2] & 0x80 != 0
    return 1 <= kind <= 5 and payload[1] & 0x80 != 0


def _collect(collector: NalCollector, payload: bytes) -> None:
    if len(payload) < 2:
        collector.malformed += 1
        return
    indicator, header = payload[0], payload[1]
    kind = indicator & 0x1F
    if kind == _FU_A:
        if header & 0x80:
            first = _SINGLE_BYTES[indicator & 0xE0 | header & 0x1F]
            if header & 0x40:
                collector.units.append([first, payload[2:]])
            else:
                collector.start_fragmented(first, payload[2:])
        elif header & 0x40:
            collector.end_fragmented(payload[2:])
        else:
            collector.continue_fragmented(payload[2:])
    elif kind == _STAP_A:
        position, end = 1, len(payload)
        while position + 2 < end:
            start = position + 2
            position = start + (payload[position] << 8 | payload[position + 1])
            if position > end or position == start:
                collector.torn = collector.torn or position > end
                collector.malformed += 1
                break
            collector.units.append([payload[start:position]])
    elif 1 <= kind <= 23:
        collector.units.append([payload])
    elif kind == 0 and payload[:3] in (b"\x00\x00\x01", b"\x00\x00\x00"):
        collector.units += [[part] for part in split_annex_b(payload)]
    else:
        collector.malformed += 1


def _is_of_keyframe(payload: bytes) -> bool:
    kind = payload[0] & 0x1F if payload else 0
    if kind == _FU_A and len(payload) > 1:
        kind = payload[1] & 0x1F
    return kind == _IDR


def _is_first_slice(unit: NalPieces) -> bool:
    """first_mb_in_slice is 0: its Exp-Golomb code is the single bit 1 (H.264 §7.3.3)."""
    first = unit[0]
    byte = first[1] if len(first) > 1 else unit[1][0] if len(unit) > 1 and unit[1] else 0
    return byte & 0x80 != 0


def _is_keyframe(units: list[NalPieces], parameter_sets: list[bytes]) -> bool:
    """IDR; or in an open GOP an I picture with its SPS, where decoding may begin as well."""
    slices = [unit for unit in units if unit[0][0] & 0x1F in _SLICES]
    if any(unit[0][0] & 0x1F == _IDR for unit in slices):
        return True
    return any(one[0] & 0x1F == _SPS for one in parameter_sets) and _is_intra(slices[0])


def _is_intra(unit: NalPieces) -> bool:
    try:
        reader = BitReader(b"".join(unit[:2])[1:16])
        reader.unsigned()
        return reader.unsigned() % 5 == 2
    except CodecError:
        return False


RULES = NalRules(
    kind_of=lambda first_byte: first_byte & 0x1F,
    slices=_SLICES,
    parameter_sets=frozenset({_SPS, _PPS}),
    supplements=frozenset({6}),
    may_hold_embedded=frozenset({6, _SPS, _PPS, 9}),
    is_first_slice=_is_first_slice,
    is_keyframe=_is_keyframe,
    is_of_keyframe=_is_of_keyframe,
)
"""What H.264 says of NAL units."""
