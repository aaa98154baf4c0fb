"""A recording that is played in a meeting whose people sit at two shards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.gateway.footage.conftest import Clip
from tests.gateway.meetings.a_shard import NAME, Page, Shard, a_shard
from tests.gateway.meetings.playing.conftest import Cinema
from tests.gateway.meetings.playing.test_players import numbers, seen
from tests.peers.meeting_site import MeetingSite

OTHER = "shard-2"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def looks_at(other: Shard, cinema: Cinema, meeting_id: str, participant: str) -> Page:
    """A page of the other shard that looks at it."""
    (village,) = cinema.rows.invite(meeting_id, "b")
    places = {"shards": [NAME, OTHER], "sites_per_shard": 1}
    ticket = cinema.shard.ticket(meeting_id, village, **places)
    assert cinema.rows.participant(village).shard == OTHER
    page = await other.knock(ticket, MeetingSite(video_slots=1, sound_slots=1))
    await page.hears("room")
    await page.connect()
    await page.look(("v0", participant))
    return page


async def test_it_is_seen_by_who_sits_elsewhere_and_comes_once(
    cinema: Cinema, clip: Clip, tmp_path: Path
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    await cinema.looks(meeting_id, village, participant)
    async with a_shard(cinema.rows, name=OTHER, sockets=tmp_path) as other:
        assert other.media is not None
        first = await looks_at(other, cinema, meeting_id, participant)
        await cinema.say(meeting_id, participant, state="playing")
        shown = numbers(await seen(first, 25), clip)
        assert shown == list(range(shown[0], shown[0] + len(shown)))
        assert other.media.figures()[NAME]["streams"] == 1

        # Whoever takes it out takes it out everywhere.
        room = other.rooms.rooms[meeting_id]
        assert participant in room.members
        await cinema.shard.command("remove", meeting_id, participant_id=participant)
        await other.rooms.reconcile()
        assert participant not in room.members
        await until(lambda: other.media is not None and not other.media.figures()[NAME]["streams"])


async def test_it_goes_when_the_home_cannot_be_reached_and_comes_again(
    cinema: Cinema, clip: Clip, tmp_path: Path
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8, loop=True)
    await cinema.looks(meeting_id, village, participant)
    async with a_shard(cinema.rows, name=OTHER, sockets=tmp_path) as other:
        page = await looks_at(other, cinema, meeting_id, participant)
        await cinema.say(meeting_id, participant, state="playing")
        await seen(page, 5)
        room, server = other.rooms.rooms[meeting_id], cinema.shard.server
        assert server is not None
        await server.close()
        await until(lambda: participant not in room.members)
        await server.start()
        await until(lambda: participant in room.members)
        known = len(await seen(page, 1))
        await seen(page, known + 10)
