"""Digest authentication as HTTP and SIP have it (RFC 7616, RFC 2617): the server's half.

Nonces are stateless: a nonce carries its own time and is signed, so that a flood of requests costs
no memory and a restart of the process forgets nobody. What is remembered is only how far each nonce
that was *rightly* answered has been counted, so that an answer that was overheard cannot be sent
again; that memory is bounded. The client's half is
:class:`camera_adapters.http_authentication.Credentials`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from camera_adapters.http_authentication import digest_response, parse_parameters

Verdict = Literal["accepted", "missing", "malformed", "wrong", "stale", "replayed"]

HEADER_LIMIT = 4096
_NONCE = struct.Struct(">Q8s16s")
_COUNT_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Verification:
    """What an Authorization header proved. ``username`` is what it claims, proven or not."""

    verdict: Verdict
    username: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it proved to know the password, now, for this request."""
        return self.verdict == "accepted"


class DigestServer:
    """Challenges, and checks what comes back. Knows no clock: ``now_s`` is passed in (UTC).

    ``key`` signs the nonces: processes with one key accept each other's. A nonce is good for
    ``lifetime_s``; then the challenge says ``stale``, and a client answers anew without asking its
    user (RFC 7616 §3.3). ``algorithms`` are offered in this order.
    """

    def __init__(
        self,
        realm: str,
        key: bytes,
        *,
        lifetime_s: float = 300.0,
        algorithms: Sequence[str] = ("MD5",),
        remembered: int = 20_000,
    ) -> None:
        self.realm = realm
        self._key = key
        self._lifetime_us = round(lifetime_s * 1e6)
        self._algorithms = tuple(algorithms)
        self._remembered = remembered
        # nonce → the highest count that was accepted; -1 where the client does not count.
        self._used: OrderedDict[str, int] = OrderedDict()
        # Nonces made until then may have been forgotten, and are good for nothing any more.
        self._forgotten_us = 0

    def challenges(self, now_s: float, *, stale: bool = False) -> list[str]:
        """Values for WWW-Authenticate, one header each."""
        nonce = self._nonce(round(now_s * 1e6))
        tail = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self.realm}", qop="auth", nonce="{nonce}", algorithm={name}{tail}'
            for name in self._algorithms
        ]

    def verify(
        self,
        authorization: str | None,
        method: str,
        uri: str,
        password_of: Callable[[str], str | None],
        now_s: float,
    ) -> Verification:
        """Check a request's Authorization header. ``uri`` is the request's target; the header must
        speak of the same one (RFC 7616 §3.4.6). ``password_of`` gives None for an unknown user.
        """
        if not authorization:
            return Verification("missing")
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest" or len(authorization) > HEADER_LIMIT or not _is_text(rest):
            return Verification("malformed")
        given = parse_parameters(rest)
        username, nonce = given.get("username", ""), given.get("nonce", "")
        algorithm = given.get("algorithm", "MD5").upper()
        qop = given.get("qop", "").lower()
        if algorithm not in self._algorithms or qop not in ("", "auth"):
            return Verification("malformed", username)
        count = _count(given.get("nc", "")) if qop else 0
        if count is None or not _same_target(given.get("uri", ""), uri):
            return Verification("malformed", username)
        made_us = self._made_us(nonce)
        # An unknown user costs as long as a known one.
        password = password_of(username)
        expected = digest_response(
            algorithm,
            username,
            self.realm,
            password if password is not None else "\0",
            method,
            given.get("uri", ""),
            nonce,
            (given.get("nc", ""), given.get("cnonce", "")) if qop else None,
        )
        answer = given.get("response", "").lower().encode("utf-8", "replace")
        proven = hmac.compare_digest(expected.encode(), answer)
        if password is None or not proven:
            return Verification("wrong", username)
        now_us = round(now_s * 1e6)
        if made_us is None or abs(now_us - made_us) >= self._lifetime_us:
            return Verification("stale", username)
        if made_us <= self._forgotten_us and nonce not in self._used:
            return Verification("stale", username)
        if not self._count_on(nonce, count if qop else -1):
            return Verification("replayed", username)
        return Verification("accepted", username)

    def _nonce(self, at_us: int) -> str:
        salt = os.urandom(8)
        return base64.urlsafe_b64encode(_NONCE.pack(at_us, salt, self._mac(at_us, salt))).decode()

    def _made_us(self, nonce: str) -> int | None:
        """When we made it; None when we did not."""
        try:
            at_us, salt, mac = _NONCE.unpack(base64.urlsafe_b64decode(nonce))
        except (ValueError, binascii.Error, struct.error):
            return None
        return at_us if hmac.compare_digest(mac, self._mac(at_us, salt)) else None

    def _mac(self, at_us: int, salt: bytes) -> bytes:
        message = struct.pack(">Q", at_us) + salt + self.realm.encode()
        return hmac.new(self._key, message, hashlib.sha256).digest()[:16]

    def _count_on(self, nonce: str, count: int) -> bool:
        """Whether this is a further use of the nonce; one that does not count has a single use."""
        before = self._used.get(nonce)
        if before is not None and (count < 0 or count <= before):
            return False
        self._used[nonce] = count
        self._used.move_to_end(nonce)
        while len(self._used) > self._remembered:
            forgotten, _ = self._used.popitem(last=False)
            self._forgotten_us = max(self._forgotten_us, self._made_us(forgotten) or 0)
        return True


def _is_text(text: str) -> bool:
    """Header bytes that were no UTF-8 come as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _count(text: str) -> int | None:
    try:
        count = int(text, 16)
    except ValueError:
        return None
    return count if 0 < count <= _COUNT_LIMIT else None


def _same_target(claimed: str, uri: str) -> bool:
    """Some clients name the whole address, some leave the query out."""
    if claimed == uri:
        return True
    _, separator, rest = claimed.partition("://")
    if separator:
        claimed = "/" + rest.partition("/")[2]
    return claimed in (uri, uri.partition("?")[0])
