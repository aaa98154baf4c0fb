"""A running meeting, seen from its pages: who sees and hears whom, and who never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_floor, roll_call_answers
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Page, Shard, a_shard, marks
from tests.peers.meeting_site import MeetingSite


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


async def test_two_villages_see_and_hear_each_other(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    here = await shard.join(meeting_id, a, camera=True, microphone=True)
    there = await shard.join(meeting_id, b, camera=True, microphone=True)
    await here.look(("v0", b))
    await there.look(("v1", a))
    await here.sees(there, "v0")
    await there.sees(here, "v1")
    await here.listens_to(there)
    await there.listens_to(here)
    # Nobody is sent themselves, nor what they did not ask for.
    assert here.mark not in marks(here.sounds() + here.pictures())
    assert marks(here.site.in_slot("v1")) == set()
    tiles = await here.hears("tiles", slots=[
        {"slot": "v0", "participant_id": b, "kind": "camera", "layer": ""}
    ])  # fmt: skip
    assert tiles
    await shard.written(lambda: len(shard.rows.spans(b)) == 1)
    assert shard.rows.participant(b).state == "connected"


async def test_muted_by_the_chair_nothing_is_heard_however_loud_a_client_goes_on(
    shard: Shard,
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    here = await shard.join(meeting_id, a)
    there = await shard.join(meeting_id, b, microphone=True)
    await here.listens_to(there)
    await shard.command("mute", meeting_id, participant_ids=[b], muted=True)
    await there.hears("muted", by="chair")
    source = shard.rooms.rooms[meeting_id].members[b].publications["microphone"]
    assert not source.accepted
    # What was on its way has arrived once a packet that was sent later is here.
    await _round_trip(here)
    before = len(here.sounds())
    await _talks_on(there)
    assert len(here.sounds()) == before
    await shard.command("mute", meeting_id, participant_ids=[b], muted=False)
    await here.site.until(lambda: len(here.sounds()) > before, 30)


async def test_in_the_lobby_nothing_goes_either_way_until_one_is_let_in(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b", lobby=True)
    shard.write("admit", meeting_id, participant_ids=[a], user_id="x")
    here = await shard.join(meeting_id, a, camera=True, microphone=True)
    waiting = await shard.join(meeting_id, b, camera=True, microphone=True)
    lobby = await waiting.hears("room")
    assert lobby["you"]["state"] == "lobby"
    assert [one["id"] for one in lobby["participants"]] == [b]
    assert "floor" not in lobby["meeting"]
    await here.look(("v0", b))
    await waiting.look(("v0", a))
    await shard.written(lambda: shard.rows.participant(b).state == "lobby")
    await _talks_on(waiting)
    await _talks_on(here)
    assert (here.pictures(), here.sounds()) == ([], [])
    assert (waiting.pictures(), waiting.sounds()) == ([], [])
    assert shard.rows.spans(b) == []
    await shard.command("admit", meeting_id, participant_ids=[b], user_id="x")
    await here.sees(waiting, "v0")
    await waiting.sees(here, "v0")
    await here.listens_to(waiting)
    assert len((await waiting.hears("room"))["participants"]) == 3


async def test_who_is_removed_hears_no_more_from_that_moment_and_comes_not_back(
    shard: Shard,
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    here = await shard.join(meeting_id, a, camera=True, microphone=True)
    there = await shard.join(meeting_id, b, camera=True, microphone=True)
    await there.look(("v0", a))
    await here.look(("v0", b))
    await there.sees(here, "v0")
    await here.sees(there, "v0")
    ticket = shard.ticket(meeting_id, b)
    await shard.command("remove", meeting_id, participant_id=b)
    await there.hears("end", reason="removed")
    await there.until(lambda: there.closed)
    member = shard.rooms.rooms[meeting_id].members[a]
    assert member.pictures["v0"].showing is None
    again = await shard.knock(ticket)
    await again.hears("end", reason="removed")
    assert b not in shard.rooms.rooms[meeting_id].members
    await shard.written(lambda: all(span.left_us for span in shard.rows.spans(b)))


async def test_who_refused_the_call_is_let_in_when_they_join_after_all(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    here = await shard.join(meeting_id, a)
    shard.rows.write("meetings.refused_call", participant_id=b, why="busy")
    await shard.rooms.reconcile()
    there = await shard.join(meeting_id, b, camera=True, microphone=True)
    await here.look(("v0", b))
    await here.sees(there, "v0")
    await shard.written(lambda: shard.rows.participant(b).state == "connected")


async def test_no_packet_of_one_room_reaches_another(shard: Shard) -> None:
    """Two meetings, and in each a page that wishes for the other's participants."""
    one, (a, b) = await shard.running("a", "b")
    other, (c, d) = await shard.running("c", "town")
    pages = {
        participant_id: await shard.join(meeting_id, participant_id, camera=True, microphone=True)
        for meeting_id, participant_id in ((one, a), (one, b), (other, c), (other, d))
    }
    for participant_id, page in pages.items():
        others = [one for one in pages if one != participant_id]
        await page.look(*zip(("v0", "v1", "v2"), others, strict=True))
    fellows = {a: b, b: a, c: d, d: c}
    for participant_id, fellow in fellows.items():
        page = pages[participant_id]
        slot = [one for one in pages if one != participant_id].index(fellow)
        await page.sees(pages[fellow], f"v{slot}")
        await page.listens_to(pages[fellow])
    for _ in range(3):
        for page in pages.values():
            await _talks_on(page)
    for participant_id, page in pages.items():
        assert marks(page.pictures()) == {pages[fellows[participant_id]].mark}
        assert marks(page.sounds()) == {pages[fellows[participant_id]].mark}
    told = [one for one in pages[a].told if one["type"] in ("room", "changed")]
    known = {document["id"] for one in told for document in one["participants"]}
    assert not known & {c, d}


async def test_who_comes_late_sees_the_picture_that_is_there(shard: Shard) -> None:
    meeting_id, (a, b, c) = await shard.running("a", "b", "c")
    sender = await shard.join(meeting_id, a, camera=True)
    first = await shard.join(meeting_id, b)
    await first.look(("v0", a))
    await first.sees(sender, "v0")
    late = await shard.join(meeting_id, c)
    await late.look(("v0", a))
    await late.sees(sender, "v0")
    # From a keyframe on: a decoder can begin with the first packet.
    assert late.site.in_slot("v0")[0].payload[0] & 31 in (7, 24, 5)


async def test_the_chair_decides_what_everybody_sees(shard: Shard) -> None:
    meeting_id, (a, b, c) = await shard.running("a", "b", "c")
    await shard.command("layout", meeting_id, layout="speaker")
    one = await shard.join(meeting_id, a, camera=True)
    two = await shard.join(meeting_id, b, camera=True)
    watcher = await shard.join(meeting_id, c)
    # Its wish for one of them is no more than a place for the program.
    await watcher.look(("v0", b))
    await shard.command("give_floor", meeting_id, participant_id=a, given=True)
    await watcher.sees(one, "v0")
    await shard.command("pin", meeting_id, participant_id=b, kind="camera")
    await watcher.sees(two, "v0")
    changed = await watcher.hears("changed")
    await watcher.until(lambda: _program(watcher) == {"participant_id": b, "kind": "camera",
                                                      "why": "pinned"})  # fmt: skip
    assert changed
    table = meeting_floor
    await shard.written(lambda: len(shard.rows.all(table, table.c.participant_id == b)) == 1)
    turns = shard.rows.all(table, table.c.meeting_id == meeting_id)
    assert [turn.end_us is None for turn in turns if turn.participant_id == a] == [False]
    assert [turn.why for turn in turns if turn.participant_id == b] == ["pinned"]


async def test_pages_are_told_whose_turn_it_is_and_who_is_next(shard: Shard) -> None:
    meeting_id, (a, b, c) = await shard.running("a", "b", "c")
    one = await shard.join(meeting_id, a, camera=True)
    watcher = await shard.join(meeting_id, b, camera=True)
    await shard.command("polling", meeting_id, interval_s=600, area_id=None)

    def turn() -> tuple[str | None, str | None]:
        polling = _newest(watcher, "polling") or {}
        return polling.get("current_id"), polling.get("next_id")

    await watcher.until(lambda: turn() == (a, b))
    assert _newest(watcher, "polling")["interval_s"] == 600
    await watcher.until(lambda: (_program(watcher) or {}).get("why") == "polling")
    late = await shard.join(meeting_id, c, camera=True)
    # Who leaves in their turn makes room at once.
    await one.close()
    await watcher.until(lambda: turn() == (b, c))
    await late.close()
    await watcher.until(lambda: turn() == (b, None))
    await shard.command("polling", meeting_id, interval_s=None, area_id=None)
    await watcher.until(lambda: _newest(watcher, "polling") is None)


async def test_an_uplink_that_nobody_sees_is_paused(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    sender = await shard.join(meeting_id, a, camera=True, microphone=True)
    await sender.hears("send", layers={"mic": [""], "cam": []})
    watcher = await shard.join(meeting_id, b)
    await watcher.look(("v0", a))
    await sender.hears("send", layers={"mic": [""], "cam": [""]})
    await watcher.look()
    before = len([one for one in sender.told if one["type"] == "send"])
    await sender.until(lambda: len([x for x in sender.told if x["type"] == "send"]) > before)
    assert sender.newest("send") == {"type": "send", "layers": {"mic": [""], "cam": []}}


async def test_whoever_has_just_left_holds_up_nobodys_pictures(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    await shard.join(meeting_id, a, camera=True)
    watcher = await shard.join(meeting_id, b)
    await watcher.look(("v0", a))
    room = shard.rooms.rooms[meeting_id]
    leaving, staying = room.members[a], room.members[b]
    await watcher.until(lambda: bool(staying.wants))
    room.leave(leaving, "closed")
    # Before it is taken down who can be seen, as when hundreds go at once.
    room._stage.touch(staying)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert staying.wants == frozenset()


async def test_of_simulcast_only_the_layer_that_fills_the_tile_is_sent(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    site = MeetingSite(qualities=("l", "m", "h"), video_slots=1, sound_slots=1)
    sender = await shard.join(meeting_id, a, site, camera=False)
    await sender.say(type="device", camera=True)
    for rid in "lmh":
        sender.film(rid)
    watcher = await shard.join(meeting_id, b)
    await watcher.look(("v0", a), height_px=180)
    await sender.hears("send", layers={"mic": [""], "cam": ["l"]})
    await watcher.sees(sender, "v0")
    await watcher.look(("v0", a), height_px=720)
    await sender.until(lambda: "h" in (sender.newest("send") or {})["layers"]["cam"])
    await sender.hears("send", layers={"mic": [""], "cam": ["h"]})


async def test_a_roll_call_asks_on_the_spot_and_takes_the_answer_there(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, a)
    other = await shard.join(meeting_id, b)
    roll_call_id = shard.rows.write(
        "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="点名", user_id="x",
        late_after_s=300,
    )  # fmt: skip
    await shard.rooms.reconcile()
    await other.say(type="answer_call")
    assert (await other.hears("answered"))["counted"] is False
    shard.rows.write("roll_calls.call", roll_call_id=roll_call_id, participant_id=a)
    await shard.rooms.reconcile()
    called = await page.hears("called")
    assert called == {"type": "called", "roll_call_id": roll_call_id, "participant_id": a}
    await page.say(type="answer_call")
    table = roll_call_answers

    def answered(participant_id: str) -> bool:
        (row,) = shard.rows.all(table, table.c.participant_id == participant_id)
        return row.answered_us is not None

    await shard.written(lambda: answered(a))
    # Whoever answered is told so when it is written down, and may say it twice.
    said = {"type": "answered", "roll_call_id": roll_call_id, "counted": True}
    assert await page.hears("answered") == said
    # Who was not asked has proved nothing by answering.
    assert not answered(b)
    assert other.newest("called") is None


async def test_what_is_written_to_all_is_shown_to_all_at_once_and_to_one_to_nobody_else(
    shard: Shard,
) -> None:
    meeting_id, (a, b, c) = await shard.running("a", "b", "c", lobby=True)
    shard.write("admit", meeting_id, participant_ids=[a, b], user_id="x")
    one, other = await shard.join(meeting_id, a), await shard.join(meeting_id, b)
    waiting = await shard.join(meeting_id, c)
    by = {"participant_id": a, "user_id": None, "author": "甲村"}
    await shard.command("say", meeting_id, columns={**by, "text": "水位"})
    said = (await other.hears("message"))["message"]
    assert (said["text"], said["name"], said["participant_id"]) == ("水位", "甲村", a)
    assert (await one.hears("message"))["message"] == said
    to_one = {**by, "text": "only you", "to_participant_id": b}
    await shard.command("say", meeting_id, columns=to_one)
    await other.until(lambda: "only you" in str(other.newest("message")))
    await shard.command("say", meeting_id, columns={**by, "participant_id": b, "text": "to a",
                                                    "to_participant_id": b})  # fmt: skip
    await _round_trip(one)
    assert "to a" not in str(one.told) and waiting.newest("message") is None
    # Nobody is sent to fetch what is not for them: the number is that of the newest to all.
    assert shard.rooms.rooms[meeting_id].state.newest_message == said["id"]


async def test_what_was_said_is_not_lost_when_it_could_not_be_read(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, b)
    other_id, _ = await shard.running("c")
    reader = shard.rooms._reader
    read, failures = reader.messages, [1]

    async def fails_once(meeting_id: str, after: int) -> Any:
        if failures:
            failures.pop()
            raise sa.exc.OperationalError("SELECT", {}, Exception("away"))
        return await read(meeting_id, after)

    monkeypatch.setattr(reader, "messages", fails_once)
    columns = {"participant_id": a, "user_id": None, "author": "a", "text": "to b",
               "to_participant_id": b}  # fmt: skip
    shard.write("say", meeting_id, columns=columns)
    shard.write("lock", other_id, locked=True)
    # Those behind it are not kept waiting.
    await page.hears("message")
    assert shard.rooms.rooms[other_id].state.locked


async def test_pages_are_told_where_everybody_is_and_need_not_ask(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a)
    assert _document(page, a)["area_path"] == ["town", "a"]


async def test_the_same_participant_again_takes_the_place_of_the_first(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    first = await shard.join(meeting_id, a, microphone=True)
    listener = await shard.join(meeting_id, b)
    await listener.listens_to(first)
    second = await shard.join(meeting_id, a, microphone=True)
    await first.hears("end", reason="replaced")
    await listener.listens_to(second)
    await shard.written(lambda: len(shard.rows.spans(a)) == 2)
    left, here = shard.rows.spans(a)
    assert left.left_us is not None and here.left_us is None
    assert shard.rows.participant(a).state == "connected"


async def test_when_the_page_is_closed_the_rows_say_so(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, a)
    other = await shard.join(meeting_id, b)
    await shard.written(lambda: bool(shard.rows.spans(a)))
    await page.close()
    await shard.written(lambda: shard.rows.participant(a).state == "left")
    (span,) = shard.rows.spans(a)
    assert span.reason == "closed" and span.connected_us <= span.left_us
    await other.until(lambda: _document(other, a)["state"] == "left")


async def test_a_meeting_that_ends_ends_for_all_and_one_that_moves_says_come_again(
    shard: Shard,
) -> None:
    ended, (a,) = await shard.running("a")
    moved, (b,) = await shard.running("b")
    here, there = await shard.join(ended, a), await shard.join(moved, b)
    await shard.command("end", ended, reason="chair")
    await here.hears("end", reason="ended")
    await shard.command("move", moved, shard="shard-2", gone="shard-1")
    await there.hears("end", reason="moved")
    assert shard.rooms.rooms == {}


def _document(page: Page, participant_id: str) -> dict[str, Any]:
    """What the page knows of a participant by now."""
    documents = [
        one
        for message in page.told
        if message["type"] in ("room", "changed")
        for one in message["participants"]
        if one["id"] == participant_id
    ]
    return {key: value for document in documents for key, value in document.items()}


def _program(page: Page) -> Any:
    return _newest(page, "program")


def _newest(page: Page, name: str) -> Any:
    """What the page was told last of this of the meeting."""
    told = [one["meeting"] for one in page.told if one["type"] == "changed" and "meeting" in one]
    return next((one[name] for one in reversed(told) if name in one), None)


async def _talks_on(page: Page) -> None:
    """Until the page has sent some more, and the shard has read it and sent what it would."""
    await page.sends(20)
    await _round_trip(page)
    await _round_trip(page)


async def _round_trip(page: Page) -> None:
    """Until the shard has answered something that was said now."""
    before = len([one for one in page.told if one["type"] == "pong"])
    await page.say(type="ping")
    await page.until(lambda: len([one for one in page.told if one["type"] == "pong"]) > before)
