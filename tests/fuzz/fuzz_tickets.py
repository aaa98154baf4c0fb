"""Tickets, as anybody may send them."""

from __future__ import annotations

import contextlib

from gateway.tickets import Ticket, TicketError, TicketSigner

_SIGNER = TicketSigner(b"k" * 32)
_TICKET = Ticket("ses_1", "usr_1", "wang", ("cam_1",), "main", "live", None, None, 2**60, False)

SEEDS = [_SIGNER.sign(_TICKET).encode(), b"e30.e30", b"."]


def target(data: bytes) -> None:
    """Only TicketError, or the very ticket that was signed."""
    with contextlib.suppress(TicketError):
        assert _SIGNER.verify(data.decode("latin-1"), at_us=0) == _TICKET
