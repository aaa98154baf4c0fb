"""One MP4 of a meeting: everything in it, in its time, whatever dies while it is made."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from camera_adapters.rtp.group import Group
from gateway.database.meeting_tables import meeting_floor, meeting_recordings
from gateway.footage.reader import FootageReader
from gateway.meetings.recording import render
from gateway.meetings.recording.compose import Canvas
from gateway.meetings.recording.render import RenderWorker
from gateway.meetings.recording.render import Studio as RenderStudio
from recorder.rows import LocalRowWriter, RowError
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.tables import held_ranges
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.recording.rooms import a_meeting, a_studio
from tests.gateway.meetings.recording.senders import START_US, Camera, Microphone

S = 1_000_000
PART_US = 1_600_000


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as county:
        yield county


def tone(hertz: float, seconds: float) -> list[bytes]:
    """A sine as packets of Opus, 20 ms each."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "flt"
    encoder.time_base = Fraction(1, 48_000)
    times = np.arange(int(48_000 * seconds)) / 48_000
    samples = (np.sin(2 * np.pi * hertz * times) * 0.4).astype(np.float32)
    packets = []
    for start in range(0, len(samples) - 959, 960):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], "flt", "mono")
        frame.sample_rate, frame.pts = 48_000, start
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


class Singer(Microphone):
    """A microphone that sends a tone."""

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._packets = tone(hertz, 12)

    def send(self, at_us: int) -> None:
        body = self._packets[self.sent % len(self._packets)]
        self.sent += 1
        ticks = self.ticks + (at_us - START_US) * 48 // 1000
        self.give(Group(0, [], [body], ticks, False, False, False, False, at_us))


class NoShards:
    """Everything is in the store."""

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        raise ConnectionError("nobody is here")


@dataclass
class Made:
    """A recorded meeting of four seconds: one village is on, then the other; both sing."""

    rows: Rows
    folder: Path
    meeting_id: str
    recording_id: str

    @contextlib.asynccontextmanager
    async def worker(self, name: str = "footage-1") -> AsyncIterator[RenderWorker]:
        engine = reader_beside(self.rows.engine)
        writer = LocalRowWriter(self.rows.engine)
        store = DirectoryStore(DirectoryStoreConfig(self.folder / "store"))
        reader = FootageReader(engine, store, NoShards())
        yield RenderWorker(
            RenderStudio(name, engine, writer, reader, store, self.folder / "renders")
        )
        await store.close()
        await engine.dispose()
        writer.close()

    def order(self, layout: str = "speaker") -> None:
        self.rows.write("meetings.order_render", recording_id=self.recording_id, layout=layout)

    @property
    def row(self) -> Any:
        (row,) = self.rows.all(meeting_recordings)
        return row

    @property
    def path(self) -> Path:
        return self.folder / "store" / self.row.render_key


@pytest.fixture
async def made(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera], monkeypatch: pytest.MonkeyPatch
) -> Made:
    monkeypatch.setattr(render, "PART_US", PART_US)
    meeting_id, (one, other) = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        voices = Singer(440), Singer(1200)
        studio.room.sources = {
            (one, "camera"): cameras[0],
            (one, "microphone"): voices[0],
            (other, "camera"): cameras[1],
            (other, "microphone"): voices[1],
        }
        (recording,) = rows.all(meeting_recordings)
        studio.at_us = recording.started_us
        studio.put_on(one)
        await studio.ready()
        turns = ((one, cameras[0], (one,)), (other, cameras[1], (one, other)))
        for who, _, heard in turns:
            rows.write(
                "meetings.program", meeting_id=meeting_id, participant_id=who, kind="camera",
                why="floor", at_us=studio.at_us,
            )  # fmt: skip
            studio.put_on(who)
            studio.watcher.on_heard(heard)
            await studio.ready()
            await studio.run(2, *cameras, *voices)
        studio.watcher.on_room_closed("ended")
        await studio.stored()
        end_us = studio.at_us
    rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
    over_us = rows.meeting(meeting_id).ended_us
    with rows.engine.begin() as connection:
        # The studio's clock is ahead of the rows'.
        connection.execute(meeting_recordings.update().values(ended_us=end_us))
        last = meeting_floor.c.begin_us > over_us
        connection.execute(meeting_floor.update().where(last).values(end_us=end_us))
    return Made(rows, tmp_path, meeting_id, recording.id)


def loudness(samples: np.ndarray, hertz: float) -> float:
    """How much of a tone there is."""
    times = np.arange(len(samples)) / 48_000
    wave = np.exp(-2j * np.pi * hertz * times)
    return float(abs((samples * wave).mean()))


async def test_layout_voices_and_chapters_are_in_one_file(made: Made) -> None:
    made.order()
    async with made.worker() as worker:
        assert await worker.turn()
        assert not await worker.turn()
    row = made.row
    assert (row.render_state, row.render_message) == ("done", None)
    assert row.render_sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert row.render_bytes == made.path.stat().st_size
    assert row.render_done_us == row.ended_us - row.started_us
    with av.open(str(made.path)) as container:
        assert container.metadata["title"] == "防汛会商"
        chapters = [one["metadata"]["title"] for one in container.chapters()]
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        container.seek(0)
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert chapters == ["a", "b"]
    assert len(frames) == 100
    # Nothing before the first keyframe; then the test picture, until the end.
    assert frames[50].shape == (720, 1280)
    assert min(frame.std() for frame in frames[5:95]) > 30
    assert abs(len(sound) / 48_000 - 4) < 0.1
    early, late = sound[24_000:84_000], sound[2 * 48_000 + 24_000 : 3 * 48_000 + 24_000]
    assert loudness(early, 440) > 0.1
    assert loudness(early, 1200) < 0.01
    assert loudness(late, 440) > 0.1
    assert loudness(late, 1200) > 0.1
    # The seam of two minutes is not heard: no sample leaps.
    seam = sound[76_800 - 2000 : 76_800 + 2000]
    assert abs(np.diff(seam)).max() < 0.2
    assert made.rows.all(held_ranges) == []
    assert not any((made.folder / "renders").iterdir())


async def test_a_server_that_dies_in_between_goes_on_with_the_part_it_was_at(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.order()
    drawn: list[str] = []
    compose = render.Rendering._compose

    async def noted(self: render.Rendering, job: dict[str, Any]) -> None:
        drawn.append(f"{job['kind']} {job.get('start_us', 0) - made.row.started_us}")
        if len(drawn) == 2:
            raise asyncio.CancelledError
        await compose(self, job)

    monkeypatch.setattr(render.Rendering, "_compose", noted)
    # It dies without a word: its row says that it is at it.
    async with made.worker() as worker:
        monkeypatch.setattr(worker._studio.rows, "write", _until_killed(worker._studio.rows))
        with pytest.raises(asyncio.CancelledError):
            await worker.turn()
    assert made.row.render_state == "running"
    assert 0 < made.row.render_done_us < made.row.ended_us - made.row.started_us
    async with made.worker("footage-2") as other:
        assert not await other.turn()
    async with made.worker() as again:
        assert await again.turn()
    assert made.row.render_state == "done"
    assert drawn[:2] == ["part 0", f"part {PART_US}"]
    assert drawn[2:4] == [f"part {PART_US}", f"part {2 * PART_US}"]
    assert len(drawn) == 5


def _until_killed(rows: LocalRowWriter) -> Any:
    write = rows.write

    async def without_goodbye(operation: str, /, **arguments: Any) -> Any:
        if operation == "meetings.yield_render":
            raise ConnectionError("killed")
        return await write(operation, **arguments)

    return without_goodbye


def _folders(made: Made) -> list[str]:
    return sorted(one.name for one in (made.folder / "renders").iterdir())


async def test_what_failed_leaves_nothing_on_the_disk(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.order()
    check, checked = render.Rendering._check_space, []

    async def full_at_the_second(self: render.Rendering) -> None:
        checked.append(sorted(one.name for one in self._folder.iterdir()))
        if len(checked) == 2:
            monkeypatch.setattr(render, "_RESERVE_BYTES", 2**62)
        await check(self)

    monkeypatch.setattr(render.Rendering, "_check_space", full_at_the_second)
    async with made.worker() as worker:
        assert await worker.turn()
    assert made.row.render_state == "failed"
    assert "the disk is full" in made.row.render_message
    assert "part-00000.pcm" in checked[1]
    assert _folders(made) == []


async def test_who_is_stopped_keeps_the_minutes_and_not_the_footage_until_it_is_given_up(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.order()
    compose, fetched = render.Rendering._compose, []

    async def stopped_at_the_second(self: render.Rendering, job: dict[str, Any]) -> None:
        fetched.append(list(self._folder.glob("taken*/*.mp4")))
        if len(fetched) == 2:
            raise asyncio.CancelledError
        await compose(self, job)

    monkeypatch.setattr(render.Rendering, "_compose", stopped_at_the_second)
    async with made.worker() as worker:
        with pytest.raises(asyncio.CancelledError):
            await worker.turn()
    assert made.row.render_state == "queued"
    assert fetched[1]
    kept = made.folder / "renders" / f"{made.recording_id}-speaker"
    assert sorted(one.name for one in kept.iterdir()) == [
        "job.json", "part-00000.mp4", "part-00000.pcm",
    ]  # fmt: skip
    # Retention takes the recording while nobody is there to go on.
    made.rows.write("meetings.expire_recording", recording_id=made.recording_id)
    async with made.worker("footage-2") as another:
        assert not await another.turn()
    assert _folders(made) == []


async def test_what_a_killed_server_left_goes_at_the_next_start_but_not_what_is_being_made(
    made: Made,
) -> None:
    made.order()
    assert made.rows.write("meetings.claim_render", process="footage-1") is not None
    ours = f"{made.recording_id}-speaker"
    for name in (ours, f"{made.recording_id}-beside", "rec_gone-speaker", "rec_gone-speaker.going"):
        taken = made.folder / "renders" / name / "taken-footage-1"
        taken.mkdir(parents=True)
        (taken / "one.mp4").write_bytes(b"footage")
    async with made.worker("footage-2") as another:
        assert not await another.turn()
    assert _folders(made) == [ours]
    assert (made.folder / "renders" / ours / "taken-footage-1" / "one.mp4").exists()


async def test_another_layout_takes_the_place_of_the_one_before(made: Made) -> None:
    made.order("beside")
    async with made.worker() as worker:
        assert await worker.turn()
        before = made.path
        made.order("speaker")
        assert await worker.turn()
    objects = list((made.folder / "store" / "meetings").rglob("*.mp4"))
    assert objects == [made.path]
    assert made.path == before or not before.exists()


def _plain(width: int, height: int, shade: int) -> VideoFrame:
    pixels = np.full((height * 3 // 2, width), 128, np.uint8)
    pixels[:height] = shade
    return VideoFrame.from_ndarray(pixels, format="yuv420p")


def test_pictures_beside_the_program_are_small_in_its_corner_and_the_name_below() -> None:
    canvas = Canvas()
    program, chair = _plain(320, 180, 90), _plain(160, 90, 200)
    drawn = canvas.draw(program, [chair], "石牌镇").to_ndarray(format="gray")
    assert drawn.shape == (720, 1280)
    assert (drawn[:600, :900] == drawn[300, 300]).all()
    corner = drawn[20:150, 1020:1250]
    assert corner.min() > drawn[300, 300] + 50
    lowest = drawn[680:, :200]
    assert lowest.max() > drawn[300, 300] + 50
    assert canvas.draw(program, [chair], "石牌镇") is canvas.draw(program, [chair], "石牌镇")
    dark = canvas.draw(None, [None], "").to_ndarray(format="gray")
    assert dark.max() == dark.min()


@given(
    st.lists(st.tuples(st.integers(1, 2000), st.integers(1, 2000)), min_size=1, max_size=4),
    st.text(max_size=40),
)
@settings(max_examples=30, deadline=None)
def test_pictures_of_any_size_are_drawn(sizes: list[tuple[int, int]], name: str) -> None:
    frames = [VideoFrame(max(2, width), max(2, height), "yuv420p") for width, height in sizes]
    drawn = Canvas().draw(frames[0], frames[1:], name)
    assert (drawn.width, drawn.height) == (1280, 720)


async def test_a_file_that_does_not_decode_leaves_a_dark_picture_and_no_ruin(made: Made) -> None:
    for path in (made.folder / "store").rglob("program/**/*.mp4"):
        data = bytearray(path.read_bytes())
        data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
        path.unlink()
        path.write_bytes(data)
    made.order()
    async with made.worker() as worker:
        assert await worker.turn()
    assert made.row.render_state == "done"


async def test_what_is_made_is_not_ordered_twice_and_what_runs_not_at_all(made: Made) -> None:
    made.order()
    with pytest.raises(RowError):
        made.order()
    (hold,) = made.rows.all(held_ranges)
    assert hold.camera_id == made.meeting_id
    with made.rows.engine.begin() as connection:
        connection.execute(meeting_recordings.update().values(render_state=None, ended_us=None))
    with pytest.raises(RowError):
        made.order()
