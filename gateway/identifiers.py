"""Opaque identifiers and the clock of rows."""

from __future__ import annotations

import base64
import secrets
import time

US_PER_S = 1_000_000


def new_id(prefix: str) -> str:
    """``prefix_`` and 16 base32 characters: 80 random bits, safe in URLs and file names."""
    return f"{prefix}_{base64.b32encode(secrets.token_bytes(10)).decode().lower()}"


def now_us() -> int:
    """UTC microseconds since 1970."""
    return time.time_ns() // 1000
