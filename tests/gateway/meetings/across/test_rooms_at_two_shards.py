"""One meeting at two shards, in this process: real rows, real pages, real channels between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.database.meeting_tables import meeting_attendance, meeting_floor
from gateway.identifiers import now_us
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Page, Shard, a_shard

pytestmark = pytest.mark.timeout(120)
HOME, OTHER = "shard-1", "shard-2"


@pytest.fixture
async def home(rows: Rows, tmp_path: Path) -> AsyncIterator[Shard]:
    async with a_shard(rows, name=HOME, sockets=tmp_path) as made:
        yield made


@pytest.fixture
async def other(rows: Rows, tmp_path: Path) -> AsyncIterator[Shard]:
    async with a_shard(rows, name=OTHER, sockets=tmp_path) as made:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def join(shards: list[Shard], meeting_id: str, who: str, **device: bool) -> Page:
    """Join where there is a place: one site at each shard, as long as one has none."""
    places = {"shards": [one.name for one in shards], "sites_per_shard": 1}
    ticket = shards[0].ticket(meeting_id, who, **places)
    name = shards[0].rows.participant(who).shard or HOME
    (shard,) = [one for one in shards if one.name == name]
    page = await shard.knock(ticket)
    await page.hears("room")
    await page.connect(**device)
    return page


def streams(shard: Shard) -> dict[str, int]:
    """How many it is sent now, by the shard that sends."""
    assert shard.media is not None
    return {peer: figures["streams"] for peer, figures in shard.media.figures().items()}


def figures(shard: Shard) -> dict[str, int]:
    assert shard.links is not None
    return shard.links.figures()


def as_told(page: Page, participant_id: str) -> dict[str, Any]:
    """What a page knows of somebody."""
    known: dict[str, Any] = {}
    for message in page.told:
        for one in message.get("participants", ()):
            if one["id"] == participant_id:
                known |= one
    return known


async def test_people_at_two_shards_see_and_hear_one_another_once_for_each_shard(
    home: Shard, other: Shard, rows: Rows
) -> None:
    shards = [home, other]
    meeting_id, (a, b, c) = await home.running("a", "b", "c")
    first = await join(shards, meeting_id, a, camera=True, microphone=True)
    second = await join(shards, meeting_id, b, camera=True, microphone=True)
    third = await join(shards, meeting_id, c)
    assert [rows.participant(one).shard for one in (a, b, c)] == [None, OTHER, None]
    await home.command("layout", meeting_id, layout="grid")
    await other.rooms.reconcile()

    await first.look(("v0", b))
    await third.look(("v0", a), ("v1", b))
    await second.look(("v0", a))
    await first.sees(second, "v0")
    await third.sees(first, "v0")
    await third.sees(second, "v1")
    await second.sees(first, "v0")
    await first.listens_to(second)
    await second.listens_to(first)
    await third.listens_to(second)
    # Two look at it and hear it: it came once.
    assert streams(home) == {OTHER: 2}
    assert streams(other) == {HOME: 2}
    assert (figures(home)["meeting_links"], figures(other)["meetings_cut_off"]) == (1, 0)

    # Each page knows of everybody what its own shard's pages know.
    await second.until(lambda: as_told(second, a).get("state") == "connected")
    await first.until(lambda: (as_told(first, b).get("device") or {}).get("camera") is True)
    # Each is written down once, by the shard where they sit.
    for one in (a, b, c):
        await home.written(lambda one=one: len(rows.spans(one)) == 1)

    # What nobody looks at any more comes no more.
    await first.look()
    await third.look()
    await home.command("layout", meeting_id, layout="screen")
    await home.command("mute", meeting_id, participant_ids=[b], muted=True)
    await other.rooms.reconcile()
    await until(lambda: home.rooms.rooms[meeting_id].decided.heard == (a,))
    await until(lambda: streams(home)[OTHER] < 2)


async def test_what_the_chair_decides_holds_at_both(home: Shard, other: Shard, rows: Rows) -> None:
    shards = [home, other]
    meeting_id, (a, b, _) = await home.running("a", "b", "c")
    first = await join(shards, meeting_id, a, camera=True)
    second = await join(shards, meeting_id, b, camera=True)
    await first.look(("v0", None))
    await second.look(("v0", None))

    async def command(operation: str, **arguments: Any) -> None:
        await home.command(operation, meeting_id, **arguments)
        await other.rooms.reconcile()

    await command("pin", participant_id=b, kind="camera")
    await first.sees(second, "v0")
    decided = home.rooms.rooms[meeting_id].decided
    await until(lambda: other.rooms.rooms[meeting_id].decided.program == decided.program)
    # The turn is written once, by the home.
    table = meeting_floor
    await home.written(
        lambda: (
            [
                one.participant_id
                for one in rows.all(
                    table, table.c.meeting_id == meeting_id, table.c.why == "pinned"
                )
            ]
            == [b]
        )
    )
    await command("remove", participant_id=b)
    await second.hears("end", reason="removed")
    await until(lambda: b not in home.rooms.rooms[meeting_id].members)


async def test_a_ticket_opens_its_own_shard_alone(home: Shard, other: Shard, rows: Rows) -> None:
    shards = [home, other]
    meeting_id, (a, b, _) = await home.running("a", "b", "c")
    await join(shards, meeting_id, a)
    places = {"shards": [HOME, OTHER], "sites_per_shard": 1}
    wrong = await home.knock(home.ticket(meeting_id, b, {"relay": OTHER}, **places))
    assert (await wrong.hears("end"))["reason"] == "not_allowed"
    unnamed = await home.knock(home.ticket(meeting_id, b, **places))
    assert (await unnamed.hears("end"))["reason"] == "moved"


async def test_a_home_that_is_gone_leaves_people_by_themselves_until_it_is_back(
    home: Shard, other: Shard, rows: Rows, tmp_path: Path
) -> None:
    shards = [home, other]
    meeting_id, (a, b, _) = await home.running("a", "b", "c")
    await join(shards, meeting_id, a, camera=True)
    second = await join(shards, meeting_id, b, camera=True)
    room = other.rooms.rooms[meeting_id]
    await until(lambda: a in room.members)
    assert home.server is not None
    await home.server.close()
    await until(lambda: figures(other)["meetings_cut_off"] == 1)
    await until(lambda: a not in room.members)
    await second.until(lambda: as_told(second, a).get("state") == "left")
    # They decide for themselves.
    await until(lambda: [one.participant_id for one in room.decided.program] == [])
    assert second.newest("end") is None
    await home.server.start()
    await until(lambda: a in room.members)
    assert figures(other)["meetings_cut_off"] == 0


async def test_a_shard_that_is_gone_loses_its_seats_and_nobody_elses(
    home: Shard, other: Shard, rows: Rows
) -> None:
    shards = [home, other]
    meeting_id, (a, b, _) = await home.running("a", "b", "c")
    await join(shards, meeting_id, a)
    await join(shards, meeting_id, b)
    for one in (a, b):
        await home.written(lambda one=one: rows.participant(one).state == "connected")
    # What the other says of those whom it holds ends nobody's presence at the home.
    rows.write("meetings.seen", shard=OTHER, session_ids=[], at_us=now_us())
    assert [rows.participant(one).state for one in (a, b)] == ["connected", "left"]
    rows.write("meetings.unseat", meeting_id=meeting_id, shard=OTHER)
    assert rows.participant(b).shard is None
    open_spans = rows.all(meeting_attendance, meeting_attendance.c.left_us.is_(None))
    assert [one.participant_id for one in open_spans] == [a]
    again = home.ticket(meeting_id, b, shards=[HOME, "shard-3"], sites_per_shard=1)
    assert rows.participant(b).shard == "shard-3"
    del again


async def test_a_new_home_is_linked_to_and_who_sits_elsewhere_stays(
    home: Shard, other: Shard, rows: Rows, tmp_path: Path
) -> None:
    meeting_id, (a, b, c) = await home.running("a", "b", "c")
    first = await join([home, other], meeting_id, a, camera=True)
    second = await join([home, other], meeting_id, b, camera=True)
    room = other.rooms.rooms[meeting_id]
    await until(lambda: a in room.members)
    async with a_shard(rows, name="shard-3", sockets=tmp_path) as third:
        # As when the home is gone.
        rows.write("meetings.lost", meeting_id=meeting_id)
        assert rows.participant(b).state == "connected"
        await home.command("move", meeting_id, shard="shard-3", gone=HOME)
        await first.hears("end", reason="moved")
        for shard in (third, other):
            await shard.rooms.reconcile()
        new = await third.knock(third.ticket(meeting_id, c))
        await new.hears("room")
        await new.connect(camera=True)
        await new.look(("v0", None))
        await home.command("pin", meeting_id, participant_id=b, kind="camera")
        for shard in (third, other):
            await shard.rooms.reconcile()
        await new.sees(second, "v0")
        assert other.rooms.rooms[meeting_id] is room
        assert second.newest("end") is None
        assert figures(other)["meetings_cut_off"] == 0


async def test_a_shard_that_becomes_the_home_begins_its_room_anew(
    home: Shard, other: Shard, rows: Rows
) -> None:
    meeting_id, (a, b, _) = await home.running("a", "b", "c")
    await join([home, other], meeting_id, a)
    second = await join([home, other], meeting_id, b)
    await home.command("move", meeting_id, shard=OTHER, gone=HOME)
    await other.rooms.reconcile()
    await second.hears("end", reason="moved")
    assert rows.participant(b).shard is None
    assert other.rooms.rooms[meeting_id].leads
    await until(lambda: figures(other)["meetings_seated_here"] == 0)
