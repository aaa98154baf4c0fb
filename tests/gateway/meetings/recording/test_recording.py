"""What a meeting's recording consists of, and what it says of what is missing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from camera_adapters.stream import Stream, Variant
from camera_adapters.webrtc.fan_out import FanOut
from camera_adapters.webrtc.wheel import Wheel
from gateway.database.meeting_tables import meeting_recordings, meeting_tracks
from recorder.lookup import segment_from_row
from recorder.rows import RowError
from recorder.tables import assignments, gaps, runs, segments, sources
from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.recording.rooms import SHARD, Studio, a_meeting, a_studio
from tests.gateway.meetings.recording.senders import PICTURE_US, Camera, Microphone
from tests.peers.media_file import decoded_frames


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as county:
        yield county


def recordings(rows: Rows) -> list[Any]:
    return sorted(rows.all(meeting_recordings), key=lambda row: row.started_us)


def frames_in_store(studio: Studio, source_id: str) -> dict[str, int]:
    """How many frames a decoder finds in all objects of a source, by codec."""
    total: dict[str, int] = {}
    for row in studio.all(segments, segments.c.source_id == source_id):
        segment = segment_from_row(row)
        for codec, count in decoded_frames(studio.folder / "store" / segment.store_key).items():
            total[codec] = total.get(codec, 0) + count
    return total


async def test_the_program_in_the_store_has_every_picture_that_was_sent(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, other) = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "camera"): cameras[0], (other, "camera"): cameras[1]}
        await studio.ready()
        studio.put_on(one)
        await studio.run(8, cameras[0])
        sent = cameras[0].sent
        studio.put_on(other)
        await studio.run(6, cameras[1])
        sent += cameras[1].sent
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
        found = frames_in_store(studio, f"{meeting_id}/program")["h264"]
    # Within one GOP (a second here) of what was sent: in fact there is nothing missing.
    assert found == sent
    assert len(studio.all(runs)) == 2


async def test_tracks_are_filed_as_a_meetings_and_owned_by_its_shard(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, other) = a_meeting(rows)
    voice = Microphone()
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "camera"): cameras[0], (other, "microphone"): voice}
        studio.put_on(one)
        studio.watcher.on_heard((other,))
        await studio.ready()
        await studio.run(3, cameras[0], voice)
        studio.watcher.on_heard(())
        await studio.run(1, cameras[0], voice)
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
    filed = {row.id: row for row in rows.all(sources)}
    assert filed.keys() == {f"{meeting_id}/program", f"{meeting_id}/{other}/microphone"}
    assert {(row.kind, row.camera_id) for row in filed.values()} == {("meeting", meeting_id)}
    assert {row.owner for row in rows.all(assignments)} == {SHARD}
    tracks = {row.stream_id: row for row in rows.all(meeting_tracks)}
    assert tracks.keys() == filed.keys()
    (recording,) = recordings(rows)
    assert {row.recording_id for row in tracks.values()} == {recording.id}
    sound = rows.all(segments, segments.c.source_id == f"{meeting_id}/{other}/microphone")
    heard_us = sum(row.end_us - row.start_us for row in sound)
    assert abs(heard_us - 3_000_000) < 200_000
    (gap,) = rows.all(gaps, gaps.c.source_id == f"{meeting_id}/{other}/microphone")
    assert "not heard" in gap.detail


async def test_the_voice_of_another_is_on_the_program_while_who_is_on_says_nothing(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, other) = a_meeting(rows)
    voices = Microphone(name=b"one"), Microphone(name=b"two")
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {
            (one, "camera"): cameras[0],
            (one, "microphone"): voices[0],
            (other, "microphone"): voices[1],
        }
        studio.put_on(one)
        await studio.ready()
        stream = studio.watcher.stream
        assert stream is not None
        heard: list[bytes] = []
        studio.watcher.on_heard((one, other))
        for speaking in ((), (other,), (one, other)):
            studio.watcher.on_speaking(speaking)
            await studio.run(1, cameras[0], *voices)
            heard.append(stream.gop[-1].payload[1:4])
    assert heard == [b"one", b"two", b"one"]


async def test_a_picture_that_cannot_be_recorded_says_so(rows: Rows, tmp_path: Path) -> None:
    from camera_adapters.stream import Codec

    meeting_id, (one, _) = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "camera"): Camera(codec=Codec.OPUS)}
        studio.put_on(one)
        await studio.ready()
        await studio.run(5)
        await studio.stored()
    causes = {(row.cause, "H.264" in row.detail) for row in rows.all(gaps)}
    assert ("bad_media", True) in causes


async def test_the_chair_is_recorded_beside_the_program_while_another_is_on(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, _) = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        (chair,) = [p for p in studio.room.state.invited if p != one and p != _]
        studio.room.sources = {(one, "camera"): cameras[0], (chair, "camera"): cameras[1]}
        studio.put_on(one)
        await studio.ready()
        await studio.run(3, *cameras)
        assert studio.room.kept == {(one, "camera"), (chair, "camera")}
        studio.put_on(chair)
        await studio.run(2, *cameras)
        assert studio.room.kept == {(chair, "camera")}
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
        assert studio.room.kept == set()
        beside = frames_in_store(studio, f"{meeting_id}/{chair}/camera")["h264"]
    assert abs(beside - 75) <= 2
    assert not cameras[0].taps + cameras[1].taps


async def test_the_chairs_picture_goes_on_until_another_quality_of_it_has_come(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, other) = a_meeting(rows)
    better, worse = cameras
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        (chair,) = [p for p in studio.room.state.invited if p not in (one, other)]
        studio.room.sources = {(chair, "camera"): better}
        await studio.ready()
        await studio.run(3, better)
        # Its keyframe is late: what there is goes on, and nothing is missing.
        worse.answers = False
        studio.room.sources = {(chair, "camera"): worse}
        studio.watcher.on_source_gone(chair, "camera", "h")
        await studio.run(1, better)
        worse.answers = True
        await studio.run(2, worse)
        # Off is said to be off, not that the gateway had stopped.
        studio.room.sources = {}
        studio.watcher.on_source_gone(chair, "camera", "m")
        await studio.run(2)
        studio.room.sources = {(chair, "camera"): better}
        await studio.run(2, better)
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
        beside = frames_in_store(studio, f"{meeting_id}/{chair}/camera")["h264"]
    assert abs(beside - 200) <= 2
    found = rows.all(gaps, gaps.c.source_id == f"{meeting_id}/{chair}/camera")
    (off,) = [
        row for row in found if row.end_us is not None and row.end_us - row.start_us > 500_000
    ]
    assert (off.cause, off.detail) == ("camera_silent", "this camera was off")
    assert abs(off.end_us - off.start_us - 2_000_000) < 5 * PICTURE_US


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_camera_that_is_taken_out_is_not_recorded_a_picture_longer(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera], is_on: bool
) -> None:
    meeting_id, (one, other) = a_meeting(rows)
    (track, units) = cameras[0].track, [unit for gop in cameras[0].film for unit in gop]
    assert track is not None
    stream = Stream("cam_1", Variant.MAIN)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        feed = FanOut(stream, Wheel())
        studio.room.sources = {(one, "camera"): feed, (other, "camera"): cameras[1]}
        studio.put_on(one)
        await studio.ready()
        stream.start_run((track,))
        for unit in units[:10]:
            stream.publish(replace(unit, wall_us=studio.at_us))
            studio.at_us += PICTURE_US
        filed = studio.watcher.stream
        assert filed is not None
        assert filed.running
        before = len(filed.gop)
        # Out, because somebody drew a mask, or nobody here may see it any more; another may be on.
        if not is_on:
            studio.put_on(other)
        del studio.room.sources[one, "camera"]
        studio.watcher.on_source_gone(one, "camera", "")
        for unit in units[10:20]:
            stream.publish(replace(unit, wall_us=studio.at_us))
        assert len(filed.gop) == before
        assert stream.sinks == (feed,)


async def test_a_microphone_that_sends_nothing_leaves_a_gap_that_says_so(
    rows: Rows, tmp_path: Path
) -> None:
    meeting_id, (one, _) = a_meeting(rows)
    voice = Microphone()
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "microphone"): voice}
        studio.watcher.on_heard((one,))
        await studio.ready()
        await studio.run(2, voice)
        await studio.run(4)
        await studio.run(2, voice)
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
    found = rows.all(gaps, gaps.c.source_id == f"{meeting_id}/{one}/microphone")
    silent = min(found, key=lambda row: row.start_us)
    assert (silent.cause, "sent nothing" in silent.detail) == ("camera_silent", True)
    assert abs(silent.end_us - silent.start_us - 4_000_000) < 100_000


async def test_a_shard_that_is_stopped_says_so_and_the_next_goes_on_as_one_recording(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, _) = a_meeting(rows)
    camera = cameras[0]
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.room.sources = {(one, "camera"): camera}
        studio.put_on(one)
        await studio.ready()
        await studio.run(4, camera)
        stopped_us = studio.at_us
    async with a_studio(rows, tmp_path, meeting_id, at_us=stopped_us + 5_000_000) as studio:
        studio.room.sources = {(one, "camera"): camera}
        studio.put_on(one)
        await studio.ready()
        await studio.run(4, camera)
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
        found = frames_in_store(studio, f"{meeting_id}/program")["h264"]
    assert found == camera.sent
    assert len(recordings(rows)) == 1
    assert {row.source_id for row in rows.all(runs)} == {f"{meeting_id}/program"}
    assert len(rows.all(runs)) == 2
    first = min(rows.all(gaps), key=lambda row: row.start_us)
    assert first.cause == "gateway_stopped"
    assert abs(first.end_us - first.start_us - 5_000_000) < 3 * PICTURE_US


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("ended", "the meeting was over"),
        ("moved", "the meeting went on with another media process"),
        ("shard_stopping", "the gateway was stopped"),
    ],
)
async def test_a_recording_says_why_its_room_was_closed(
    rows: Rows, tmp_path: Path, reason: str, said: str
) -> None:
    meeting_id, _ = a_meeting(rows)
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        await studio.ready()
        with patch.object(studio.watcher, "end") as ended:
            studio.watcher.on_room_closed(reason)
        assert ended.call_args.args[1] == said


async def test_a_killed_shards_meeting_is_one_recording_with_a_gap_that_has_a_cause(
    rows: Rows, tmp_path: Path, cameras: tuple[Camera, Camera]
) -> None:
    meeting_id, (one, _) = a_meeting(rows)
    camera = cameras[0]

    async def film_until_killed() -> None:
        async with a_studio(rows, tmp_path, meeting_id) as studio:
            studio.room.sources = {(one, "camera"): camera}
            studio.put_on(one)
            await studio.ready()
            await studio.run(6, camera)
            while studio.recorder.spool.queued_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)

    rows.engine.dispose()
    if (child := os.fork()) == 0:
        try:
            asyncio.new_event_loop().run_until_complete(film_until_killed())
        finally:
            os._exit(1)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    async with a_studio(rows, tmp_path, meeting_id) as studio:
        studio.at_us += 8_000_000
        studio.room.sources = {(one, "camera"): camera}
        studio.put_on(one)
        await studio.ready()
        await studio.run(4, camera)
        studio.room.records(False)
        await studio.ready()
        await studio.stored()
        found = frames_in_store(studio, f"{meeting_id}/program")["h264"]
    # What was killed lost the GOP that was being gathered, and no more.
    assert 150 + camera.sent - 25 - 1 <= found <= 150 + camera.sent
    assert len(recordings(rows)) == 1
    assert len(rows.all(runs)) == 2
    assert "gateway_stopped" in {row.cause for row in rows.all(gaps)}


def test_a_recordings_row_follows_its_meeting(rows: Rows) -> None:
    meeting_id = rows.called(records=True)
    assert recordings(rows) == []
    rows.write("meetings.start", meeting_id=meeting_id, shard=SHARD)
    (first,) = recordings(rows)
    assert first.ended_us is None
    rows.write("meetings.change", meeting_id=meeting_id, columns={"title": "另一个"})
    assert len(recordings(rows)) == 1
    rows.write("meetings.record", meeting_id=meeting_id, on=False, by="usr_1")
    assert recordings(rows)[0].ended_us is not None
    assert rows.meeting(meeting_id).records is False
    again = rows.write("meetings.record", meeting_id=meeting_id, on=True, by="usr_1")
    assert rows.write("meetings.record", meeting_id=meeting_id, on=True, by="usr_2") == again
    assert [row.started_by for row in recordings(rows)] == [None, "usr_1"]
    rows.write("meetings.end", meeting_id=meeting_id, reason="chair")
    assert [row.ended_us is None for row in recordings(rows)] == [False, False]
    assert recordings(rows)[1].ended_us == rows.meeting(meeting_id).ended_us
    with pytest.raises(RowError, match="ended"):
        rows.write("meetings.record", meeting_id=meeting_id, on=True, by="usr_1")


def test_only_the_shard_that_runs_a_meeting_records_it(rows: Rows) -> None:
    meeting_id, _ = a_meeting(rows)
    arguments = {
        "meeting_id": meeting_id, "stream_id": f"{meeting_id}/program", "kind": "program",
        "participant_id": None, "codec": "h264", "at_us": 1,
    }  # fmt: skip
    epoch = rows.write("meetings.own_track", shard=SHARD, **arguments)
    assert rows.write("meetings.own_track", shard=SHARD, **arguments) == epoch
    with pytest.raises(RowError):
        rows.write("meetings.own_track", shard="shard-2", **arguments)
    rows.write("meetings.move", meeting_id=meeting_id, shard="shard-2", gone=SHARD)
    assert rows.write("meetings.own_track", shard="shard-2", **arguments) == epoch + 1
    assert len(rows.all(meeting_tracks)) == 1


def test_a_hold_keeps_all_tracks_of_a_recording(rows: Rows) -> None:
    a_meeting(rows)
    (recording,) = recordings(rows)
    rows.write("meetings.hold_recording", recording_id=recording.id, by="usr_1", reason="诉讼")
    assert recordings(rows)[0].hold_reason == "诉讼"
    with pytest.raises(RowError):
        rows.write("meetings.hold_recording", recording_id=recording.id, by="usr_1", reason="x")
    rows.write("meetings.release_recording", recording_id=recording.id)
    with pytest.raises(RowError):
        rows.write("meetings.release_recording", recording_id=recording.id)
    assert recordings(rows)[0].held_us is None
