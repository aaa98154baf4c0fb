"""Transactions: one request and its answers (RFC 3261 §17, RFC 6026). Sans-IO.

:class:`Transactions` is given messages and the time, and leaves what is to be sent in ``outgoing``
and what happened in ``events``. UDP messages are repeated until answered; over TCP they are not.
"""

from __future__ import annotations

import enum
import heapq
import itertools
from dataclasses import dataclass
from typing import Literal

from camera_adapters.sip.fields import parse_cseq, top_via
from camera_adapters.sip.messages import Headers, SipRequest, SipResponse
from camera_adapters.sip.peer import Peer

T1_S = 0.5
T2_S = 4.0
T4_S = 5.0
# Timers B, F, H, and D, J, L, M over UDP: how long one message may be on its way at all.
LIFETIME_S = 64 * T1_S

BRANCH_MAGIC = "z9hG4bK"

ClientKey = tuple[str, str]
ServerKey = tuple[str, str, str, int, str]


class State(enum.Enum):
    """Where a transaction stands (RFC 3261 §17, figures 5–8; ``ACCEPTED`` of RFC 6026 §7)."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ClientTransaction:
    """Our request. ``acknowledgement`` is what a repeated 200 to INVITE is answered with."""

    __slots__ = (
        "abandoned",
        "acknowledgement",
        "cancelled",
        "data",
        "interval_s",
        "key",
        "peer",
        "request",
        "state",
        "timer_serial",
    )

    def __init__(self, key: ClientKey, request: SipRequest, peer: Peer, data: bytes) -> None:
        self.key = key
        self.request = request
        self.peer = peer
        self.data = data
        self.state = State.CALLING
        self.interval_s = T1_S
        self.timer_serial = 0
        self.acknowledgement: tuple[bytes, Peer] | None = None
        self.cancelled = False
        self.abandoned = False


class ServerTransaction:
    """Their request. ``data`` is the last answer, sent again when the request comes again;
    ``invitation`` an INVITE that its CANCEL may still end.
    """

    __slots__ = (
        "data",
        "interval_s",
        "invitation",
        "key",
        "method",
        "reply_to",
        "state",
        "timer_serial",
    )

    def __init__(self, key: ServerKey, reply_to: Peer) -> None:
        self.key = key
        self.method = key[4]
        self.invitation: SipRequest | None = None
        self.reply_to = reply_to
        self.data = b""
        self.state = State.PROCEEDING
        self.interval_s = T1_S
        self.timer_serial = 0


@dataclass(frozen=True, slots=True)
class RequestCame:
    """A request that is not a repetition; an ACK only when it belongs to no transaction."""

    transaction: ServerTransaction
    request: SipRequest
    peer: Peer


@dataclass(frozen=True, slots=True)
class AckCame:
    """An ACK of a 200: a request without transaction (RFC 3261 §17.1.1.3)."""

    request: SipRequest
    peer: Peer


@dataclass(frozen=True, slots=True)
class ResponseCame:
    """An answer; a repeated 200 to INVITE is not told again."""

    transaction: ClientTransaction
    response: SipResponse
    peer: Peer


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No final answer: nobody spoke in time, or it could not be sent."""

    transaction: ClientTransaction
    cause: Literal["timeout", "transport"]


@dataclass(frozen=True, slots=True)
class NotAcknowledged:
    """Nobody acknowledged our final answer to an INVITE for 32 s."""

    transaction: ServerTransaction


TransactionEvent = RequestCame | AckCame | ResponseCame | RequestFailed | NotAcknowledged

_Timer = Literal["repeat", "end"]


class Transactions:
    """All transactions of one element; of theirs, at most ``server_limit`` at a time."""

    def __init__(self, *, server_limit: int = 32_768) -> None:
        self.outgoing: list[tuple[bytes, Peer]] = []
        self.events: list[TransactionEvent] = []
        self.refused = 0
        self._server_limit = server_limit
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._heap: list[tuple[float, int, _Timer, ClientTransaction | ServerTransaction, int]] = []
        self._serials = itertools.count()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    # ------------------------------------------------------------------ ours

    def send(self, request: SipRequest, branch: str, peer: Peer, now: float) -> ClientTransaction:
        """Send a request whose top Via carries ``branch``. Not for ACK: see :meth:`send_ack`."""
        key = (branch, request.method)
        transaction = ClientTransaction(key, request, peer, request.to_bytes())
        self._clients[key] = transaction
        self.outgoing.append((transaction.data, peer))
        self._at(now + LIFETIME_S, "end", transaction)
        if peer.transport == "udp":
            self._at(now + T1_S, "repeat", transaction)
        return transaction

    def acknowledge(self, transaction: ClientTransaction, ack: SipRequest, peer: Peer) -> None:
        """Send the ACK of a 200, and send it again whenever that 200 comes again."""
        transaction.acknowledgement = (ack.to_bytes(), peer)
        self.outgoing.append(transaction.acknowledgement)

    def receive_response(self, response: SipResponse, peer: Peer, now: float) -> None:
        """Take an answer; what matches no request of ours is dropped (RFC 3261 §18.1.2).

        Raises MessageError when it has no Via or CSeq to match by.
        """
        method = parse_cseq(response.headers.get("cseq"))[1]
        transaction = self._clients.get((top_via(response.headers).branch, method))
        if transaction is None:
            return
        if transaction.request.method == "INVITE":
            self._answer_to_invite(transaction, response, peer, now)
            return
        if transaction.state not in (State.CALLING, State.PROCEEDING):
            return
        if response.status < 200:
            transaction.state = State.PROCEEDING
            transaction.interval_s = T2_S
        else:
            self._settle(transaction, State.COMPLETED, now + T4_S, now)
        self.events.append(ResponseCame(transaction, response, peer))

    def _answer_to_invite(
        self, transaction: ClientTransaction, response: SipResponse, peer: Peer, now: float
    ) -> None:
        state, status = transaction.state, response.status
        if state is State.ACCEPTED and 200 <= status < 300:
            if transaction.acknowledgement is not None:
                self.outgoing.append(transaction.acknowledgement)
            return
        if state is State.COMPLETED and status >= 300:
            self.outgoing.append((self._refusal_ack(transaction, response), transaction.peer))
            return
        if state not in (State.CALLING, State.PROCEEDING):
            return
        if status < 200:
            if state is State.CALLING:
                transaction.state = State.PROCEEDING
                transaction.timer_serial += 1
        elif status < 300:
            self._settle(transaction, State.ACCEPTED, now + LIFETIME_S, now, always=True)
        else:
            self.outgoing.append((self._refusal_ack(transaction, response), transaction.peer))
            self._settle(transaction, State.COMPLETED, now + LIFETIME_S, now)
        self.events.append(ResponseCame(transaction, response, peer))

    def _refusal_ack(self, transaction: ClientTransaction, response: SipResponse) -> bytes:
        """The ACK of a refusal is of the INVITE's transaction (RFC 3261 §17.1.1.3)."""
        asked = transaction.request
        headers = Headers([("Via", asked.headers.get("via")), ("Max-Forwards", "70")])
        for value in asked.headers.get_all("route"):
            headers.add("Route", value)
        headers.add("From", asked.headers.get("from"))
        headers.add("To", response.headers.get("to"))
        headers.add("Call-ID", asked.headers.get("call-id"))
        headers.add("CSeq", f"{parse_cseq(asked.headers.get('cseq'))[0]} ACK")
        return SipRequest("ACK", asked.uri, headers).to_bytes()

    def expire(self, transaction: ClientTransaction, now: float) -> None:
        """Give an INVITE that was cancelled the time of one request to be answered."""
        self._at(now + LIFETIME_S, "end", transaction)

    def forget(self, transaction: ClientTransaction) -> None:
        """Await no answer any more."""
        transaction.state = State.TERMINATED
        self._clients.pop(transaction.key, None)

    def fail(self, peer: Peer) -> None:
        """Sending to this peer does not work: its open requests fail."""
        for transaction in [*self._clients.values()]:
            if transaction.peer == peer and transaction.state in (
                State.CALLING,
                State.PROCEEDING,
            ):
                self._fail(transaction, "transport")

    def _fail(self, transaction: ClientTransaction, cause: Literal["timeout", "transport"]) -> None:
        self.forget(transaction)
        self.events.append(RequestFailed(transaction, cause))

    # ---------------------------------------------------------------- theirs

    def receive_request(self, request: SipRequest, peer: Peer, reply_to: Peer, now: float) -> None:
        """Take a request; repetitions are answered as before. Raises MessageError."""
        key = server_key(request)
        transaction = self._servers.get(key)
        if request.method == "ACK":
            if transaction is None or transaction.state is State.ACCEPTED:
                self.events.append(AckCame(request, peer))
            elif transaction.state is State.COMPLETED:
                self._settle_server(transaction, State.CONFIRMED, now + T4_S)
            return
        if transaction is not None:
            if transaction.data and transaction.state is not State.CONFIRMED:
                self.outgoing.append((transaction.data, transaction.reply_to))
            return
        if len(self._servers) >= self._server_limit:
            self.refused += 1
            return
        transaction = ServerTransaction(key, reply_to)
        self._servers[key] = transaction
        # What nobody answers is forgotten. An INVITE may ring; its caller ends it by CANCEL.
        patience_s = 180.0 if request.method == "INVITE" else LIFETIME_S
        self._at(now + patience_s, "end", transaction)
        self.events.append(RequestCame(transaction, request, peer))

    def invited(self, cancel: SipRequest) -> ServerTransaction | None:
        """The INVITE that this CANCEL means (RFC 3261 §9.2)."""
        branch, sent_by, call_id, number, _ = server_key(cancel)
        return self._servers.get((branch, sent_by, call_id, number, "INVITE"))

    def respond(self, transaction: ServerTransaction, response: SipResponse, now: float) -> bool:
        """Send an answer; False when the transaction has had its final one, or is over."""
        if transaction.state is not State.PROCEEDING:
            return False
        transaction.data = response.to_bytes()
        self.outgoing.append((transaction.data, transaction.reply_to))
        if response.status < 200:
            return True
        over_udp = transaction.reply_to.transport == "udp"
        if transaction.method == "INVITE":
            accepted = response.status < 300
            transaction.state = State.ACCEPTED if accepted else State.COMPLETED
            transaction.timer_serial += 1
            self._at(now + LIFETIME_S, "end", transaction)
            # A 200 is repeated over TCP too: a proxy may have lost it (RFC 3261 §13.3.1.4).
            if over_udp or accepted:
                self._at(now + T1_S, "repeat", transaction)
        elif over_udp:
            self._settle_server(transaction, State.COMPLETED, now + LIFETIME_S)
        else:
            self._end_server(transaction)
        return True

    def acknowledged(self, transaction: ServerTransaction, now: float) -> None:
        """The ACK of our 200 came: repeat it no more."""
        if transaction.state is State.ACCEPTED:
            self._settle_server(transaction, State.CONFIRMED, now + T4_S)

    # ----------------------------------------------------------------- time

    def next_timeout(self) -> float | None:
        """When :meth:`poll` has something to do at the earliest."""
        return self._heap[0][0] if self._heap else None

    def poll(self, now: float) -> None:
        """Do what is due: repeat, give up, forget."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, timer, transaction, serial = heapq.heappop(heap)
            if transaction.state is State.TERMINATED or transaction.timer_serial != serial:
                continue
            if isinstance(transaction, ClientTransaction):
                self._client_timer(transaction, timer, now)
            else:
                self._server_timer(transaction, timer, now)

    def _client_timer(self, transaction: ClientTransaction, timer: _Timer, now: float) -> None:
        waiting = transaction.state in (State.CALLING, State.PROCEEDING)
        if timer == "end":
            if waiting:
                self._fail(transaction, "timeout")
            else:
                self.forget(transaction)
            return
        if not waiting:
            return
        self.outgoing.append((transaction.data, transaction.peer))
        if transaction.request.method == "INVITE":
            transaction.interval_s *= 2
        else:
            transaction.interval_s = min(2 * transaction.interval_s, T2_S)
        self._at(now + transaction.interval_s, "repeat", transaction)

    def _server_timer(self, transaction: ServerTransaction, timer: _Timer, now: float) -> None:
        unacknowledged = transaction.method == "INVITE" and transaction.state in (
            State.ACCEPTED,
            State.COMPLETED,
        )
        if timer == "end":
            self._end_server(transaction)
            if unacknowledged:
                self.events.append(NotAcknowledged(transaction))
        elif unacknowledged:
            self.outgoing.append((transaction.data, transaction.reply_to))
            transaction.interval_s = min(2 * transaction.interval_s, T2_S)
            self._at(now + transaction.interval_s, "repeat", transaction)

    def _settle(
        self,
        transaction: ClientTransaction,
        state: State,
        until: float,
        now: float,
        *,
        always: bool = False,
    ) -> None:
        """Keep it only to absorb repeated answers; over TCP there are none."""
        transaction.state = state
        transaction.timer_serial += 1
        if transaction.peer.transport == "udp" or always:
            self._at(until, "end", transaction)
        else:
            self.forget(transaction)
            transaction.state = state

    def _settle_server(self, transaction: ServerTransaction, state: State, until: float) -> None:
        transaction.state = state
        transaction.timer_serial += 1
        self._at(until, "end", transaction)

    def _end_server(self, transaction: ServerTransaction) -> None:
        transaction.state = State.TERMINATED
        self._servers.pop(transaction.key, None)

    def _at(
        self, when: float, timer: _Timer, transaction: ClientTransaction | ServerTransaction
    ) -> None:
        entry = (when, next(self._serials), timer, transaction, transaction.timer_serial)
        heapq.heappush(self._heap, entry)


def server_key(request: SipRequest) -> ServerKey:
    """By what repetitions, ACK and CANCEL find their request (RFC 3261 §17.2.3).

    Call-ID and CSeq are in it besides the branch, since devices exist that use one branch for ever.
    Raises MessageError.
    """
    via = top_via(request.headers)
    number, method = parse_cseq(request.headers.get("cseq"))
    return (
        via.branch,
        f"{via.host}:{via.port}",
        request.headers.get("call-id"),
        number,
        "INVITE" if method == "ACK" else method,
    )
