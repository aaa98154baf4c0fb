"""Tickets: what the API has decided, carried by the browser to the process that serves it.

A ticket is ``base64url(JSON).base64url(HMAC-SHA256)`` under the cluster's secret. It is good for
opening a session until ``expires_us``; the session it opens has a life of its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from gateway.identifiers import now_us
from gateway.secrets import derive_key

Action = Literal["live", "playback", "export", "restream", "talk", "meeting"]

TICKET_BYTES_LIMIT = 8192
_ACTIONS = frozenset(get_args(Action))


class TicketError(Exception):
    """The ticket is not ours, was altered, or has expired."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who may do what, until when. ``start_us`` and ``end_us`` bound the footage; live has none.

    ``variant`` is the rendering that was decided ("main", "sub", "h264", "masked"), ``made_from``
    the stream that "masked" is made from. ``package`` is what an export opens: a package by its id,
    or one file of it (``{id}/{path}``). ``priority`` is a talker's, as in steering.
    ``relay`` is the shard that shows the camera though another owns it, or at which the seat in a
    meeting is; no other shard may.
    ``meeting_id`` and ``participant_id`` say whose seat in which meeting it is for; ``user_id`` is
    "" of a guest.
    """

    session_id: str
    user_id: str
    user_name: str
    camera_ids: tuple[str, ...]
    variant: str
    action: Action
    start_us: int | None
    end_us: int | None
    expires_us: int
    may_lift_masks: bool
    made_from: str = "main"
    # Why: code, words, case, as ReasonGiven has them. Playback carries it, for its downloads.
    reason: tuple[str | None, str | None, str | None] = (None, None, None)
    package: str | None = None
    # Who talks gives way to a higher one.
    priority: int = 0
    meeting_id: str | None = None
    participant_id: str | None = None
    relay: str | None = None


class TicketSigner:
    """Signs and verifies with one cluster's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "tickets")

    def sign(self, ticket: Ticket) -> str:
        """The ticket as URL-safe text."""
        document = asdict(ticket)
        if ticket.relay is None:
            # As those have it that know of no relays: they run beside us while we are upgraded.
            del document["relay"]
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        return f"{_encode(body)}.{_encode(self._mac(body))}"

    def verify(self, text: str, *, at_us: int | None = None) -> Ticket:
        """The ticket that ``text`` carries. Raises TicketError."""
        if len(text) > TICKET_BYTES_LIMIT:
            raise TicketError("the ticket is too long")
        encoded_body, dot, encoded_mac = text.partition(".")
        try:
            body, mac = _decode(encoded_body), _decode(encoded_mac)
        except (ValueError, binascii.Error):
            raise TicketError("the ticket is malformed") from None
        if not dot or not hmac.compare_digest(mac, self._mac(body)):
            raise TicketError("the ticket's signature is wrong")
        ticket = _ticket_of(json.loads(body))
        if ticket.expires_us < (now_us() if at_us is None else at_us):
            raise TicketError("the ticket has expired: ask for a new one")
        return ticket

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(raw) != text:
        # Unused bits of the last character: two texts must not be one ticket.
        raise ValueError("not canonical")
    return raw


def _ticket_of(document: dict[str, Any]) -> Ticket:
    # Signed by us, so only a ticket of another version can surprise.
    if {*document, "relay"} != {field.name for field in fields(Ticket)}:
        raise TicketError("the ticket is of another version")
    if document["action"] not in _ACTIONS:
        raise TicketError("the ticket is of another version")
    camera_ids, reason = tuple(document["camera_ids"]), tuple(document["reason"])
    return Ticket(**{**document, "camera_ids": camera_ids, "reason": reason})
