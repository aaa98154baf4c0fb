"""Opus packets to RTP payloads (RFC 7587 §4.2: exactly one Opus packet in each)."""

from __future__ import annotations

from camera_adapters.rtp.payload_parts import PayloadParts


def payloads(
    access_unit: bytes, parameter_sets: tuple[bytes, ...], limit: int
) -> list[PayloadParts]:
    """The packet as it is. Raises ValueError when it is over ``limit``: Opus has no fragments."""
    if len(access_unit) > limit:
        raise ValueError(f"an Opus packet of {len(access_unit)} bytes is over {limit}")
    return [(b"", access_unit)]
