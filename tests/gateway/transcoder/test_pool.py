from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.pool import Event, Job, TranscoderPool
from gateway.transcoder.wire import units_from_wire


@dataclass
class Caller:
    """Opens one job and remembers what it was told."""

    pool: TranscoderPool
    events: list[Event | None] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    job: Job | None = None

    def open(self, track: Track, *, live: bool, kind: str = "video") -> Caller:
        self.job = self.pool.open(kind, track, live=live, deliver=self.deliver)
        return self

    def deliver(self, event: Event | None) -> None:
        self.events.append(event)
        self.told.set()

    async def until(self, kind: str | None) -> Event | None:
        """Wait until an event of this type (None: the end) is among those told."""
        while True:
            for event in self.events:
                if (event and event["type"]) == kind:
                    return event
            self.told.clear()
            await self.told.wait()

    def made(self) -> list[AccessUnit]:
        return [
            unit
            for event in self.events
            if event and event["type"] in ("units", "finished")
            for unit in units_from_wire(event["units"])
        ]

    def last_position(self) -> int | None:
        found = [e["position"] for e in self.events if e and e["type"] == "queued"]
        return found[-1] if found else None


async def test_a_job_from_opening_to_its_last_picture(pool, h265) -> None:
    caller = Caller(pool).open(h265.track, live=False)
    await caller.until("started")
    pool.push(caller.job, h265.units[:40])
    pool.finish(caller.job, 7)
    finished = await caller.until("finished")
    assert finished["token"] == 7
    assert [u.pts_90k for u in caller.made()] == [u.pts_90k for u in h265.units[:40]]
    assert pool.status() == {"running": 1, "queued": 0, "live": 0, "limit": 1}


async def test_who_waits_is_told_where_and_moves_up(pool, h265) -> None:
    first, second, third = (Caller(pool).open(h265.track, live=False) for _ in range(3))
    await first.until("started")
    assert (second.last_position(), third.last_position()) == (1, 2)
    assert pool.status() == {"running": 1, "queued": 2, "live": 0, "limit": 1}
    pool.close_job(first.job)
    await second.until("started")
    assert third.last_position() == 1
    pool.close_job(third.job)
    assert pool.status() == {"running": 1, "queued": 0, "live": 0, "limit": 1}


async def test_live_goes_before_playback_in_the_queue_and_takes_its_place(pool, h265) -> None:
    running = Caller(pool).open(h265.track, live=False)
    waiting = Caller(pool).open(h265.track, live=False)
    await running.until("started")
    live = Caller(pool).open(h265.track, live=True)
    await live.until("started")
    failed = await running.until("failed")
    assert failed["code"] == "preempted"
    await running.until(None)
    assert waiting.last_position() == 1
    another = Caller(pool).open(h265.track, live=True)
    assert (another.last_position(), waiting.last_position()) == (1, 2)


async def test_a_crash_fails_its_own_job_only(h265) -> None:
    pool = TranscoderPool(places=2)
    try:
        first, second = (Caller(pool).open(h265.track, live=False) for _ in range(2))
        await first.until("started")
        await second.until("started")
        first.job.worker.process.kill()
        failed = await first.until("failed")
        assert failed["code"] == "crashed"
        pool.push(second.job, h265.units[:15])
        pool.finish(second.job, 1)
        await second.until("finished")
        assert len(second.made()) == 15
        third = Caller(pool).open(h265.track, live=False)
        await third.until("started")
    finally:
        await pool.close()


async def test_an_undecodable_stream_fails_and_frees_its_place(pool, h265) -> None:
    bad = Caller(pool).open(h265.track, live=False)
    await bad.until("started")
    garbage = [AccessUnit(0, b"\0\0\0\x04abcd", i, i, True, 0) for i in range(400)]
    pool.push(bad.job, garbage)
    failed = await bad.until("failed")
    assert failed["code"] == "undecodable"
    good = Caller(pool).open(h265.track, live=False)
    await good.until("started")


async def test_sound_does_not_wait_for_a_place(pool, h265) -> None:
    video = Caller(pool).open(h265.track, live=True)
    await video.until("started")
    pcm = Track("audio", Codec.PCMA, 8000, channels=1)
    sound = Caller(pool).open(pcm, live=True, kind="opus")
    await sound.until("started")
    units = [AccessUnit(1, b"\xd5" * 160, i * 1800, i * 1800, True, 0) for i in range(50)]
    pool.push(sound.job, units)
    await sound.until("units")
    assert all(unit.track_index == 1 for unit in sound.made())


async def test_pictures_come_while_all_places_are_taken(pool, h265) -> None:
    video = Caller(pool).open(h265.track, live=True)
    await video.until("started")
    jpegs = await asyncio.gather(
        *(pool.picture(h265.track, h265.units[:5], None, 160) for _ in range(4))
    )
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in jpegs)
    with pytest.raises(TranscodeError):
        await pool.picture(h265.track, [], None, None)


async def test_a_live_job_that_cannot_keep_up_goes_on_at_a_keyframe(pool, h264) -> None:
    caller = Caller(pool).open(h264.track, live=True)
    await caller.until("started")
    for unit in h264.units:
        pool.push(caller.job, [unit])
    pool.finish(caller.job, 1)
    await caller.until("finished")
    made = caller.made()
    assert caller.job.skipped_units > 0
    given = [unit.pts_90k for unit in h264.units]
    keyframes = {unit.pts_90k for unit in h264.units if unit.keyframe}
    places = [given.index(unit.pts_90k) for unit in made]
    jumps = [after for before, after in itertools.pairwise(places) if after > before + 1]
    assert all(given[place] in keyframes for place in jumps)


async def test_without_places_transcoding_is_off() -> None:
    pool = TranscoderPool(places=0)
    caller = Caller(pool).open(Track("video", Codec.H265, 90000), live=True)
    failed = await caller.until("failed")
    assert failed["code"] == "unavailable"
    await pool.close()


@pytest.fixture
async def two_places() -> AsyncIterator[TranscoderPool]:
    pool = TranscoderPool(places=2)
    yield pool
    await pool.close()


async def test_closing_ends_every_process(two_places, h265) -> None:
    callers = [Caller(two_places).open(h265.track, live=False) for _ in range(3)]
    await callers[0].until("started")
    await callers[1].until("started")
    processes = [caller.job.worker.process for caller in callers[:2]]
    await two_places.close()
    assert all(process.poll() is not None for process in processes)
    failed = await callers[2].until("failed")
    assert failed["code"] == "unavailable"


async def test_a_picture_worker_that_crashed_is_replaced(pool, h265) -> None:
    await pool.picture(h265.track, h265.units[:1], None, 160)
    (worker,) = pool._workers
    worker.process.kill()
    await worker.reading
    jpeg = await pool.picture(h265.track, h265.units[:1], None, 160)
    assert jpeg.startswith(b"\xff\xd8")


async def test_a_worker_that_ends_while_it_starts_is_tried_again(pool, h265) -> None:
    start = pool._new_worker

    async def stillborn():
        worker = await start()
        worker.process.kill()
        await worker.reading
        return worker

    pool._new_worker = stillborn
    with pytest.raises(TranscodeError) as refusal:
        await pool.picture(h265.track, h265.units[:1], None, 160)
    assert refusal.value.code == "unavailable"
    pool._new_worker = start
    assert await pool.picture(h265.track, h265.units[:1], None, 160)


async def test_a_picture_that_never_comes_ends_its_worker(pool, h265, monkeypatch) -> None:
    monkeypatch.setattr("gateway.transcoder.pool.PICTURE_PATIENCE_S", 0.0)
    with pytest.raises(TranscodeError) as refusal:
        await pool.picture(h265.track, h265.units[:30], None, None)
    assert refusal.value.code == "crashed"
    monkeypatch.undo()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await pool.picture(h265.track, h265.units[:1], None, 160)
                return
            except TranscodeError as error:
                assert error.code == "crashed"


async def test_warmed_up_the_first_picture_finds_its_worker(pool, h265) -> None:
    pool.warm_up()
    await asyncio.gather(*pool._starting)
    (worker,) = pool._workers
    await pool.picture(h265.track, h265.units[:1], None, 160)
    assert pool._workers == {worker}
