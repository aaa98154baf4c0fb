"""Browsers that somebody has signed in with before: they count their own attempts.

So a name may be locked against guesses from everywhere without locking its owner out. The cookie
says only "this browser has signed in under that name"; it opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from gateway.secrets import derive_key

LIFETIME_S = 365 * 24 * 3600


def token_hash(token: str) -> str:
    """What is stored of a random token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_device(secret: bytes, name_key: str) -> str:
    """A cookie for a browser that has just signed in under that name."""
    device = secrets.token_hex(8)
    return f"{device}.{_mac(secret, device, name_key)}"


def device_of(secret: bytes, cookie: str | None, name_key: str) -> str | None:
    """The device of a cookie made for that name; None for any other."""
    device, dot, mac = (cookie or "").partition(".")
    known = _mac(secret, device, name_key)
    return device if dot and hmac.compare_digest(mac.encode(), known.encode()) else None


def _mac(secret: bytes, device: str, name_key: str) -> str:
    key = derive_key(secret, "known devices")
    return hmac.new(key, f"{device}:{name_key}".encode(), hashlib.sha256).hexdigest()
