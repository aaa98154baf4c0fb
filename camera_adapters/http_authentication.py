"""Basic and Digest authentication (RFC 7617, RFC 7616, RFC 2617): the client's half.

:class:`Credentials` answer the challenges of a 401; the password appears in no repr and no error.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way that a server offers (RFC 7616 §3.3). ``algorithm`` is upper case."""

    scheme: str
    realm: str = ""
    nonce: str = ""
    algorithm: str = "MD5"
    opaque: str | None = None
    qop_auth: bool = False
    stale: bool = False


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges of a 401's WWW-Authenticate fields; unknown schemes are left out."""
    challenges = []
    for value in values:
        starts = [*_SCHEME.finditer(value)]
        for index, start in enumerate(starts):
            stop = starts[index + 1].start() if index + 1 < len(starts) else len(value)
            parameters = parse_parameters(value[start.end() : stop])
            scheme = start[1].capitalize()
            challenges.append(
                Challenge(
                    scheme,
                    parameters.get("realm", ""),
                    parameters.get("nonce", ""),
                    parameters.get("algorithm", "MD5").upper(),
                    parameters.get("opaque"),
                    "auth" in re.split(r"[\s,]+", parameters.get("qop", "").lower()),
                    parameters.get("stale", "").lower() == "true",
                )
            )
    return challenges


def parse_parameters(text: str) -> dict[str, str]:
    """``name=value`` pairs, quoted or not, of an authentication header; names in lower case."""
    return {
        match[1].lower(): re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(text)
    }


@dataclass(slots=True)
class Credentials:
    """A name and password, and the challenge that they answer. Its repr hides the password."""

    username: str
    password: str = field(repr=False)
    allow_basic: bool = True
    challenge: Challenge | None = None
    _count: int = 0

    def accept(self, challenges: list[Challenge]) -> bool:
        """Take the strongest challenge that can be answered; False when there is none.

        Digest with SHA-256 goes before MD5 before Basic.
        """
        best: Challenge | None = None
        for challenge in challenges:
            rank = _strength(challenge)
            if rank and (challenge.scheme != "Basic" or self.allow_basic):
                best = challenge if best is None or rank > _strength(best) else best
        if best is None:
            return False
        self.challenge = best
        self._count = 0
        return True

    def authorization(self, method: str, url: str) -> str | None:
        """The Authorization field for a request; None before any challenge."""
        challenge = self.challenge
        if challenge is None:
            return None
        if challenge.scheme == "Basic":
            pair = f"{self.username}:{self.password}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        self._count += 1
        client_nonce = secrets.token_hex(8)
        count = f"{self._count:08x}"
        response = digest_response(
            challenge.algorithm,
            self.username,
            challenge.realm,
            self.password,
            method,
            url,
            challenge.nonce,
            (count, client_nonce) if challenge.qop_auth else None,
        )
        fields = [
            f'username="{_quoted(self.username)}"',
            f'realm="{_quoted(challenge.realm)}"',
            f'nonce="{_quoted(challenge.nonce)}"',
            f'uri="{_quoted(url)}"',
            f'response="{response}"',
        ]
        if challenge.algorithm != "MD5":
            fields.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            fields.append(f'opaque="{_quoted(challenge.opaque)}"')
        if challenge.qop_auth:
            fields += ["qop=auth", f"nc={count}", f'cnonce="{client_nonce}"']
        return "Digest " + ", ".join(fields)


def digest_response(
    algorithm: str,
    username: str,
    realm: str,
    password: str,
    method: str,
    url: str,
    nonce: str,
    qop_auth: tuple[str, str] | None = None,
) -> str:
    """The ``response`` value (RFC 7616 §3.4.1); ``qop_auth`` is (nc, cnonce).

    Raises KeyError for an unknown algorithm.
    """
    hashed = _HASHES[algorithm]
    secret = hashed(f"{username}:{realm}:{password}".encode())
    request = hashed(f"{method}:{url}".encode())
    if qop_auth is None:
        return hashed(f"{secret}:{nonce}:{request}".encode())
    count, client_nonce = qop_auth
    return hashed(f"{secret}:{nonce}:{count}:{client_nonce}:auth:{request}".encode())


def _strength(challenge: Challenge) -> int:
    if challenge.scheme == "Basic":
        return 1
    if not challenge.nonce:
        return 0
    return {"MD5": 2, "SHA-256": 3}.get(challenge.algorithm, 0)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
