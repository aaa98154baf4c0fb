"""Tickets say what was signed, or nothing."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tickets import Ticket, TicketError, TicketSigner

SIGNER = TicketSigner(b"s" * 32)
TICKET = Ticket(
    session_id="ses_1",
    user_id="usr_1",
    user_name="王警官",
    camera_ids=("cam_1", "cam_2"),
    variant="main",
    action="playback",
    start_us=1,
    end_us=2,
    expires_us=1000,
    may_lift_masks=False,
)


@given(st.text(), st.lists(st.text(max_size=40), max_size=9), st.none() | st.integers(0, 2**62))
def test_a_ticket_comes_back_as_it_was(name: str, cameras: list[str], start_us: int | None) -> None:
    ticket = replace(TICKET, user_name=name, camera_ids=tuple(cameras), start_us=start_us)
    assert SIGNER.verify(SIGNER.sign(ticket), at_us=1000) == ticket


@given(st.data())
def test_no_changed_character_is_accepted(data: st.DataObject) -> None:
    text = SIGNER.sign(TICKET)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[position]))
    with pytest.raises(TicketError):
        SIGNER.verify(text[:position] + other + text[position + 1 :], at_us=0)


@given(st.text())
def test_any_text_is_refused_cleanly(text: str) -> None:
    with pytest.raises(TicketError):
        SIGNER.verify(text)


def test_a_late_ticket_is_refused() -> None:
    with pytest.raises(TicketError, match="expired"):
        SIGNER.verify(SIGNER.sign(TICKET), at_us=1001)


def test_another_clusters_ticket_is_refused() -> None:
    with pytest.raises(TicketError, match="signature"):
        TicketSigner(b"x" * 32).verify(SIGNER.sign(TICKET), at_us=0)


def test_a_ticket_that_names_no_relay_is_one_that_older_processes_know() -> None:
    plain = SIGNER.sign(TICKET)
    body = base64.urlsafe_b64decode(plain.partition(".")[0] + "==")
    assert b"relay" not in body
    relayed = replace(TICKET, relay="shard-2")
    assert SIGNER.verify(SIGNER.sign(relayed), at_us=1000) == relayed
