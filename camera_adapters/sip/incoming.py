"""A request of the other side, as its receiver sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from camera_adapters.sip.core import Asked
from camera_adapters.sip.messages import Headers, SipRequest
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.requests import message_fields
from camera_adapters.sip.session import HeaderFields, SipSession
from camera_adapters.sip.transactions import ServerTransaction


class Answering(Protocol):
    """What a request needs of the endpoint that received it."""

    def answer(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        status: int,
        reason: str,
        headers: Headers,
        body: bytes,
    ) -> None:
        """Send an answer."""

    def accept(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        peer: Peer,
        headers: Headers,
        body: bytes,
    ) -> SipSession | None:
        """Send 200 and keep the dialog."""

    def change(
        self,
        transaction: ServerTransaction,
        request: SipRequest,
        session: SipSession,
        headers: Headers,
        body: bytes,
    ) -> bool:
        """Send 200 to a re-INVITE."""

    def watch_cancel(self, transaction: ServerTransaction, callback: Callable[[], None]) -> None:
        """Call back when it is cancelled."""


class IncomingRequest:
    """A request that waits for its answer. Retransmissions of it are answered by the endpoint.

    ``session`` is the dialog that it belongs to; BYE and INFO come only within one (others were
    answered with 481), and only from the dialog's own peer. A BYE is already answered and ends the
    session; see :attr:`SipSession.on_end`.
    """

    __slots__ = ("_endpoint", "_transaction", "peer", "reply_peer", "request", "session")

    def __init__(self, endpoint: Answering, asked: Asked, session: SipSession | None) -> None:
        self._endpoint = endpoint
        self._transaction = asked.transaction
        self.request = asked.request
        self.peer = asked.peer
        # Where the sender is to be met: behind no NAT that may be another port (RFC 3261 §18.2.2).
        self.reply_peer = asked.transaction.reply_to
        self.session = session

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
        fields = message_fields(headers, content_type)
        self._endpoint.answer(self._transaction, self.request, status, reason, fields, body)

    def accept(
        self, *, headers: HeaderFields = (), body: bytes = b"", content_type: str = ""
    ) -> SipSession | None:
        """Answer INVITE or SUBSCRIBE with 200 and keep the dialog of it (RFC 3261 §12.1.1).

        The 200 to an INVITE is repeated until its ACK comes; without one the session ends with
        cause ``no_ack``. None when it was cancelled or answered before.
        """
        fields = message_fields(headers, content_type)
        return self._endpoint.accept(self._transaction, self.request, self.reply_peer, fields, body)

    def change(
        self, *, headers: HeaderFields = (), body: bytes = b"", content_type: str = ""
    ) -> bool:
        """Answer a re-INVITE with 200; False when it was cancelled or answered before.

        Only of an endpoint that ``changes_sessions``; refuse with :meth:`respond` and 488, and the
        session goes on as it was (RFC 3261 §14.2).
        """
        assert self.session is not None
        fields = message_fields(headers, content_type)
        return self._endpoint.change(self._transaction, self.request, self.session, fields, body)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call this when an INVITE that has no final answer yet is cancelled; 487 was answered."""
        self._endpoint.watch_cancel(self._transaction, callback)
