"""One SIP element on one address, for asyncio: what both the upper and the lower platform stand on.

    endpoint = SipEndpoint(on_request)
    await endpoint.open("127.0.0.1", 5060)
    response = await endpoint.request("MESSAGE", "sip:34…@10.0.0.7:5060", peer, local=…, body=xml)
    session = await endpoint.invite("sip:34…@10.0.0.7:5060", peer, local=…, body=sdp)
    await session.request("INFO", body=…, content_type="Application/MANSRTSP")
    await session.end()

Callbacks run on the event loop within the datagram that caused them: they return at once, and start
a task for what takes time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import SipRequest, SipResponse
from camera_adapters.sip.peer import Peer

HeaderFields = Iterable[tuple[str, str]]


class SipError(Exception):
    """A request came to nothing."""


class SipTimeout(SipError):
    """Nobody answered in time (RFC 3261 §17.1: timers B and F, or the caller's own limit)."""


class SipUnreachable(SipError):
    """The message could not be sent: no route, the connection refused or broken."""


class SipRefused(SipError):
    """A final answer of 300 or more to INVITE or SUBSCRIBE."""

    def __init__(self, response: SipResponse) -> None:
        super().__init__(f"{response.status} {response.reason}".strip())
        self.response = response


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account for digest at the other side. Its repr hides the password."""

    username: str
    password: str = field(repr=False)


class IncomingRequest:
    """A request that waits for its answer. Retransmissions of it are answered by the endpoint.

    ``session`` is the dialog that it belongs to; BYE and INFO come only within one (others were
    answered with 481), and only from the dialog's own peer. A BYE is already answered and ends the
    session; see :attr:`SipSession.on_end`.
    """

    __slots__ = ("peer", "request", "session")

    request: SipRequest
    peer: Peer
    session: SipSession | None

    def respond(
        self,
        status: int,
        reason: str = "",
        *,
        headers: HeaderFields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """Answer: any provisional (1xx), then one final; what comes later is left."""
        raise NotImplementedError

    def accept(
        self, *, headers: HeaderFields = (), body: bytes = b"", content_type: str = ""
    ) -> SipSession:
        """Answer INVITE or SUBSCRIBE with 200 and keep the dialog of it (RFC 3261 §12.1.1).

        The 200 to an INVITE is repeated until its ACK comes; without one the session ends with
        cause ``no_ack``.
        """
        raise NotImplementedError

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call this when an INVITE that has no final answer yet is cancelled; 487 was answered."""
        raise NotImplementedError


EndCause = Literal["bye", "local", "no_ack", "lost", "closed"]


class SipSession:
    """A dialog (RFC 3261 §12) made by INVITE or SUBSCRIBE, from either side.

    ``on_request`` is given requests within it (INFO, MESSAGE, NOTIFY; re-INVITE is answered with
    488 by the endpoint), ``on_end`` is called once: with ``bye`` when the other side ended it,
    ``local`` after :meth:`end`, ``no_ack``, ``lost`` when a request within it was answered with 481
    or not at all, ``closed`` when the endpoint closed. Set both at once after getting the session:
    nothing is delivered before the next turn of the loop.
    """

    method: Literal["INVITE", "SUBSCRIBE"]
    call_id: str
    local_tag: str
    remote_tag: str
    # Where requests within it go; set it anew when the other side's NAT moves.
    peer: Peer
    # The other side's body in the exchange that made it: its SDP.
    remote_body: bytes
    on_request: Callable[[IncomingRequest], None]
    on_end: Callable[[EndCause], None]

    async def request(
        self, method: str, *, headers: HeaderFields = (), body: bytes = b"", content_type: str = ""
    ) -> SipResponse:
        """Send within the dialog and await the final answer, of whatever status.

        Raises SipTimeout, SipUnreachable.
        """
        raise NotImplementedError

    async def end(self) -> None:
        """Send BYE, or for our subscription SUBSCRIBE with ``Expires: 0``. Raises no SipError."""
        raise NotImplementedError

    def to_journal(self) -> dict[str, str | int]:
        """All that :meth:`SipEndpoint.resume` needs to go on with it in another process."""
        raise NotImplementedError


class SipEndpoint:
    """A UDP socket, a TCP listener on the same port, and the TCP connections made from here.

    ``on_request`` is given what belongs to no session: REGISTER, MESSAGE, NOTIFY, SUBSCRIBE,
    OPTIONS, INVITE. Whoever cannot answer lets :meth:`IncomingRequest.respond` say so; what is
    never answered is forgotten after 32 s.
    """

    def __init__(
        self, on_request: Callable[[IncomingRequest], None], *, user_agent: str = "gridsight"
    ) -> None:
        raise NotImplementedError

    async def open(self, host: str, port: int, *, udp: bool = True, tcp: bool = True) -> None:
        """Listen; port 0 takes any that is free for both. Raises OSError."""

    async def close(self) -> None:
        """Stop listening; sessions end with ``closed`` and without BYE. Open requests fail."""

    @property
    def port(self) -> int:
        """The port in use."""
        raise NotImplementedError

    def contact_host(self, peer: Peer) -> str:
        """Our address that this peer can reach: the bound one, or that of the route to it."""
        raise NotImplementedError

    async def request(
        self,
        method: str,
        uri: str,
        peer: Peer,
        *,
        local: SipUri,
        remote: SipUri | None = None,
        headers: HeaderFields = (),
        body: bytes = b"",
        content_type: str = "",
        credentials: Credentials | None = None,
        call_id: str = "",
        cseq: int = 0,
        timeout_s: float | None = None,
    ) -> SipResponse:
        """Send a request outside any dialog, and await its final answer, of whatever status.

        ``local`` stands in From, ``remote`` in To (else ``uri``). A 401 or 407 is answered once
        with ``credentials``. ``call_id`` and ``cseq`` continue an earlier series, as refreshing
        REGISTERs do (RFC 3261 §10.2.4). Raises SipTimeout, SipUnreachable.
        """
        raise NotImplementedError

    async def invite(
        self,
        uri: str,
        peer: Peer,
        *,
        local: SipUri,
        remote: SipUri | None = None,
        headers: HeaderFields = (),
        body: bytes = b"",
        content_type: str = "Application/SDP",
        credentials: Credentials | None = None,
        timeout_s: float = 20.0,
    ) -> SipSession:
        """Send INVITE, await the final answer, acknowledge it.

        When the caller is cancelled or the time is over the INVITE is cancelled, and a late 200 is
        acknowledged and ended with BYE. Raises SipRefused, SipTimeout, SipUnreachable.
        """
        raise NotImplementedError

    async def subscribe(
        self,
        uri: str,
        peer: Peer,
        *,
        local: SipUri,
        remote: SipUri | None = None,
        event: str,
        expires_s: int,
        headers: HeaderFields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> SipSession:
        """Send SUBSCRIBE (RFC 6665) and keep its dialog; refresh with ``session.request``.

        Raises SipRefused, SipTimeout, SipUnreachable.
        """
        raise NotImplementedError

    def resume(self, journal: dict[str, str | int]) -> SipSession:
        """Go on with the dialog that :meth:`SipSession.to_journal` described."""
        raise NotImplementedError
