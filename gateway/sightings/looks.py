"""Why somebody searches, carried to the pages and pictures that follow: signed, theirs alone, for
this one search, for an hour. Pictures are fetched by a browser's ``<img>``, which can say nothing
by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from gateway.audit import ReasonGiven
from gateway.identifiers import US_PER_S, now_us
from gateway.secrets import derive_key

LASTS_US = 3600 * US_PER_S
LOOK_LIMIT = 4096


class LookSigner:
    """Signs and reads with one cluster's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "sighting looks")

    def sign(
        self,
        user_id: str,
        reason: ReasonGiven,
        asked: Mapping[str, Any],
        until_us: int | None = None,
    ) -> str:
        """Text for a URL. ``asked`` is what the search was for. ``until_us``: of the look that this
        one follows from, so that none renews itself; left out, it begins now.
        """
        content = [
            user_id,
            now_us() + LASTS_US if until_us is None else until_us,
            reason.code,
            reason.text,
            reason.case_id,
            _digest(asked),
        ]
        body = json.dumps(content, separators=(",", ":")).encode()
        mac = hmac.new(self._key, body, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac + body).decode()

    def read(
        self, text: str, user_id: str, asked: Mapping[str, Any] | None = None
    ) -> ReasonGiven | None:
        """The reason; None for what is not ours, not theirs, too old, or of another search than
        ``asked``, where that is given.
        """
        found = self.read_until(text, user_id, asked)
        return None if found is None else found[0]

    def read_until(
        self, text: str, user_id: str, asked: Mapping[str, Any] | None = None
    ) -> tuple[ReasonGiven, int] | None:
        """As :meth:`read`, and until when the look is good."""
        if len(text) > LOOK_LIMIT:
            return None
        try:
            raw = base64.urlsafe_b64decode(text)
        except (ValueError, binascii.Error):
            return None
        mac, body = raw[:32], raw[32:]
        if not hmac.compare_digest(mac, hmac.new(self._key, body, hashlib.sha256).digest()):
            return None
        content = json.loads(body)
        if len(content) != 6:  # Of an earlier version.
            return None
        owner, expires_us, code, words, case_id, search = content
        if owner != user_id or expires_us < now_us():
            return None
        if asked is not None and search != _digest(asked):
            return None
        return ReasonGiven(code, words, case_id), expires_us


def _digest(asked: Mapping[str, Any]) -> str:
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
