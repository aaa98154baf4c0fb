"""Digest authentication in SIP (RFC 3261 §22, RFC 8760), by :mod:`camera_adapters.http_digest`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from camera_adapters.http_authentication import Credentials, parse_challenges, parse_parameters
from camera_adapters.http_digest import DigestServer, Verification
from camera_adapters.sip.messages import SipRequest


def verify(
    server: DigestServer,
    request: SipRequest,
    password_of: Callable[[str], str | None],
    now_s: float,
) -> Verification:
    """What the request's Authorization field proves.

    The ``uri`` in it is taken as it came: devices write others there than on the first line, and a
    proxy may change that (RFC 3261 §22.4).
    """
    given = request.headers.get("authorization")
    uri = parse_parameters(given.partition(" ")[2]).get("uri", "")
    return server.verify(given, request.method, uri, password_of, now_s)


def answer_challenge(
    values: Iterable[str], username: str, password: str, method: str, uri: str
) -> str | None:
    """The Authorization field that answers a 401's WWW-Authenticate fields (or a 407's).

    SHA-256 goes before MD5. None when there is no digest challenge that we know; Basic is never
    answered, for it would tell the password.
    """
    account = Credentials(username, password, allow_basic=False)
    if not account.accept(parse_challenges(values)):
        return None
    return account.authorization(method, uri)
