"""H.265 access units to RTP payloads (RFC 7798, no DONL: sprop-max-don-diff is 0)."""

from __future__ import annotations

from camera_adapters.codecs.nal import iterate_nal_units
from camera_adapters.rtp.payload_parts import PayloadParts

_AGGREGATION = 48
_FRAGMENTATION = 49


def payloads(
    access_unit: bytes, parameter_sets: tuple[bytes, ...], limit: int
) -> list[PayloadParts]:
    """Split one access unit into payloads of at most ``limit`` bytes.

    ``parameter_sets`` go first, in one aggregation packet (RFC 7798 §4.4.2) where they fit
    together; NAL units over the limit become fragmentation units (§4.4.3).
    Raises CodecError when ``access_unit`` is not NAL units behind 4-byte lengths.
    """
    result: list[PayloadParts] = []
    if parameter_sets:
        aggregated = sum(2 + len(one) for one in parameter_sets) + 2
        if len(parameter_sets) > 1 and aggregated <= limit:
            body = b"".join(len(one).to_bytes(2, "big") + one for one in parameter_sets)
            result.append((bytes((_AGGREGATION << 1, 1)), body))
        else:
            for one in parameter_sets:
                _append(result, memoryview(one), limit)
    for nal_unit in iterate_nal_units(access_unit):
        _append(result, nal_unit, limit)
    return result


def _append(result: list[PayloadParts], nal_unit: memoryview, limit: int) -> None:
    size = len(nal_unit)
    if size <= limit:
        result.append((b"", nal_unit))
        return
    kind = nal_unit[0] >> 1 & 0x3F
    first, second = (nal_unit[0] & 0x81) | _FRAGMENTATION << 1, nal_unit[1]
    step = limit - 3
    last = size - step
    for start in range(2, size, step):
        flags = (0x80 if start == 2 else 0) | (0x40 if start >= last else 0)
        result.append((bytes((first, second, flags | kind)), nal_unit[start : start + step]))
