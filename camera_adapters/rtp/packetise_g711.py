"""G.711 samples to RTP payloads (RFC 3551 §4.5.14)."""

from __future__ import annotations

from camera_adapters.rtp.payload_parts import PayloadParts


def payloads(
    access_unit: bytes, parameter_sets: tuple[bytes, ...], limit: int
) -> list[PayloadParts]:
    """The samples, one byte each, in one payload; more than ``limit`` in several."""
    view = memoryview(access_unit)
    return [(b"", view[start : start + limit]) for start in range(0, len(view), limit)]
