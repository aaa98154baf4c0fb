"""By what a sighting is known, and where its pictures lie: derived, so that telling it again finds
the same place.
"""

from __future__ import annotations

import datetime
import hashlib

STORE_PREFIX = "sightings/"


def own_key(platform_id: str, kind: str, own_id: str) -> bytes:
    """What tells one sighting from all others, 16 bytes."""
    return hashlib.sha256(f"{platform_id}\0{kind}\0{own_id}".encode()).digest()[:16]


def store_key(platform_id: str, at_us: int, key: bytes) -> str:
    """The object that holds its pictures, one after the other."""
    day = datetime.datetime.fromtimestamp(at_us / 1e6, datetime.UTC)
    return f"{STORE_PREFIX}{platform_id}/{day:%Y/%m/%d}/{key.hex()}.jpgs"
