"""AAC access units to RTP payloads (RFC 3640 §3.3.6, mode AAC-hbr, one access unit a packet)."""

from __future__ import annotations

from camera_adapters.rtp.payload_parts import PayloadParts

_AU_HEADERS_LENGTH = (16).to_bytes(2, "big")
_SIZE_LIMIT = (1 << 13) - 1


def payloads(
    access_unit: bytes, parameter_sets: tuple[bytes, ...], limit: int
) -> list[PayloadParts]:
    """One payload, or fragments that all name the whole size (§3.2.3.1). Configuration is in SDP.

    Raises ValueError over 8191 bytes, which 13 bits cannot name.
    """
    size = len(access_unit)
    if size > _SIZE_LIMIT:
        raise ValueError(f"an AAC access unit of {size} bytes is over {_SIZE_LIMIT}")
    header = _AU_HEADERS_LENGTH + (size << 3).to_bytes(2, "big")
    step = limit - len(header)
    view = memoryview(access_unit)
    return [(header, view[start : start + step]) for start in range(0, size, step)]
