"""A SIP user agent, both sides of it (RFC 3261 §8, §12, §13), without sockets and clock.

:class:`SipCore` takes messages and the time; it leaves what is to be sent in :meth:`outgoing`, and
what its user has to know in :meth:`events`. It answers by itself what needs no thought: requests
without the fields they must have, those of dialogs that do not exist, CANCEL, BYE, re-INVITE.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from camera_adapters.sip.dialogs import (
    Dialog,
    DialogId,
    DialogRefused,
    Dialogs,
    callee_dialog,
    caller_dialog,
)
from camera_adapters.sip.fields import (
    DEFAULT_PORT,
    Via,
    parse_cseq,
    parse_name_address,
    split_values,
    top_via,
)
from camera_adapters.sip.messages import (
    Headers,
    Message,
    MessageError,
    SipRequest,
    SipResponse,
)
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.transactions import (
    BRANCH_MAGIC,
    AckCame,
    ClientTransaction,
    NotAcknowledged,
    RequestCame,
    RequestFailed,
    ResponseCame,
    ServerTransaction,
    State,
    Transactions,
)

CALL_ID_LIMIT = 256
ALLOWED = "REGISTER, INVITE, ACK, CANCEL, BYE, INFO, MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS"
_WITHIN_DIALOG_ONLY = frozenset({"BYE", "INFO", "UPDATE", "PRACK", "REFER"})
_KNOWN_METHODS = frozenset(ALLOWED.split(", "))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the user answers with :meth:`SipCore.respond` or :meth:`SipCore.accept`.

    ``peer`` is where it came from, ``transaction.reply_to`` where the sender is to be met.
    """

    transaction: ServerTransaction
    request: SipRequest
    peer: Peer
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to our request; ``dialog`` is the one that a 2xx to INVITE or SUBSCRIBE made."""

    transaction: ClientTransaction
    response: SipResponse
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Our request came to nothing."""

    transaction: ClientTransaction
    cause: Literal["timeout", "transport"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK of the 200 that made this dialog came; its body is an SDP in rare cases."""

    dialog: Dialog
    body: bytes


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Their INVITE was cancelled, and answered with 487."""

    transaction: ServerTransaction


@dataclass(frozen=True, slots=True)
class DialogEnded:
    """The other side said BYE (``bye``), or never acknowledged (``no_ack``; BYE was sent)."""

    dialog: Dialog
    cause: Literal["bye", "no_ack"]


CoreEvent = Asked | Answered | Unanswered | Acknowledged | Cancelled | DialogEnded


class SipCore:
    """See the module. ``sent_by`` tells our ``host:port`` for a peer; ``server_limit`` is how many
    requests of others may be open at a time. With ``changes_sessions`` a re-INVITE is the user's to
    answer, by :meth:`change` or :meth:`respond`.
    """

    def __init__(
        self,
        sent_by: Callable[[Peer], str],
        *,
        user_agent: str = "gridsight",
        server_limit: int = 32_768,
        changes_sessions: bool = False,
    ) -> None:
        self._sent_by = sent_by
        self._changes_sessions = changes_sessions
        self.dialogs = Dialogs()
        self._transactions = Transactions(server_limit=server_limit)
        self._user_agent = user_agent
        self._events: list[CoreEvent] = []
        # Dialogs of theirs whose 200 of ours has no ACK yet.
        self._unacknowledged: dict[DialogId, ServerTransaction] = {}
        self.counters = {"malformed": 0, "refused": 0, "forged": 0}

    # ------------------------------------------------------------- messages

    def receive(self, message: Message, peer: Peer, now: float) -> None:
        """Take a message from ``peer``. What cannot be answered is counted and dropped."""
        try:
            if isinstance(message, SipResponse):
                self._transactions.receive_response(message, peer, now)
            else:
                self._receive_request(message, peer, now)
        except MessageError:
            self.counters["malformed"] += 1
        self._digest_events(now)

    def _receive_request(self, request: SipRequest, peer: Peer, now: float) -> None:
        headers = request.headers
        via = _marked_via(top_via(headers), peer)
        headers.replace_first("via", ", ".join([str(via), *split_values([headers.get("via")])[1:]]))
        reply_to = _reply_to(via, peer)
        self._transactions.receive_request(request, peer, reply_to, now)

    def _digest_events(self, now: float) -> None:
        """Turn what the transactions tell into what the user has to know."""
        pending = self._transactions.events
        while pending:
            found, self._transactions.events = pending, []
            for event in found:
                match event:
                    case RequestCame(transaction, request, peer):
                        self._asked(transaction, request, peer, now)
                    case ResponseCame(transaction, response, peer):
                        self._answered(transaction, response, now)
                    case RequestFailed(transaction, cause):
                        self._events.append(Unanswered(transaction, cause))
                    case AckCame(request, peer):
                        self._acked(request, peer, now)
                    case NotAcknowledged(transaction):
                        self._not_acknowledged(transaction, now)
            pending = self._transactions.events

    # ------------------------------------------------------- their requests

    def _asked(
        self, transaction: ServerTransaction, request: SipRequest, peer: Peer, now: float
    ) -> None:
        try:
            refusal = _unanswerable(request)
            to_tag = parse_name_address(request.headers.get("to")).tag
            parse_name_address(request.headers.get("from"))
            dialog = self.dialogs.find(request) if to_tag else None
        except MessageError as error:
            refusal, dialog = error.status, None
        if refusal:
            self.respond(transaction, request, refusal, now)
        elif request.method == "CANCEL":
            self._cancelled(transaction, request, now)
        elif dialog is not None:
            self._asked_within(transaction, request, peer, dialog, now)
        elif request.method in _WITHIN_DIALOG_ONLY or (to_tag and request.method == "INVITE"):
            self.counters["forged"] += request.method == "BYE"
            self.respond(transaction, request, 481, now)
        else:
            if request.method == "INVITE":
                transaction.invitation = request
                self.respond(transaction, request, 100, now)
            self._events.append(Asked(transaction, request, peer, None))

    def _asked_within(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        peer: Peer,
        dialog: Dialog,
        now: float,
    ) -> None:
        try:
            dialog.check(request, peer)
        except DialogRefused as error:
            self.counters["forged"] += 1
            self.respond(transaction, request, error.status, now)
            return
        if request.method == "BYE":
            self.respond(transaction, request, 200, now)
            self.dialogs.remove(dialog)
            self._events.append(DialogEnded(dialog, "bye"))
        elif request.method == "INVITE" and self._changes_sessions:
            if self._is_changing(dialog):
                # One change at a time (RFC 3261 §14.2).
                self.respond(transaction, request, 491, now)
                return
            transaction.invitation = request
            self.respond(transaction, request, 100, now)
            self._events.append(Asked(transaction, request, peer, dialog))
        elif request.method in ("INVITE", "UPDATE"):
            # What a session carries is fixed when it is made; the old one goes on (RFC 3261 §14.2).
            self.respond(transaction, request, 488, now)
        else:
            self._events.append(Asked(transaction, request, peer, dialog))

    def _is_changing(self, dialog: Dialog) -> bool:
        """Whether the answer to an earlier INVITE of theirs still waits for its ACK."""
        return dialog.id in self._unacknowledged

    def _cancelled(self, transaction: ServerTransaction, request: SipRequest, now: float) -> None:
        invited = self._transactions.invited(request)
        if invited is None:
            self.respond(transaction, request, 481, now)
            return
        self.respond(transaction, request, 200, now)
        if invited.invitation is not None and invited.state is State.PROCEEDING:
            self.respond(invited, invited.invitation, 487, now)
            self._events.append(Cancelled(invited))

    def _acked(self, request: SipRequest, peer: Peer, now: float) -> None:
        dialog = self.dialogs.find(request)
        if dialog is None or dialog.peer.host != peer.host:
            return
        transaction = self._unacknowledged.pop(dialog.id, None)
        if transaction is not None:
            self._transactions.acknowledged(transaction, now)
            self._events.append(Acknowledged(dialog, request.body))

    def _not_acknowledged(self, transaction: ServerTransaction, now: float) -> None:
        found = [key for key, waiting in self._unacknowledged.items() if waiting is transaction]
        for key in found:
            del self._unacknowledged[key]
            dialog = self.dialogs.get(key)
            if dialog is not None:
                # RFC 3261 §13.3.1.4: the session ends with BYE.
                self.dialogs.remove(dialog)
                self.request_within(dialog, "BYE", now)
                self._events.append(DialogEnded(dialog, "no_ack"))

    def respond(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        status: int,
        now: float,
        *,
        reason: str = "",
        to_tag: str = "",
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> bool:
        """Answer; False when it had its final answer before. ValueError for bad header values."""
        if status >= 400:
            self.counters["refused"] += 1
        made = Headers()
        for via in request.headers.get_all("via"):
            made.add("Via", via)
        for name in ("From", "To", "Call-ID", "CSeq"):
            made.add(name, request.headers.get(name))
        if status > 100 and ";tag=" not in made.get("to"):
            made.set("To", f"{made.get('to')};tag={to_tag or secrets.token_hex(8)}")
        if 100 < status < 300:
            for route in request.headers.get_all("record-route"):
                made.add("Record-Route", route)
        for name, value in headers or ():
            made.add(name, value)
        if status in (405, 501):
            made.set("Allow", ALLOWED)
        if status == 420:
            made.set("Unsupported", request.headers.get("require"))
        made.set("User-Agent", self._user_agent)
        return self._transactions.respond(transaction, SipResponse(status, reason, made, body), now)

    def accept(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        peer: Peer,
        contact: str,
        now: float,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> Dialog | None:
        """Answer INVITE or SUBSCRIBE with 200; the dialog of it, or None when it was too late."""
        tag = secrets.token_hex(8)
        dialog = callee_dialog(request, tag, peer)
        extended = headers.copy() if headers else Headers()
        extended.set("Contact", contact)
        if not self.respond(
            transaction, request, 200, now, to_tag=tag, headers=extended, body=body
        ):
            return None
        self.dialogs.add(dialog)
        if request.method == "INVITE":
            self._unacknowledged[dialog.id] = transaction
        return dialog

    def change(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        dialog: Dialog,
        contact: str,
        now: float,
        *,
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> bool:
        """Answer a re-INVITE with 200: the session is what was agreed on from now on, and the
        dialog goes to their new Contact (RFC 3261 §12.2.2). False when it was too late.
        """
        extended = headers.copy() if headers else Headers()
        extended.set("Contact", contact)
        if not self.respond(transaction, request, 200, now, headers=extended, body=body):
            return False
        dialog.renew_target(request)
        self._unacknowledged[dialog.id] = transaction
        return True

    # --------------------------------------------------------- our requests

    def request(
        self,
        request: SipRequest,
        peer: Peer,
        now: float,
        *,
        contact: str = "",
        body: bytes = b"",
    ) -> ClientTransaction:
        """Send a request that has From, To, Call-ID and CSeq."""
        branch = self._finish(request, peer, contact)
        request.body = body
        return self._transactions.send(request, branch, peer, now)

    def _finish(self, request: SipRequest, peer: Peer, contact: str) -> str:
        """Add what every request of ours carries; returns the branch of its Via."""
        branch = f"{BRANCH_MAGIC}{secrets.token_hex(8)}"
        via = f"SIP/2.0/{peer.transport.upper()} {self._sent_by(peer)};rport;branch={branch}"
        request.headers.insert("Via", via)
        request.headers.set("Max-Forwards", "70")
        if contact:
            request.headers.set("Contact", contact)
        request.headers.set("User-Agent", self._user_agent)
        return branch

    def request_within(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        contact: str = "",
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> ClientTransaction:
        """Send the next request of a dialog."""
        request = dialog.make_request(method)
        for name, value in headers or ():
            request.headers.add(name, value)
        return self.request(request, dialog.peer, now, contact=contact, body=body)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """End an INVITE that has no final answer yet (RFC 3261 §9.1); a late 200 is ended by BYE.

        Before any answer came CANCEL may not be sent: it follows the first one.
        """
        if transaction.cancelled:
            return
        transaction.abandoned = True
        if transaction.state is State.PROCEEDING:
            self._send_cancel(transaction, now)

    def _send_cancel(self, transaction: ClientTransaction, now: float) -> None:
        transaction.cancelled = True
        asked = transaction.request
        via = asked.headers.get("via")
        headers = Headers([("Via", via), ("Max-Forwards", "70")])
        for route in asked.headers.get_all("route"):
            headers.add("Route", route)
        for name in ("From", "To", "Call-ID"):
            headers.add(name, asked.headers.get(name))
        headers.add("CSeq", f"{parse_cseq(asked.headers.get('cseq'))[0]} CANCEL")
        cancel = SipRequest("CANCEL", asked.uri, headers)
        self._transactions.send(cancel, transaction.key[0], transaction.peer, now)
        self._transactions.expire(transaction, now)

    def _answered(self, transaction: ClientTransaction, response: SipResponse, now: float) -> None:
        dialog = None
        method = transaction.request.method
        if 200 <= response.status < 300 and method in ("INVITE", "SUBSCRIBE"):
            to_tag = parse_name_address(transaction.request.headers.get("to")).tag
            if not to_tag:
                try:
                    dialog = caller_dialog(transaction.request, response, transaction.peer)
                except MessageError:
                    self.counters["malformed"] += 1
                    return
            if method == "INVITE" and dialog is not None:
                self._acknowledge(transaction, dialog)
                if transaction.abandoned:
                    self.request_within(dialog, "BYE", now)
                    dialog = None
            if dialog is not None:
                self.dialogs.add(dialog)
        elif response.status < 200 and transaction.abandoned and not transaction.cancelled:
            self._send_cancel(transaction, now)
        self._events.append(Answered(transaction, response, dialog))

    def _acknowledge(self, transaction: ClientTransaction, dialog: Dialog) -> None:
        ack = dialog.make_request("ACK", cseq=dialog.local_cseq)
        self._finish(ack, dialog.peer, transaction.request.headers.get("contact"))
        self._transactions.acknowledge(transaction, ack, dialog.peer)

    def forget(self, transaction: ClientTransaction) -> None:
        """Await no answer to this request any more."""
        self._transactions.forget(transaction)

    def fail(self, peer: Peer, now: float) -> None:
        """What was sent to this peer cannot arrive."""
        self._transactions.fail(peer)
        self._digest_events(now)

    # ----------------------------------------------------------------- time

    def next_timeout(self) -> float | None:
        """When :meth:`poll` is due."""
        return self._transactions.next_timeout()

    def poll(self, now: float) -> None:
        """Do what is due."""
        self._transactions.poll(now)
        self._digest_events(now)

    def outgoing(self) -> list[tuple[bytes, Peer]]:
        """What is to be sent now, in order; each is given out once."""
        found, self._transactions.outgoing = self._transactions.outgoing, []
        return found

    def events(self) -> list[CoreEvent]:
        """What happened, in order; each is given out once."""
        found, self._events = self._events, []
        return found

    def __len__(self) -> int:
        return len(self._transactions)


def _unanswerable(request: SipRequest) -> int:
    """The status that refuses a request which nobody needs to look at; 0: none."""
    headers = request.headers
    if not headers.get("from") or not headers.get("to"):
        return 400
    if not 0 < len(headers.get("call-id")) <= CALL_ID_LIMIT:
        return 400
    if parse_cseq(headers.get("cseq"))[1] != request.method:
        return 400
    if request.method not in _KNOWN_METHODS and request.method not in _WITHIN_DIALOG_ONLY:
        return 501
    if headers.get("require") and request.method not in ("ACK", "CANCEL"):
        return 420
    return 0


def _marked_via(via: Via, peer: Peer) -> Via:
    """The Via with the address that the request came from (RFC 3261 §18.2.1, RFC 3581 §4)."""
    if "rport" in via.parameters:
        parameters = via.parameters | {"rport": str(peer.port), "received": peer.host}
    elif via.host != peer.host:
        parameters = via.parameters | {"received": peer.host}
    else:
        return via
    return Via(via.transport, via.host, via.port, parameters)


def _reply_to(via: Via, peer: Peer) -> Peer:
    """Where answers go. A peer without ``rport`` that is behind no NAT may send from a port on
    which it does not listen (RFC 3261 §18.2.2); behind a NAT it is reached only where it came from.
    """
    if peer.transport == "tcp" or "rport" in via.parameters or via.host != peer.host:
        return peer
    return Peer(peer.host, via.port or DEFAULT_PORT, "udp")
