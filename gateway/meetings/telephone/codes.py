"""By which number a meeting is dialled, and its PIN: both of digits alone.

Neither is kept: they follow from the cluster's secret. The PIN follows from the meeting's link,
too: a new link is a new PIN, and without one nobody comes by telephone.
"""

from __future__ import annotations

import hashlib
import hmac

from gateway.secrets import derive_key

NUMBER_DIGITS = 8
PIN_DIGITS = 8


def meeting_number(secret: bytes, meeting_id: str) -> str:
    """What is dialled; never begins with 0, which some exchanges take for themselves."""
    digits = _digits(secret, f"number:{meeting_id}", NUMBER_DIGITS)
    return digits if digits[0] != "0" else f"9{digits[1:]}"


def meeting_pin(secret: bytes, meeting_id: str, kept_code_hash: str) -> str:
    """Of a meeting whose link is kept as this hash."""
    return _digits(secret, f"pin:{meeting_id}:{kept_code_hash}", PIN_DIGITS)


def is_pin(expected: str, given: str) -> bool:
    """In time that tells nothing."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _digits(secret: bytes, what: str, count: int) -> str:
    key = derive_key(secret, "meetings by telephone")
    made = int.from_bytes(hmac.new(key, what.encode(), hashlib.sha256).digest(), "big")
    return str(made % 10**count).zfill(count)
