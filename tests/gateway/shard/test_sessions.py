"""Live sessions: a ticket opens one, it outlives the ticket, revocation is for good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camera_adapters.stream import Variant
from gateway.audit.watching import Watched
from gateway.identifiers import now_us
from gateway.live.whep import SessionRefused
from gateway.shard.sessions import LiveSessions
from gateway.tickets import Ticket, TicketSigner

SIGNER = TicketSigner(bytes(32))


@pytest.fixture
def ticket() -> Ticket:
    return Ticket(
        session_id="ses_1",
        user_id="usr_1",
        user_name="chen",
        camera_ids=("cam_1",),
        variant="sub",
        action="live",
        start_us=None,
        end_us=None,
        expires_us=now_us() + 30_000_000,
        may_lift_masks=False,
    )


def test_a_ticket_opens_a_session_that_counts_until_it_ends(ticket: Ticket) -> None:
    sessions = LiveSessions(SIGNER)
    session = sessions.open(SIGNER.sign(ticket))
    assert sessions.viewers()["cam_1", Variant.SUB] == 1
    assert sessions.session_ids() == ["ses_1"]
    session.ended("ended_by_viewer")
    session.ended("ended_by_viewer")
    assert len(sessions) == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"expires_us": 1}, 401),
        ({"action": "playback"}, 403),
        ({"camera_ids": ("cam_1", "cam_2")}, 403),
    ],
)
def test_other_tickets_open_nothing(ticket: Ticket, change: dict[str, object], status: int) -> None:
    sessions = LiveSessions(SIGNER)
    with pytest.raises(SessionRefused) as refused:
        sessions.open(SIGNER.sign(replace(ticket, **change)))  # type: ignore[arg-type]
    assert refused.value.status == status


def test_a_foreign_signature_opens_nothing(ticket: Ticket) -> None:
    with pytest.raises(SessionRefused):
        LiveSessions(SIGNER).open(TicketSigner(b"x" * 32).sign(ticket))


def test_a_revoked_session_is_not_opened_again_by_its_ticket(ticket: Ticket) -> None:
    sessions = LiveSessions(SIGNER)
    sessions.revoke(["ses_1"])
    with pytest.raises(SessionRefused) as refused:
        sessions.open(SIGNER.sign(ticket))
    assert refused.value.code == "revoked"


def test_who_sits_down_watches_from_then_on_and_who_went_up_to_there(ticket: Ticket) -> None:
    reported: list[Watched] = []
    sessions = LiveSessions(SIGNER, reported.append)
    session = sessions.open(SIGNER.sign(ticket))
    sessions.hand_over(["ses_1", "ses_of_another_shard"], "usr_2")
    sessions.hand_over(["ses_1"], "usr_2")
    session.ended("ended_by_viewer", watched=True)
    assert [(one.user_id, one.detail["why"]) for one in reported] == [
        ("usr_1", "handed_over"),
        ("usr_2", "ended_by_viewer"),
    ]
    assert reported[0].end_us <= reported[1].start_us
    # A ticket that was not used before is the new person's too.
    assert sessions.open(SIGNER.sign(ticket)).user_id == "usr_2"
