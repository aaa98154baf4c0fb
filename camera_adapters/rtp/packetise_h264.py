"""H.264 access units to RTP payloads (RFC 6184, packetization-mode 1)."""

from __future__ import annotations

from camera_adapters.codecs.nal import iterate_nal_units
from camera_adapters.rtp.payload_parts import PayloadParts

_STAP_A = 24
_FU_A = 28


def payloads(
    access_unit: bytes, parameter_sets: tuple[bytes, ...], limit: int
) -> list[PayloadParts]:
    """Split one access unit into payloads of at most ``limit`` bytes.

    ``parameter_sets`` go first, in one STAP-A (RFC 6184 §5.7.1) where they fit together; NAL units
    over the limit become FU-A fragments (§5.8), the others single NAL unit packets (§5.6).
    Raises CodecError when ``access_unit`` is not NAL units behind 4-byte lengths.
    """
    result: list[PayloadParts] = []
    if parameter_sets:
        aggregated = sum(2 + len(one) for one in parameter_sets) + 1
        if len(parameter_sets) > 1 and aggregated <= limit:
            importance = max(one[0] & 0x60 for one in parameter_sets)
            body = b"".join(len(one).to_bytes(2, "big") + one for one in parameter_sets)
            result.append((bytes((importance | _STAP_A,)), body))
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
    header = nal_unit[0]
    indicator, kind = (header & 0xE0) | _FU_A, header & 0x1F
    step = limit - 2
    last = size - step
    for start in range(1, size, step):
        flags = (0x80 if start == 1 else 0) | (0x40 if start >= last else 0)
        result.append((bytes((indicator, flags | kind)), nal_unit[start : start + step]))
