"""A shard records what browsers send it over DTLS and SRTP: all of it, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.rtp.packetise_h264 import payloads
from gateway.meetings.recording.recording import MeetingRecording
from recorder.lookup import segment_from_row
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.tables import runs, segments
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.a_shard import NAME, Page, Shard, a_shard
from tests.gateway.meetings.recording.conftest import Film
from tests.peers.media_file import decoded_frames

STEP_S = 0.04
PACKETS = 2


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as county:
        yield county


@dataclass
class Recorded:
    """A shard whose meetings are recorded."""

    shard: Shard
    recorder: Recorder
    recording: MeetingRecording
    folder: Path

    async def stored(self) -> None:
        assert await self.recorder.uploader.drain(30)

    def frames(self, source_id: str) -> dict[str, int]:
        """By codec, as a decoder counts them in the store."""
        total: dict[str, int] = {}
        for row in self.shard.rows.all(segments, segments.c.source_id == source_id):
            path = self.folder / "store" / segment_from_row(row).store_key
            for codec, count in decoded_frames(path).items():
                total[codec] = total.get(codec, 0) + count
        return total


@contextlib.asynccontextmanager
async def a_recorded_shard(rows: Rows, folder: Path) -> AsyncIterator[Recorded]:
    writer = LocalRowWriter(rows.engine)
    store = DirectoryStore(DirectoryStoreConfig(folder / "store"))
    config = RecorderConfig(SpoolConfig(folder / "spool", fsync_interval_s=0.05), segment_s=60)
    recorder = Recorder(config, writer, store)
    await recorder.start()
    recording = MeetingRecording(recorder, writer, NAME, SteadyClock().now_us)
    async with a_shard(rows) as shard:
        shard.rooms.on_room(recording.room_opened)
        turning = asyncio.create_task(recording.run())
        try:
            yield Recorded(shard, recorder, recording, folder)
        finally:
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)
            await recording.close()
    await recorder.close()
    writer.close()


async def send(page: Page, film: Film, *, seconds: float) -> tuple[int, int]:
    """Send real footage and a voice, as fast as it was filmed; gives how many of each."""
    track, gops = film
    camera, microphone = page.site.camera(), page.site.microphone()
    pictures = [unit for gop in gops for unit in gop]
    sent = sounds = 0
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for step in range(round(seconds / STEP_S)):
        unit = pictures[step % len(pictures)]
        parts = payloads(unit.payload, track.parameter_sets if unit.keyframe else (), 1150)
        whole = [bytes(head) + bytes(body) for head, body in parts]
        camera.send(*whole, ticks=round(90_000 * STEP_S))
        sent += 1
        for _ in range(PACKETS):
            microphone.send(b"\x48" + bytes(20), ticks=960, level=20 | 0x80)
            sounds += 1
        await asyncio.sleep(max(0.0, start_s + (step + 1) * STEP_S - loop.time()))
    return sent, sounds


async def sends(page: Page) -> None:
    await page.connect()
    await page.say(type="device", camera=True, microphone=True)


async def test_the_recording_equals_what_was_sent_within_one_gop(
    rows: Rows, tmp_path: Path, films: tuple[Film, Film]
) -> None:
    film = films[0]
    gop = len(film[1][0])
    async with a_recorded_shard(rows, tmp_path) as recorded:
        shard = recorded.shard
        meeting_id, (one,) = await shard.running("a", records=True)
        page = await shard.knock(shard.ticket(meeting_id, one))
        await page.hears("room")
        await sends(page)
        await shard.command("give_floor", meeting_id, participant_id=one, given=True)
        sent, sounds = await send(page, film, seconds=4)
        await asyncio.sleep(1)
        await shard.command("record", meeting_id, on=False, by=None)
        recorded.recording._rooms[meeting_id].turn()
        await recorded.stored()
        program = recorded.frames(f"{meeting_id}/program")
        voice = recorded.frames(f"{meeting_id}/{one}/microphone")
    assert sent - gop <= program["h264"] <= sent
    # Who has the floor is heard from the first word on, as soon as it is known whose it is.
    assert sounds - 50 <= voice["opus"] <= sounds


async def test_a_change_of_the_floor_changes_the_program_at_a_keyframe(
    rows: Rows, tmp_path: Path, films: tuple[Film, Film]
) -> None:
    async with a_recorded_shard(rows, tmp_path) as recorded:
        shard = recorded.shard
        meeting_id, (one, other) = await shard.running("a", "b", records=True)
        pages = []
        for participant_id in (one, other):
            page = await shard.knock(shard.ticket(meeting_id, participant_id))
            await page.hears("room")
            await sends(page)
            pages.append(page)
        sending = [
            asyncio.create_task(send(page, film, seconds=6))
            for page, film in zip(pages, films, strict=True)
        ]
        await shard.command("give_floor", meeting_id, participant_id=one, given=True)
        await asyncio.sleep(2)
        await shard.command("give_floor", meeting_id, participant_id=one, given=False)
        await shard.command("give_floor", meeting_id, participant_id=other, given=True)
        await asyncio.gather(*sending)
        await shard.command("record", meeting_id, on=False, by=None)
        recorded.recording._rooms[meeting_id].turn()
        await recorded.stored()
        recorded.frames(f"{meeting_id}/program")
        found = sorted(
            rows.all(runs, runs.c.source_id == f"{meeting_id}/program"),
            key=lambda row: row.ordinal,
        )
    widths = [row.width for row in found]
    assert widths[-1] == 320
    assert 160 in widths
    ends = [row.start_us for row in found]
    assert ends == sorted(ends)
