"""Signing what is sent, as Standard Webhooks has it: HMAC-SHA256 over id, time and body.

The receiver learns that it comes from here, that nobody altered it, and by the time that it is not
an old one sent again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

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


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
