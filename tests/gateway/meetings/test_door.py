"""Who comes through a meeting's door, what a page may say there, and what stays outside."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.identifiers import now_us
from gateway.tickets import TicketSigner
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Shard, a_shard


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


async def test_a_ticket_opens_one_connection_once(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    ticket = shard.ticket(meeting_id, a)
    page = await shard.knock(ticket)
    await page.hears("room")
    stolen = await shard.knock(ticket)
    await stolen.hears("end", reason="ticket_refused")
    # Who was there first is not disturbed.
    assert list(shard.rooms.rooms[meeting_id].members) == [a] and not page.closed
    assert shard.refused == ["a ticket was used twice"]


async def test_a_ticket_that_was_used_before_a_restart_is_used_up(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    ticket = shard.ticket(meeting_id, a)
    session_id = shard.rows.participant(a).session_id
    shard.rows.write("meetings.arrived", participant_id=a, session_id=session_id, at_us=now_us())
    page = await shard.knock(ticket)
    await page.hears("end", reason="ticket_refused")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"expires_us": 1}, "ticket_refused"),
        ({"action": "live"}, "not_allowed"),
        ({"meeting_id": "mtg_none"}, "ended"),
        ({"participant_id": "mpt_none"}, "removed"),
        ({"session_id": "ses_other"}, "replaced"),
    ],
)
async def test_a_ticket_for_something_else_opens_nothing(
    shard: Shard, changed: dict[str, object], reason: str
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.knock(shard.ticket(meeting_id, a, changed))
    told = await page.hears("end", reason=reason)
    assert told["message"]
    assert shard.rooms.rooms[meeting_id].members == {}


async def test_a_forged_ticket_is_written_down(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    shard.signer = TicketSigner(b"another" * 5)
    page = await shard.knock(shard.ticket(meeting_id, a))
    await page.hears("end", reason="ticket_refused")
    assert shard.refused == ["the ticket's signature is wrong"]


async def test_what_was_withdrawn_ends_and_stays_out(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, microphone=True)
    session_id = shard.rows.participant(a).session_id
    assert shard.rooms.revoke([session_id], "revoked") == 1
    await page.hears("end", reason="revoked")


async def test_garbage_is_answered_and_harms_nobody(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    good = await shard.join(meeting_id, a, microphone=True)
    bad = await shard.knock(shard.ticket(meeting_id, b))
    await bad.hears("room")
    await bad.say_text("no JSON")
    assert "JSON" in (await bad.hears("error", code="message_refused"))["message"]
    await bad.say(type="offer", sdp="v=0\r\nm=nonsense", sends={})
    await bad.hears("error", code="offer_malformed")
    await bad.say(type="view", tiles=[{"slot": "none", "participant_id": a, "height_px": 1}])
    # One that is right after all this is taken.
    await bad.connect()
    await bad.listens_to(good)
    await bad.say(type="offer", sdp=bad.site.offer, sends={})
    await bad.until(lambda: "one offer" in str(bad.newest("error")))


async def test_who_says_nothing_but_nonsense_is_sent_away(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.knock(shard.ticket(meeting_id, a))
    for _ in range(20):
        await page.say_text("{}")
    await page.hears("end", reason="errors")


async def test_who_floods_is_sent_away(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.knock(shard.ticket(meeting_id, a))
    for _ in range(1000):
        await page.say(type="ping")
        if page.closed:
            break
    await page.hears("end", reason="flood")


async def test_what_a_page_sends_in_a_section_that_it_did_not_name_is_not_forwarded(
    shard: Shard,
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.knock(shard.ticket(meeting_id, a))
    # The microphone's section as the camera: kinds do not fit, so it carries nothing.
    await page.say(type="offer", sdp=page.site.offer, sends={"mic": "camera"})
    await page.site.connect((await page.hears("answer"))["sdp"])
    await page.say(type="device", microphone=True, camera=True)
    page.talk()
    await shard.join(meeting_id, b)
    await page.sends(20)
    member = shard.rooms.rooms[meeting_id].members[a]
    assert member.publications == {}
    assert member.peer is not None
    assert [one.accepted for one in member.peer.publications] == [False, False]
