"""Digest authentication in SIP (RFC 3261 §22, RFC 2617, RFC 7616, RFC 8760): both halves.

The server's nonces are stateless: a time and an HMAC of it, so that a flood of strangers costs no
memory. Only nonces that somebody proved a password with are remembered until they expire, so that
none can be used again with the same count. The key is of this process: a restart ends all nonces.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable

from camera_adapters.rtsp.authentication import Credentials as _Answering
from camera_adapters.rtsp.authentication import digest_response, parse_challenges, parse_parameters

ALGORITHMS = ("MD5", "SHA-256")
_TEXT_LIMIT = 1024


class Verdict(enum.Enum):
    """What an Authorization field is worth."""

    PROVEN = "proven"
    MISSING = "missing"
    # The nonce is too old, or of an earlier process: not the device's fault.
    STALE = "stale"
    # The nonce was used before with this count or a higher one.
    REPLAYED = "replayed"
    WRONG = "wrong"


class DigestGuard:
    """Challenges, and checks what comes back. ``now_s`` is of any clock that does not go back."""

    __slots__ = ("_algorithms", "_floor_s", "_key", "_lifetime_s", "_realm", "_used", "_used_limit")

    def __init__(
        self,
        realm: str,
        *,
        algorithms: Iterable[str] = ("MD5",),
        lifetime_s: float = 300.0,
        used_limit: int = 65_536,
    ) -> None:
        self._realm = realm
        self._algorithms = tuple(algorithms)
        self._lifetime_s = lifetime_s
        self._key = secrets.token_bytes(32)
        self._used_limit = used_limit
        # Nonce → its highest count so far, in order of use. What had to be forgotten early is kept
        # from coming back by the floor: nonces issued before it are stale.
        self._used: OrderedDict[str, int] = OrderedDict()
        self._floor_s = -1.0

    def challenges(self, now_s: float, *, stale: bool = False) -> list[str]:
        """Values for WWW-Authenticate, one field each; MD5 first, as most devices read only one."""
        issued = f"{int(now_s * 1000):x}.{secrets.token_hex(4)}"
        nonce = f"{issued}.{self._signature(issued)}"
        ending = ", stale=true" if stale else ""
        return [
            f'Digest realm="{self._realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"'
            + ending
            for algorithm in self._algorithms
        ]

    def check(self, authorization: str, method: str, password: str, now_s: float) -> Verdict:
        """Whether the field proves the password for a request of this method.

        The ``uri`` inside is hashed as it came: devices write others there than on the first line.
        """
        scheme, _, rest = authorization.strip().partition(" ")
        if scheme.lower() != "digest" or len(rest) > _TEXT_LIMIT:
            return Verdict.WRONG if authorization else Verdict.MISSING
        given = parse_parameters(rest)
        algorithm = given.get("algorithm", "MD5").upper()
        if algorithm not in self._algorithms or given.get("realm") != self._realm:
            return Verdict.WRONG
        nonce = given.get("nonce", "")
        issued_s = self._issued_s(nonce)
        if issued_s is None:
            return Verdict.STALE
        counted = "qop" in given
        if counted and given["qop"].lower() != "auth":
            return Verdict.WRONG
        expected = digest_response(
            algorithm,
            given.get("username", ""),
            self._realm,
            password,
            method,
            given.get("uri", ""),
            nonce,
            (given.get("nc", ""), given.get("cnonce", "")) if counted else None,
        )
        answer = given.get("response", "").lower().encode("utf-8", "replace")
        if not hmac.compare_digest(expected.encode(), answer):
            return Verdict.WRONG
        if not self._floor_s < issued_s or now_s - issued_s > self._lifetime_s:
            return Verdict.STALE
        # Without a count a nonce is good for one request.
        return self._use(nonce, _count(given.get("nc", "")) if counted else 1, now_s)

    def _use(self, nonce: str, count: int, now_s: float) -> Verdict:
        if count <= self._used.get(nonce, 0):
            return Verdict.REPLAYED
        self._used[nonce] = count
        self._used.move_to_end(nonce)
        while self._used:
            oldest = next(iter(self._used))
            issued_s = self._issued_s(oldest) or 0.0
            expired = now_s - issued_s > self._lifetime_s
            if not expired and len(self._used) <= self._used_limit:
                break
            if not expired:
                self._floor_s = max(self._floor_s, issued_s)
            del self._used[oldest]
        return Verdict.PROVEN

    def _signature(self, issued: str) -> str:
        return hmac.new(self._key, issued.encode(), hashlib.sha256).hexdigest()[:24]

    def _issued_s(self, nonce: str) -> float | None:
        issued, dot, signature = nonce.rpartition(".")
        if not dot or not nonce.isascii():
            return None
        if not hmac.compare_digest(self._signature(issued), signature):
            return None
        return int(issued.partition(".")[0], 16) / 1000


def answer_challenge(
    values: Iterable[str], username: str, password: str, method: str, uri: str
) -> str | None:
    """The Authorization field that answers a 401's WWW-Authenticate fields (or a 407's).

    SHA-256 goes before MD5. None when there is no digest challenge that we know; Basic is never
    answered, for it would tell the password.
    """
    account = _Answering(username, password, allow_basic=False)
    if not account.accept(parse_challenges(values)):
        return None
    return account.authorization(method, uri)


def _count(text: str) -> int:
    try:
        return int(text, 16) if len(text) <= 8 else 0
    except ValueError:
        return 0
