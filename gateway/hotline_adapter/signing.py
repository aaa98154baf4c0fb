"""What the hotline and the adapter sign for each other: HMAC-SHA256 over everything that counts.

The signed text has a line each for the method, the path, the seconds since 1970, a word that is
used once, and the SHA-256 of the body. Platforms of hotlines differ in the order of such lines and
in the headers' names; this is the one place to change.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

TOLERATED_S = 300
"""Clocks differ, and a message waits for a moment; what is older is somebody sending it again."""

_ID = "x-app-id"
_TIMESTAMP = "x-timestamp"
_NONCE = "x-nonce"
_SIGNATURE = "x-signature"
_NONCE_LENGTHS = range(8, 101)


class SignatureRefused(Exception):
    """This is not from them, was altered, or is old. Says which."""


def signed_headers(
    app_id: str, secret: str, method: str, path: str, body: bytes, at_s: int, nonce: str
) -> dict[str, str]:
    """The headers that go with a request."""
    return {
        _ID: app_id,
        _TIMESTAMP: str(at_s),
        _NONCE: nonce,
        _SIGNATURE: _signature(secret, method, path, str(at_s), nonce, body),
    }


def verified_nonce(
    app_id: str,
    secret: str,
    method: str,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    now_s: float,
) -> str:
    """The word of a request that is theirs and fresh; whoever asks must see to it that it was not
    used before. Header names are lower case. Raises SignatureRefused.
    """
    if headers.get(_ID) != app_id:
        raise SignatureRefused("it does not come from the hotline that is configured here")
    sent = headers.get(_TIMESTAMP, "")
    if not (sent.isascii() and sent.isdecimal() and len(sent) < 12):
        raise SignatureRefused("it does not say when it was sent")
    nonce = headers.get(_NONCE, "")
    if len(nonce) not in _NONCE_LENGTHS:
        raise SignatureRefused("its nonce has 8 to 100 characters")
    right = _signature(secret, method, path, sent, nonce, body)
    if not hmac.compare_digest(right.encode(), headers.get(_SIGNATURE, "").encode()):
        raise SignatureRefused("it is not signed with the secret that is configured here")
    if abs(now_s - int(sent)) > TOLERATED_S:
        raise SignatureRefused("it is old, or the clocks differ by more than five minutes")
    return nonce


def _signature(secret: str, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    lines = (method, path, timestamp, nonce, hashlib.sha256(body).hexdigest())
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
