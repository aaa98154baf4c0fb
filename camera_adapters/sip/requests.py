"""Requests that begin something, and how long they are waited for."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from camera_adapters.sip.digest import answer_challenge
from camera_adapters.sip.fields import SipUri, parse_cseq
from camera_adapters.sip.messages import Headers, SipRequest, SipResponse
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.session import HeaderFields, SipTimeout


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account for digest at the other side. Its repr hides the password."""

    username: str
    password: str = field(repr=False)


@contextlib.asynccontextmanager
async def limited(timeout_s: float | None) -> AsyncIterator[None]:
    """Raise SipTimeout after so many seconds; None is no limit of one's own."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise SipTimeout(f"no answer within {timeout_s} s") from None


def opening_request(
    method: str,
    uri: str,
    local: SipUri,
    remote: SipUri | None,
    headers: HeaderFields,
    content_type: str,
    call_id: str = "",
    cseq: int = 1,
) -> SipRequest:
    """A request that begins something: From with a new tag, To without."""
    fields = Headers(
        [
            ("From", f"<{local}>;tag={secrets.token_hex(8)}"),
            ("To", f"<{remote or uri}>"),
            ("Call-ID", call_id or secrets.token_hex(16)),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ]
    )
    if content_type:
        fields.set("Content-Type", content_type)
    return SipRequest(method, uri, fields)


def with_proof(
    request: SipRequest, challenge: SipResponse, credentials: Credentials
) -> SipRequest | None:
    """The same request once more, under the next CSeq, as a 401 or 407 wants it; None where its
    challenge cannot be answered.
    """
    asking, answering = (
        ("www-authenticate", "Authorization")
        if challenge.status == 401
        else ("proxy-authenticate", "Proxy-Authorization")
    )
    proof = answer_challenge(
        challenge.headers.get_all(asking),
        credentials.username,
        credentials.password,
        request.method,
        request.uri,
    )
    if proof is None:
        return None
    fields = request.headers.copy()
    number = parse_cseq(fields.get("cseq"))[0] + 1
    fields.set("CSeq", f"{number} {request.method}")
    fields.set(answering, proof)
    return SipRequest(request.method, request.uri, fields)


def message_fields(headers: HeaderFields, content_type: str) -> Headers:
    """Header fields with the type of the body, where it has one."""
    fields = Headers(headers)
    if content_type:
        fields.set("Content-Type", content_type)
    return fields


def bracketed(host: str) -> str:
    """A host as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


def route_source(peer: Peer) -> str:
    """Our address on the route to a peer."""
    family = socket.AF_INET6 if ":" in peer.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing; it only asks the routing table.
            probe.connect((peer.host, peer.port or 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
