"""What the payload formats give to the packetiser: payloads in two parts, joined only once."""

from __future__ import annotations

PayloadParts = tuple[bytes, bytes | memoryview]
"""A payload header and the media behind it, which may still be a view into the access unit."""
