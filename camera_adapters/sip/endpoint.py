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

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from camera_adapters.sip.admission import Admission, AdmissionLimits
from camera_adapters.sip.core import (
    Acknowledged,
    Answered,
    Asked,
    Cancelled,
    DialogEnded,
    SipCore,
    Unanswered,
)
from camera_adapters.sip.dialogs import Dialog, DialogId
from camera_adapters.sip.digest import answer_challenge
from camera_adapters.sip.fields import SipUri, parse_cseq, parse_name_address
from camera_adapters.sip.incoming import IncomingRequest
from camera_adapters.sip.messages import (
    Headers,
    Message,
    MessageError,
    SipRequest,
    SipResponse,
    parse_datagram,
)
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.requests import bracketed, limited, opening_request, route_source
from camera_adapters.sip.session import (
    EndCause,
    HeaderFields,
    SipError,
    SipRefused,
    SipSession,
    SipTimeout,
    SipUnreachable,
)
from camera_adapters.sip.transactions import ClientTransaction, ServerTransaction
from camera_adapters.sip.transports import Inbox, TcpConnections, UdpPort

__all__ = [
    "Credentials",
    "EndCause",
    "HeaderFields",
    "IncomingRequest",
    "SipEndpoint",
    "SipError",
    "SipRefused",
    "SipSession",
    "SipTimeout",
    "SipUnreachable",
]

_log = structlog.get_logger(__name__)

_ROUTES_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account for digest at the other side. Its repr hides the password."""

    username: str
    password: str = field(repr=False)


class SipEndpoint:
    """A UDP socket, a TCP listener on the same port, and the TCP connections made from here.

    ``on_request`` is given what belongs to no session: REGISTER, MESSAGE, NOTIFY, SUBSCRIBE,
    OPTIONS, INVITE (100 is already on its way). What is never answered is forgotten after 32 s.
    ``advertise`` is our address as peers know it, where that is not the one that the route to them
    starts from. ``admission`` bounds what is read of each source; ``on_malformed`` is told who sent
    what is no SIP, and why it is none.
    """

    def __init__(
        self,
        on_request: Callable[[IncomingRequest], None],
        *,
        user_agent: str = "gridsight",
        advertise: str = "",
        limits: AdmissionLimits | None = None,
        on_malformed: Callable[[Peer, str], None] | None = None,
    ) -> None:
        self._on_request = on_request
        self._on_malformed = on_malformed
        self._advertise = advertise
        self.admission = Admission(limits)
        self._core = SipCore(self._sent_by, user_agent=user_agent)
        self._udp: UdpPort | None = None
        self._tcp: TcpConnections | None = None
        self._inbox: Inbox | None = None
        self._host = ""
        self._port = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._answers: dict[ClientTransaction, asyncio.Future[Answered]] = {}
        self._sessions: dict[DialogId, SipSession] = {}
        self._cancels: dict[ServerTransaction, Callable[[], None]] = {}
        self._routes: dict[str, str] = {}
        self._closed = False
        self._flushing = False
        self._malformed = 0

    # ------------------------------------------------------------ listening

    async def open(self, host: str, port: int, *, udp: bool = True, tcp: bool = True) -> None:
        """Listen; port 0 takes any that is free for both. Raises OSError."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self._take, self._flush)
        for attempt in range(20):
            try:
                await self._bind(host, port, udp=udp, tcp=tcp)
                return
            except OSError:
                # The port that UDP was given may be taken for TCP.
                if port or attempt == 19:
                    raise

    async def _bind(self, host: str, port: int, *, udp: bool, tcp: bool) -> None:
        if udp:
            self._udp = UdpPort(host, port, self._datagrams)
            port = self._udp.port
        self._tcp = TcpConnections(self._stream_message, self._lost, self._cannot_read)
        if tcp:
            if not port:
                with socket.socket() as probe:
                    probe.bind((host, 0))
                    port = int(probe.getsockname()[1])
            try:
                await self._tcp.listen(host, port)
            except OSError:
                if self._udp is not None:
                    self._udp.close()
                    self._udp = None
                raise
        self._port = port

    async def close(self) -> None:
        """Stop listening; sessions end with ``closed`` and without BYE. Open requests fail."""
        if self._closed:
            return
        self._flush()
        self._closed = True
        for session in [*self._sessions.values()]:
            session.finish("closed")
        for waiting in [*self._answers.values()]:
            if not waiting.done():
                waiting.set_exception(SipUnreachable("the endpoint was closed"))
        self._answers.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._inbox is not None:
            self._inbox.close()
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            await self._tcp.close()

    @property
    def port(self) -> int:
        """The port in use."""
        return self._port

    def contact_host(self, peer: Peer) -> str:
        """Our address that this peer can reach: the bound one, or that of the route to it."""
        if self._advertise:
            return self._advertise
        if self._host not in ("", "0.0.0.0", "::"):
            return self._host
        known = self._routes.get(peer.host)
        if known is None:
            if len(self._routes) >= _ROUTES_LIMIT:
                self._routes.clear()
            known = self._routes[peer.host] = route_source(peer)
        return known

    def contact(self, peer: Peer, user: str) -> str:
        """The Contact that this peer is given."""
        return f"<sip:{user}@{bracketed(self.contact_host(peer))}:{self._port}>"

    def figures(self) -> dict[str, int]:
        """Counts since the start: what was dropped or refused, and why; and what is open now."""
        core, inbox, tcp = self._core, self._inbox, self._tcp
        return {
            **core.counters,
            "malformed": core.counters["malformed"] + self._malformed,
            "flooded": self.admission.refused,
            "overflowed": inbox.dropped if inbox else 0,
            "transactions": len(core),
            "sessions": len(self._sessions),
            "connections": len(tcp) if tcp else 0,
        }

    # ------------------------------------------------------------- requests

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
        cseq: int = 1,
        timeout_s: float | None = None,
    ) -> SipResponse:
        """Send a request outside any dialog, and await its final answer, of whatever status.

        ``local`` stands in From, ``remote`` in To (else ``uri``). A 401 or 407 is answered once
        with ``credentials``, under the next CSeq. ``call_id`` and ``cseq`` continue an earlier
        series, as refreshing REGISTERs do (RFC 3261 §10.2.4): count up by two. Raises SipTimeout,
        SipUnreachable.
        """
        opening = opening_request(method, uri, local, remote, headers, content_type, call_id, cseq)
        contact = self.contact(peer, local.user) if method in ("REGISTER", "SUBSCRIBE") else ""
        async with limited(timeout_s):
            answered = await self._authenticated(opening, peer, contact, body, credentials)
        return answered.response

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
        opening = opening_request("INVITE", uri, local, remote, headers, content_type)
        contact = self.contact(peer, local.user)
        async with limited(timeout_s):
            answered = await self._authenticated(opening, peer, contact, body, credentials)
        return self._session_of(answered)

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
        timeout_s: float | None = None,
    ) -> SipSession:
        """Send SUBSCRIBE (RFC 6665) and keep its dialog; refresh with ``session.request``.

        Raises SipRefused, SipTimeout, SipUnreachable.
        """
        fields = [("Event", event), ("Expires", str(expires_s)), *headers]
        opening = opening_request("SUBSCRIBE", uri, local, remote, fields, content_type)
        contact = self.contact(peer, local.user)
        async with limited(timeout_s):
            answered = await self._authenticated(opening, peer, contact, body, None)
        return self._session_of(answered)

    def resume(self, journal: dict[str, str | int]) -> SipSession:
        """Go on with the dialog that :meth:`SipSession.to_journal` described.

        Raises KeyError or ValueError for what is no journal.
        """
        dialog = Dialog.from_journal(journal)
        self._core.dialogs.add(dialog)
        return self._keep(dialog, b"")

    async def _authenticated(
        self,
        opening: SipRequest,
        peer: Peer,
        contact: str,
        body: bytes,
        credentials: Credentials | None,
    ) -> Answered:
        unanswered = opening.headers.copy()
        answered = await self._exchange(opening, peer, contact, body)
        status = answered.response.status
        if status not in (401, 407) or credentials is None:
            return answered
        asking, answering = (
            ("www-authenticate", "Authorization")
            if status == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        proof = answer_challenge(
            answered.response.headers.get_all(asking),
            credentials.username,
            credentials.password,
            opening.method,
            opening.uri,
        )
        if proof is None:
            return answered
        number = parse_cseq(unanswered.get("cseq"))[0] + 1
        unanswered.set("CSeq", f"{number} {opening.method}")
        unanswered.set(answering, proof)
        again = SipRequest(opening.method, opening.uri, unanswered)
        return await self._exchange(again, peer, contact, body)

    async def _exchange(
        self, request: SipRequest, peer: Peer, contact: str, body: bytes
    ) -> Answered:
        if self._closed:
            raise SipUnreachable("the endpoint is closed")
        transaction = self._core.request(
            request, peer, self._loop.time(), contact=contact, body=body
        )
        return await self._await_answer(transaction)

    async def _await_answer(self, transaction: ClientTransaction) -> Answered:
        waiting: asyncio.Future[Answered] = self._loop.create_future()
        self._answers[transaction] = waiting
        self._flush()
        try:
            return await waiting
        except asyncio.CancelledError:
            if transaction.request.method == "INVITE":
                if waiting.done() and not waiting.cancelled() and not waiting.exception():
                    self._abandon(waiting.result())
                else:
                    self._core.cancel(transaction, self._loop.time())
            else:
                self._core.forget(transaction)
            self._flush()
            raise
        finally:
            self._answers.pop(transaction, None)

    def _abandon(self, answered: Answered) -> None:
        """The 200 came in the same moment as the caller went."""
        if answered.dialog is not None:
            self._core.dialogs.remove(answered.dialog)
            self._sessions.pop(answered.dialog.id, None)
            self._core.request_within(answered.dialog, "BYE", self._loop.time())

    async def send_within(
        self, dialog: Dialog, method: str, headers: Headers, body: bytes
    ) -> SipResponse:
        """For :class:`SipSession`."""
        if self._closed:
            raise SipUnreachable("the endpoint is closed")
        contact = ""
        if method == "SUBSCRIBE" or dialog.method == "SUBSCRIBE":
            contact = self.contact(dialog.peer, dialog.local_user)
        transaction = self._core.request_within(
            dialog, method, self._loop.time(), contact=contact, headers=headers, body=body
        )
        return (await self._await_answer(transaction)).response

    def drop(self, dialog: Dialog) -> None:
        """For :class:`SipSession`."""
        self._core.dialogs.remove(dialog)
        self._sessions.pop(dialog.id, None)

    # -------------------------------------------------------------- answers

    def answer(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        status: int,
        reason: str,
        headers: Headers,
        body: bytes,
    ) -> None:
        """For :class:`IncomingRequest`."""
        now = self._loop.time()
        if status >= 200:
            self._cancels.pop(transaction, None)
        self._core.respond(
            transaction, request, status, now, reason=reason, headers=headers, body=body
        )
        self._flush()

    def accept(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        peer: Peer,
        headers: Headers,
        body: bytes,
    ) -> SipSession | None:
        """For :class:`IncomingRequest`."""
        self._cancels.pop(transaction, None)
        user = parse_name_address(request.headers.get("to")).uri.user
        dialog = self._core.accept(
            transaction,
            request,
            peer,
            self.contact(peer, user),
            self._loop.time(),
            headers=headers,
            body=body,
        )
        session = None if dialog is None else self._keep(dialog, request.body)
        self._flush()
        return session

    def watch_cancel(self, transaction: ServerTransaction, callback: Callable[[], None]) -> None:
        """For :class:`IncomingRequest`."""
        self._cancels[transaction] = callback

    # ----------------------------------------------------- what comes in

    def _datagrams(self, found: list[tuple[bytes, Peer]]) -> None:
        assert self._inbox is not None
        admission, put = self.admission, self._inbox.put
        now = self._loop.time()
        for data, peer in found:
            if admission.admit(peer, now):
                put(data, peer, known=admission.knows(peer))

    def _stream_message(self, message: Message, peer: Peer) -> None:
        assert self._inbox is not None
        if self.admission.admit(peer, self._loop.time()):
            self._inbox.put(message, peer, known=self.admission.knows(peer))

    def _cannot_read(self, peer: Peer, error: MessageError) -> None:
        self._malformed += 1
        if self._on_malformed is not None:
            self._on_malformed(peer, str(error))

    def _take(self, item: bytes | Message, peer: Peer) -> None:
        message: Message | None
        if isinstance(item, bytes):
            try:
                message = parse_datagram(item)
            except MessageError as error:
                self._cannot_read(peer, error)
                return
            if message is None:
                return
        else:
            message = item
        self._core.receive(message, peer, self._loop.time())
        self._dispatch()

    def _dispatch(self) -> None:
        for event in self._core.events():
            try:
                self._tell(event)
            except Exception:
                # One message that its handler cannot take harms no other.
                _log.exception("a SIP message could not be handled")

    def _tell(
        self, event: Asked | Answered | Unanswered | Acknowledged | Cancelled | DialogEnded
    ) -> None:
        match event:
            case Asked(dialog=None):
                self._on_request(IncomingRequest(self, event, None))
            case Asked(dialog=dialog) if dialog is not None:
                session = self._sessions.get(dialog.id)
                if session is not None:
                    session.deliver(IncomingRequest(self, event, session))
            case Answered(transaction, response, dialog):
                if dialog is not None:
                    self._keep(dialog, response.body)
                waiting = self._answers.get(transaction)
                if response.status >= 200 and waiting is not None and not waiting.done():
                    waiting.set_result(event)
            case Unanswered(transaction, cause):
                waiting = self._answers.get(transaction)
                if waiting is not None and not waiting.done():
                    where = str(transaction.peer)
                    waiting.set_exception(
                        SipTimeout(f"no answer from {where}")
                        if cause == "timeout"
                        else SipUnreachable(f"{where} cannot be reached")
                    )
            case Acknowledged(dialog):
                session = self._sessions.get(dialog.id)
                if session is not None:
                    session.acknowledged.set()
            case Cancelled(transaction):
                callback = self._cancels.pop(transaction, None)
                if callback is not None:
                    callback()
            case DialogEnded(dialog, cause):
                session = self._sessions.get(dialog.id)
                if session is not None:
                    session.finish(cause)

    def _keep(self, dialog: Dialog, remote_body: bytes) -> SipSession:
        session = self._sessions[dialog.id] = SipSession(self, dialog, remote_body)
        return session

    def _session_of(self, answered: Answered) -> SipSession:
        if answered.dialog is None:
            raise SipRefused(answered.response)
        return self._sessions.get(answered.dialog.id) or SipSession(
            self, answered.dialog, answered.response.body
        )

    # ----------------------------------------------------- what goes out

    def _flush(self) -> None:
        """Send what is due, and set the clock for the next."""
        if self._flushing or self._closed:
            return
        self._flushing = True
        try:
            while outgoing := self._core.outgoing():
                for data, peer in outgoing:
                    self._send(data, peer)
                self._dispatch()
        finally:
            self._flushing = False
        self._set_timer()

    def _send(self, data: bytes, peer: Peer) -> None:
        if peer.transport == "tcp":
            is_request = not data.startswith(b"SIP/2.0")
            sent = self._tcp is not None and self._tcp.send(data, peer, may_open=is_request)
        else:
            sent = self._udp is not None and self._udp.send(data, peer)
        if not sent:
            self._core.fail(peer, self._loop.time())

    def _lost(self, peer: Peer) -> None:
        if not self._closed:
            self._core.fail(peer, self._loop.time())
            self._dispatch()
            self._flush()

    def _set_timer(self) -> None:
        due = self._core.next_timeout()
        if due is None:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._core.poll(self._loop.time())
        self._dispatch()
        self._flush()

    def _sent_by(self, peer: Peer) -> str:
        return f"{bracketed(self.contact_host(peer))}:{self._port}"
