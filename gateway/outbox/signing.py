"""Signing what is sent, as Standard Webhooks has it: HMAC-SHA256 over id, time and body.

The receiver learns that it comes from here, that nobody altered it, and by the time that it is not
an old one sent again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence

TOLERATED_S = 300

_PREFIX = "whsec_"
_KEY_BYTES = 32


def new_secret() -> str:
    """A secret for a channel, as text for the receiver."""
    return _PREFIX + base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def signed_headers(
    secrets: Sequence[str], message_id: str, at_s: int, body: bytes
) -> dict[str, str]:
    """The headers that go with ``body``; with several secrets, any of them proves it."""
    content = f"{message_id}.{at_s}.".encode() + body
    signatures = [f"v1,{_signature(one, content)}" for one in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }


def verified_id(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float
) -> str:
    """The id of a message that comes from who has one of the secrets, as it was sent, and now; that
    it came before, whoever asks must find out. Header names are lower case. Raises ValueError.
    """
    sent = headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdecimal() and len(sent) < 12):
        raise ValueError("it does not say when it was sent")
    if abs(now_s - int(sent)) > TOLERATED_S:
        raise ValueError("it is old, or the clocks differ by more than five minutes")
    message_id = headers.get("webhook-id", "")
    content = f"{message_id}.{sent}.".encode() + body
    given = headers.get("webhook-signature", "").split(" ")
    good = [f"v1,{_signature(one, content)}".encode() for one in secrets]
    if not any(hmac.compare_digest(one, other.encode()) for one in good for other in given):
        raise ValueError("it is not signed with this secret")
    return message_id


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
