"""What browsers are told of STUN and TURN servers, with accounts that live for a short time.

An account is made of the secret that we share with the TURN server, which needs no list of users:
coturn's ``use-auth-secret`` (draft-uberti-behave-turn-rest-00 §2.2).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from gateway.identifiers import US_PER_S, now_us
from gateway.settings import IceServer


@dataclass(frozen=True, slots=True)
class IceAccess:
    """One entry of ``RTCConfiguration.iceServers``."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


def ice_access(servers: Sequence[IceServer], session_id: str) -> list[IceAccess]:
    """The servers of the settings for one session, by whose id the relay's log names it.

    Whoever has an account may begin to use the relay until the account's time is over; what began
    before goes on.
    """
    return [_access(server, session_id) for server in servers]


def name_ice_servers(response: Response, servers: Sequence[IceServer], session_id: str) -> None:
    """Put them into the ``Link`` headers of an answer (RFC 9725 §4.6)."""
    for one in ice_access(servers, session_id):
        for link in _links(one):
            response.headers.append("Link", link)


def _access(server: IceServer, session_id: str) -> IceAccess:
    if server.secret is not None:
        username = f"{now_us() // US_PER_S + server.lifetime_s}:{session_id}"
        secret = server.secret.get_secret_value().encode()
        mac = hmac.digest(secret, username.encode(), "sha1")
        return IceAccess(server.urls, username, base64.b64encode(mac).decode())
    if server.username is not None and server.credential is not None:
        return IceAccess(server.urls, server.username, server.credential.get_secret_value())
    return IceAccess(server.urls)


def _links(access: IceAccess) -> list[str]:
    account = ""
    if access.username is not None and access.credential is not None:
        account = (
            f'; username="{_quoted(access.username)}"; credential="{_quoted(access.credential)}"'
            '; credential-type="password"'
        )
    return [f'<{url}>; rel="ice-server"{account}' for url in access.urls]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
