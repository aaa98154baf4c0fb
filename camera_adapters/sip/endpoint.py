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
from collections.abc import Callable

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
from camera_adapters.sip.fields import SipUri, parse_name_address
from camera_adapters.sip.incoming import IncomingRequest
from camera_adapters.sip.messages import (
    Headers,
    Message,
    SipRequest,
    SipResponse,
)
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.ports import Ports
from camera_adapters.sip.requests import Credentials, limited, opening_request, with_proof
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


class SipEndpoint:
    """A UDP socket, a TCP listener on the same port, and the TCP connections made from here.

    ``on_request`` is given what belongs to no session: REGISTER, MESSAGE, NOTIFY, SUBSCRIBE,
    OPTIONS, INVITE (100 is already on its way). What is never answered is forgotten after 32 s.
    ``advertise`` is our address as peers know it, where that is not the one that the route to them
    starts from. ``admission`` bounds what is read of each source; ``on_malformed`` is told who sent
    what is no SIP, and why it is none. With ``changes_sessions`` re-INVITEs come to
    ``SipSession.on_request``; answer them with ``IncomingRequest.change``.
    """

    def __init__(
        self,
        on_request: Callable[[IncomingRequest], None],
        *,
        user_agent: str = "gridsight",
        advertise: str = "",
        limits: AdmissionLimits | None = None,
        on_malformed: Callable[[Peer, str], None] | None = None,
        changes_sessions: bool = False,
    ) -> None:
        self._on_request = on_request
        self._ports = Ports(
            take=self._take,
            flush=self._flush,
            lost=self._lost,
            advertise=advertise,
            limits=limits,
            on_malformed=on_malformed,
        )
        self._core = SipCore(
            self._ports.sent_by, user_agent=user_agent, changes_sessions=changes_sessions
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._answers: dict[ClientTransaction, asyncio.Future[Answered]] = {}
        self._sessions: dict[DialogId, SipSession] = {}
        self._cancels: dict[ServerTransaction, Callable[[], None]] = {}
        self._closed = False
        self._flushing = False

    # ------------------------------------------------------------ listening

    async def open(self, host: str, port: int, *, udp: bool = True, tcp: bool = True) -> None:
        """Listen; port 0 takes any that is free for both. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        await self._ports.open(host, port, udp=udp, tcp=tcp)

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
        await self._ports.close()

    @property
    def port(self) -> int:
        """The port in use."""
        return self._ports.port

    @property
    def admission(self) -> Admission:
        """Who may send how much."""
        return self._ports.admission

    def contact_host(self, peer: Peer) -> str:
        """Our address that this peer can reach: the bound one, or that of the route to it."""
        return self._ports.contact_host(peer)

    def contact(self, peer: Peer, user: str) -> str:
        """The Contact that this peer is given."""
        return f"<sip:{user}@{self._ports.sent_by(peer)}>"

    def figures(self) -> dict[str, int]:
        """Counts since the start: what was dropped or refused, and why; and what is open now."""
        core, ports = self._core, self._ports
        return {
            **core.counters,
            "malformed": core.counters["malformed"] + ports.malformed,
            "flooded": ports.admission.refused,
            "overflowed": ports.overflowed,
            "transactions": len(core),
            "sessions": len(self._sessions),
            "connections": ports.connections,
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
        if answered.response.status not in (401, 407) or credentials is None:
            return answered
        asked = SipRequest(opening.method, opening.uri, unanswered)
        again = with_proof(asked, answered.response, credentials)
        if again is None:
            return answered
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

    def change(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        session: SipSession,
        headers: Headers,
        body: bytes,
    ) -> bool:
        """For :class:`IncomingRequest`."""
        dialog = session.dialog
        contact = self.contact(dialog.peer, dialog.local_user)
        changed = self._core.change(
            transaction, request, dialog, contact, self._loop.time(), headers=headers, body=body
        )
        self._flush()
        return changed

    def watch_cancel(self, transaction: ServerTransaction, callback: Callable[[], None]) -> None:
        """For :class:`IncomingRequest`."""
        self._cancels[transaction] = callback

    # ----------------------------------------------------- what comes in

    def _take(self, message: Message, peer: Peer) -> None:
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
                    if not self._ports.send(data, peer):
                        self._core.fail(peer, self._loop.time())
                self._dispatch()
        finally:
            self._flushing = False
        self._set_timer()

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
