"""Digest authentication, the server's half (RFC 7616, and RFC 2617 for clients that know no other).

A server offers SHA-256 and MD5; a client takes what it knows. Nonces belong to one connection, and
are worthless on any other.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from camera_adapters.http_authentication import digest_response, parse_parameters

_ALGORITHMS = ("SHA-256", "MD5")


class DigestVerifier:
    """Challenges and checks the clients of one connection."""

    def __init__(self, realm: str) -> None:
        self._realm = realm
        self._nonce = secrets.token_hex(16)

    def challenges(self) -> list[str]:
        """Values for WWW-Authenticate, one header each; MD5 last, as old clients take the last."""
        return [
            f'Digest realm="{self._realm}", nonce="{self._nonce}", algorithm={name}'
            for name in _ALGORITHMS
        ]

    def accepts(self, authorization: str, method: str, passwords: Mapping[str, str]) -> bool:
        """Whether the header proves one of the user → password pairs, for this nonce."""
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != "digest":
            return False
        given = parse_parameters(rest)
        algorithm = given.get("algorithm", "MD5").upper()
        username = given.get("username", "")
        password = passwords.get(username)
        if algorithm not in _ALGORITHMS or password is None or given.get("nonce") != self._nonce:
            return False
        qop = (given.get("nc", ""), given.get("cnonce", "")) if "qop" in given else None
        expected = digest_response(
            algorithm,
            username,
            self._realm,
            password,
            method,
            given.get("uri", ""),
            self._nonce,
            qop,
        )
        answer = given.get("response", "").lower()
        return hmac.compare_digest(expected.encode(), answer.encode("utf-8", "replace"))
