"""A dialog as its user sees it: :class:`SipSession`, and the errors that its requests end with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Literal, Protocol

from camera_adapters.sip.dialogs import Dialog
from camera_adapters.sip.messages import Headers, SipResponse
from camera_adapters.sip.peer import Peer

if TYPE_CHECKING:
    from camera_adapters.sip.incoming import IncomingRequest

HeaderFields = Iterable[tuple[str, str]]

EndCause = Literal["bye", "local", "no_ack", "lost", "closed"]

GOODBYE_S = 4.0
_PENDING_LIMIT = 64


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


class DialogSender(Protocol):
    """What a session needs of its endpoint."""

    def send_within(
        self, dialog: Dialog, method: str, headers: Headers, body: bytes
    ) -> Awaitable[SipResponse]:
        """Send a request of the dialog and await its final answer."""

    def drop(self, dialog: Dialog) -> None:
        """Forget the dialog."""


class SipSession:
    """A dialog (RFC 3261 §12) made by INVITE or SUBSCRIBE, from either side.

    Set ``on_request`` to be given requests within it (INFO, MESSAGE, NOTIFY; re-INVITE is answered
    with 488 by an endpoint that does not change sessions), and ``on_end`` to be told once why it
    ended: ``bye`` when the other side ended it, ``local`` after :meth:`end`, ``no_ack``, ``lost``
    when a request within it was answered with 481, ``closed`` when the endpoint closed. What
    happens before they are set is kept for them. ``acknowledged`` is set once the ACK of an INVITE
    of theirs has come: by UDP anybody can send an INVITE in another's name, but only who gets our
    200 can acknowledge it.
    """

    def __init__(self, sender: DialogSender, dialog: Dialog, remote_body: bytes) -> None:
        self._sender = sender
        self._dialog = dialog
        # The other side's body in the exchange that made it: its SDP.
        self.remote_body = remote_body
        self._on_request: Callable[[IncomingRequest], None] | None = None
        self._on_end: Callable[[EndCause], None] | None = None
        self._pending: list[IncomingRequest] = []
        # Their ACK of our 200 came: only then is it sure that they are where they say.
        self.acknowledged = asyncio.Event()
        self._ended: EndCause | None = None
        self._told = False

    @property
    def method(self) -> str:
        """``INVITE`` or ``SUBSCRIBE``."""
        return self._dialog.method

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self._dialog.call_id

    @property
    def dialog(self) -> Dialog:
        """For the endpoint."""
        return self._dialog

    @property
    def local_tag(self) -> str:
        """Our tag."""
        return self._dialog.local_tag

    @property
    def remote_tag(self) -> str:
        """Their tag."""
        return self._dialog.remote_tag

    @property
    def peer(self) -> Peer:
        """Where requests within it go, and must come from; set it when their NAT moves."""
        return self._dialog.peer

    @peer.setter
    def peer(self, peer: Peer) -> None:
        self._dialog.peer = peer

    @property
    def ended(self) -> EndCause | None:
        """Why it ended; None while it goes on."""
        return self._ended

    @property
    def on_request(self) -> Callable[[IncomingRequest], None] | None:
        """See the class."""
        return self._on_request

    @on_request.setter
    def on_request(self, callback: Callable[[IncomingRequest], None]) -> None:
        self._on_request = callback
        pending, self._pending = self._pending, []
        for incoming in pending:
            callback(incoming)

    @property
    def on_end(self) -> Callable[[EndCause], None] | None:
        """See the class."""
        return self._on_end

    @on_end.setter
    def on_end(self, callback: Callable[[EndCause], None]) -> None:
        self._on_end = callback
        self._tell()

    async def request(
        self, method: str, *, headers: HeaderFields = (), body: bytes = b"", content_type: str = ""
    ) -> SipResponse:
        """Send within the dialog and await the final answer, of whatever status.

        Raises SipTimeout, SipUnreachable.
        """
        fields = Headers(headers)
        if content_type:
            fields.set("Content-Type", content_type)
        response = await self._sender.send_within(self._dialog, method, fields, body)
        if response.status == 481:
            self.finish("lost")
        return response

    async def end(self) -> None:
        """Send BYE, or for our subscription SUBSCRIBE with ``Expires: 0``, and wait a few seconds
        for the answer: whoever closes must not stand still for a peer that is gone. Raises no
        SipError.
        """
        if self._ended is not None:
            return
        dialog = self._dialog
        self.finish("local")
        fields = Headers()
        method = "BYE"
        if dialog.method == "SUBSCRIBE":
            if not dialog.is_ours:
                return  # Theirs: the last NOTIFY says that it is over.
            method = "SUBSCRIBE"
            fields.set("Expires", "0")
            fields.set("Event", dialog.event)
        with contextlib.suppress(SipError, TimeoutError):
            # Four sendings over UDP (RFC 3261 §17.1.2.2).
            async with asyncio.timeout(GOODBYE_S):
                await self._sender.send_within(dialog, method, fields, b"")

    def to_journal(self) -> dict[str, str | int]:
        """All that :meth:`SipEndpoint.resume` needs to go on with it in another process."""
        return self._dialog.to_journal()

    # Called by the endpoint.

    def deliver(self, incoming: IncomingRequest) -> None:
        """Hand over a request of the other side."""
        if self._on_request is not None:
            self._on_request(incoming)
        elif len(self._pending) < _PENDING_LIMIT:
            self._pending.append(incoming)
        else:
            incoming.respond(500)

    def finish(self, cause: EndCause) -> None:
        """It is over."""
        if self._ended is None:
            self._ended = cause
            self._pending.clear()
            self._sender.drop(self._dialog)
            self._tell()

    def _tell(self) -> None:
        if self._ended is not None and self._on_end is not None and not self._told:
            self._told = True
            self._on_end(self._ended)
