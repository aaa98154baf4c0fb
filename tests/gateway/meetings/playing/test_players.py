"""Footage that takes part in a meeting: as it was recorded, from where the row says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import groupby

import sqlalchemy as sa
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.rtp import RtpPacket

from camera_adapters.codecs.nal import iterate_nal_units, split_annex_b
from camera_adapters.stream import AccessUnit
from gateway.database.meeting_tables import meeting_recordings
from gateway.identifiers import now_us
from gateway.meetings.playing.sites import RecordingSites
from recorder.spool_header import RecordedSource
from tests.gateway.footage.conftest import START_US, Clip
from tests.gateway.meetings.a_shard import Page
from tests.gateway.meetings.playing.conftest import Cinema


def pictures(packets: list[RtpPacket]) -> list[list[bytes]]:
    """The NAL units of each whole picture, without parameter sets."""
    found = []
    for _, group in groupby(packets, key=lambda one: one.timestamp):
        whole = list(group)
        if not whole[-1].marker:
            continue
        data = b"".join(H264PayloadDescriptor.parse(one.payload)[1] for one in whole)
        found.append([one for one in split_annex_b(data) if one[0] & 31 not in (7, 8)])
    return found


def numbers(found: list[list[bytes]], clip: Clip) -> list[int]:
    """Which pictures of the clip these are."""
    known = {tuple(of_clip(unit)): number for number, unit in enumerate(video(clip))}
    return [known.get(tuple(one), -1) for one in found]


def video(clip: Clip) -> list[AccessUnit]:
    return [one for one in clip.units if one.track_index == 0]


def of_clip(unit: AccessUnit) -> list[bytes]:
    return [bytes(one) for one in iterate_nal_units(unit.payload)]


async def seen(page: Page, count: int) -> list[list[bytes]]:
    """So many pictures at least."""
    await page.site.until(lambda: len(pictures(page.site.in_slot("v0"))) >= count, 60)
    return pictures(page.site.in_slot("v0"))


async def test_footage_is_shown_as_it_was_recorded(cinema: Cinema, clip: Clip) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    # A keyframe stands there until somebody starts it.
    (still, *_) = await seen(page, 1)
    assert still == of_clip(video(clip)[0])
    await cinema.say(meeting_id, participant, state="playing")
    found = await seen(page, 50)
    assert numbers(found[:50], clip) == list(range(50))


async def test_paused_it_stands_still_and_goes_on_where_it_stood(
    cinema: Cinema, clip: Clip
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await seen(page, 20)
    await cinema.say(meeting_id, participant, state="paused")
    shown = len(await seen(page, 20))
    row = cinema.playback(participant)
    assert (row.state, row.position_us > 0) == ("paused", True)
    await cinema.say(meeting_id, participant, state="playing")
    found = await seen(page, shown + 20)
    # Not one picture is missing, and none comes twice.
    assert numbers(found, clip) == list(range(len(found)))


async def test_set_to_a_position_it_begins_at_the_keyframe_before(
    cinema: Cinema, clip: Clip
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await seen(page, 1)
    await cinema.say(meeting_id, participant, position_us=5_700_000)
    found = await seen(page, 2)
    assert numbers(found, clip) == [0, 125]
    # The row says where it really stands.
    await cinema.until(participant, position_us=5_000_000, state="paused")
    await cinema.say(meeting_id, participant, state="playing")
    found = await seen(page, 30)
    assert numbers(found, clip)[1:] == list(range(125, 124 + len(found)))


async def test_its_sound_is_heard_while_it_plays(cinema: Cinema, clip: Clip) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await page.site.until(lambda: len(page.sounds()) > 30, 60)
    recorded = [unit.payload for unit in clip.units if unit.track_index == 1]
    heard = [one.payload for one in page.sounds()]
    first = recorded.index(heard[0])
    assert heard == recorded[first : first + len(heard)]


async def test_at_its_end_it_stands_and_started_again_it_begins_anew(
    cinema: Cinema, clip: Clip
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(2)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    await cinema.until(participant, state="paused", position_us=2_000_000)
    assert numbers(await seen(page, 50), clip) == list(range(50))
    await cinema.say(meeting_id, participant, state="playing")
    assert numbers(await seen(page, 60), clip)[50:60] == list(range(10))


async def test_a_loop_begins_anew_by_itself(cinema: Cinema, clip: Clip) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(2, loop=True)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    found = numbers(await seen(page, 120), clip)
    assert found[:120] == [*range(50), *range(50), *range(20)]
    assert cinema.playback(participant).state == "playing"


async def test_time_without_footage_is_passed_over(cinema: Cinema, clip: Clip) -> None:
    """A night lies between two minutes: nobody waits for the morning."""
    first = [unit for unit in clip.units if unit.pts_90k < 90_000]
    await cinema.world.record(clip.tracks, first)
    night_us = 8 * 3600 * 1_000_000
    await cinema.world.record(clip.tracks, clip.units, start_us=START_US + night_us)
    meeting_id, village, participant = await cinema.footage(9 * 3600)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing")
    found = numbers(await seen(page, 60), clip)
    assert found[:60] == [*range(25), *range(35)]
    row = await cinema.until(participant, state="playing")
    assert row.position_us >= night_us


async def test_what_is_not_recorded_is_said(cinema: Cinema) -> None:
    _, _, participant = await cinema.footage(8)
    await cinema.until(participant, problem="nothing_recorded")


async def test_a_shard_that_comes_back_goes_on_where_the_row_says(
    cinema: Cinema, clip: Clip
) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await cinema.say(meeting_id, participant, state="playing", position_us=3_000_000)
    await seen(page, 10)
    await cinema.sites.close()
    before = len(pictures(page.site.in_slot("v0")))
    row = cinema.playback(participant)
    late = RecordingSites(cinema.shard.rooms, cinema.workings)
    late.reconcile()
    try:
        found = numbers(await seen(page, before + 5), clip)[before:]
    finally:
        await late.close()
    assert (row.state, row.position_us) == ("playing", 3_000_000)
    # A keyframe at or before where it had come to, and no earlier than where it was set.
    assert found[0] % 25 == 0
    assert found[0] >= 75


async def test_taken_out_it_is_gone_at_once(cinema: Cinema, clip: Clip) -> None:
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, village, participant = await cinema.footage(8)
    page = await cinema.looks(meeting_id, village, participant)
    await seen(page, 1)
    await cinema.shard.command("remove", meeting_id, participant_id=participant)
    assert len(cinema.sites) == 0
    assert participant not in cinema.shard.rooms.rooms[meeting_id].members


async def test_what_goes_out_bears_the_time_at_which_it_is_shown(
    cinema: Cinema, clip: Clip
) -> None:
    """By that a recording of the meeting is made: it never goes back, whatever the chair does."""
    await cinema.world.record(clip.tracks, clip.units)
    meeting_id, _, participant = await cinema.footage(8)
    room = cinema.shard.rooms.rooms[meeting_id]
    await cinema.shard.written(lambda: participant in room.members)
    feed = room.members[participant].feed
    assert feed is not None
    shown: list[AccessUnit] = []
    enough = asyncio.Event()

    class Taker:
        def on_run_started(self, tracks: object) -> None: ...

        def on_access_unit(self, unit: AccessUnit) -> None:
            shown.append(unit)
            enough.set()

        def on_interrupted(self, interruption: object) -> None: ...

        def on_closed(self) -> None: ...

    async def takes(count: int) -> None:
        wanted = len(shown) + count
        while len(shown) < wanted:
            enough.clear()
            await asyncio.wait_for(enough.wait(), 30)

    feed.stream.attach(Taker())
    for said in (
        {"state": "playing"}, {"state": "paused"}, {"state": "playing", "position_us": 5_000_000},
        {"position_us": 1_000_000}, {"position_us": 6_500_000, "loop": True},
    ):  # fmt: skip
        await cinema.say(meeting_id, participant, **said)
        if said.get("state") != "paused":
            await takes(25)
    for index in (0, 1):
        own = [unit for unit in shown if unit.track_index == index]
        assert [unit.dts_90k for unit in own] == sorted(unit.dts_90k for unit in own)
        assert [unit.wall_us for unit in own] == sorted(unit.wall_us for unit in own)
    assert abs(shown[-1].wall_us - now_us()) < 5_000_000


async def test_a_recorded_meeting_is_played_in_another(cinema: Cinema, clip: Clip) -> None:
    world = cinema.world
    earlier = cinema.rows.called()
    source_id = f"{earlier}/program"
    await world.rows.write("recorder.assign", source_id=source_id, owner="shard-1", now_us=now_us())
    writer = await world.recorder.copy(RecordedSource(source_id, "meeting", earlier, "program", 1))
    writer._filmed_now = False
    writer.on_run_started(clip.tracks)
    for unit in clip.units:
        writer.on_access_unit(replace(unit, wall_us=START_US + unit.pts_90k * 100 // 9))
    world.recorder.end_copy(writer)
    assert await world.recorder.uploader.drain(30)
    length_us = 8_000_000
    with cinema.rows.engine.begin() as connection:
        connection.execute(
            sa.insert(meeting_recordings).values(
                id="rec_1", meeting_id=earlier, started_us=START_US, ended_us=START_US + length_us
            )
        )
    meeting_id, village, participant = await cinema.bring(
        source="meeting", recording_id="rec_1", start_us=START_US,
        end_us=START_US + length_us, length_us=length_us,
    )  # fmt: skip
    page = await cinema.looks(meeting_id, village, participant)
    await seen(page, 1)
    await cinema.say(meeting_id, participant, state="playing")
    found = numbers(await seen(page, 30), clip)
    assert found[:30] == list(range(30))
