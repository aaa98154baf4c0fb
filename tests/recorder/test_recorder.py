"""The Recorder as a media shard uses it: attached to a Stream, through interruptions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause, Interruption, Stream, Variant
from recorder.hold_rows import HeldRange
from recorder.recorder import Recorder
from recorder.rows import LocalRowWriter
from recorder.spool_file import FileState
from recorder.stores.directory import DirectoryStore
from recorder.tables import gaps, segments
from recorder.timeline import clock_offset, timeline
from tests.recorder.made import SOURCE, START_US, VIDEO, picture

SECOND = 1_000_000
IMPORTED = replace(SOURCE, kind="import")  # fed faster than life


def film(stream: Stream, first: int, last: int) -> None:
    for number in range(first * 10, last * 10):
        stream.publish(picture(number))


async def written(recording: Recorder) -> None:
    """Wait until all that was accepted is in files."""
    while recording.status().queued_bytes:  # noqa: ASYNC110  # the threads tell nobody
        await asyncio.sleep(0.001)


async def test_a_stream_is_recorded_and_its_gaps_told(
    recording: Recorder, engine: AsyncEngine
) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(await recording.record(IMPORTED))
    stream.start_run((VIDEO,))
    film(stream, 0, 20)
    stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "no route to host"))
    stream.start_run((VIDEO,))
    film(stream, 30, 40)
    assert recording.writer(SOURCE.id).recording  # type: ignore[union-attr]
    recording.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "recording was switched off")
    assert await recording.uploader.drain(30)
    await recording.gaps.drain()
    async with engine.connect() as connection:
        found = await timeline(
            connection, SOURCE.id, START_US, START_US + 60 * SECOND, now_us=START_US + 50 * SECOND
        )
    assert [(s - START_US, e - START_US) for s, e in found.spans] == [
        (0, 20 * SECOND),
        (30 * SECOND, 40 * SECOND),
    ]
    assert [
        (gap.start_us - START_US, gap.end_us - START_US, gap.cause, gap.detail)
        for gap in found.gaps
    ] == [
        (20 * SECOND, 30 * SECOND, "camera_offline", "no route to host"),
        (40 * SECOND, 50 * SECOND, "not_scheduled", "recording was switched off"),
    ]


async def test_the_last_seconds_are_seen_before_they_are_stored(
    recording: Recorder, engine: AsyncEngine
) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(await recording.record(IMPORTED))
    stream.start_run((VIDEO,))
    film(stream, 0, 4)
    await written(recording)
    ((segment, run),) = recording.open_segments(SOURCE.id)
    assert segment.run_id == run.id
    assert segment.end_us == START_US + 3 * SECOND
    init = await recording.read_open(segment.id, 0, len(run.init_segment))
    assert init == run.init_segment
    async with engine.connect() as connection:
        found = await timeline(
            connection, SOURCE.id, START_US, START_US + 10 * SECOND,
            now_us=START_US + 4 * SECOND, open_segments=[segment],
        )  # fmt: skip
    assert found.spans == [(START_US, START_US + 3 * SECOND)]
    assert found.gaps == []


async def test_what_is_held_before_it_is_stored_is_stored_as_held(
    recording: Recorder, rows: LocalRowWriter, database: sa.Engine
) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(await recording.record(IMPORTED))
    stream.start_run((VIDEO,))
    film(stream, 0, 4)
    await written(recording)
    held = {"start_us": START_US, "end_us": START_US + SECOND, "camera_id": SOURCE.camera_id}
    await rows.write("recorder.add_hold", hold_id="hold_1", **held)
    recording.keep([HeldRange(id="hold_1", source_id=None, **held)])
    assert [file.held for file in recording.spool.files.values()] == [True]
    recording.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recording.uploader.drain(30)
    with database.connect() as connection:
        assert connection.execute(sa.select(segments.c.held)).scalars().all() == [True]


async def test_a_hold_that_ended_meanwhile_holds_nothing_in_the_spool(recording: Recorder) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(await recording.record(IMPORTED))
    stream.start_run((VIDEO,))
    film(stream, 0, 4)
    await written(recording)
    elsewhere = HeldRange("hold_1", None, "cam_2/main", START_US, START_US + SECOND)
    recording.keep([HeldRange("hold_2", None, SOURCE.id, START_US, START_US + SECOND)])
    recording.keep([elsewhere])
    assert [file.held for file in recording.spool.files.values()] == [False]


async def test_setting_up_anew_goes_on_where_the_earlier_writer_ended(
    recording: Recorder, database: sa.Engine
) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    first = await recording.record(IMPORTED)
    stream.attach(first)
    stream.start_run((VIDEO,))
    film(stream, 0, 5)
    second = await recording.record(IMPORTED)
    assert first.stopped
    stream.detach(first)
    stream.attach(second, replay_gop=False)
    film(stream, 5, 10)
    recording.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recording.uploader.drain(30)
    with database.connect() as connection:
        found = connection.execute(sa.select(segments).order_by(segments.c.start_us)).all()
    assert [row.effective_end_us - START_US for row in found] == [5 * SECOND, 10 * SECOND]
    assert found[0].ordinal < found[1].ordinal


async def test_an_accepted_clock_is_told(
    recording: Recorder, engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await rows.write(
        "recorder.set_clock_offset", source_id=SOURCE.id, since_us=1, offset_us=3_600_000_000
    )
    recording.accept_clock(SOURCE.id)
    await recording.gaps.drain()
    async with engine.connect() as connection:
        assert await clock_offset(connection, SOURCE.id) is None


async def test_recording_begins_without_its_index(
    tmp_path: Path, store: DirectoryStore, recording: Recorder
) -> None:
    class Away:
        async def write(self, operation: str, /, **arguments: object) -> object:
            raise ConnectionError("the writer process is away")

    recording._rows = Away()
    writer = await recording.record(IMPORTED)
    writer.on_run_started((VIDEO,))
    for number in range(30):
        writer.on_access_unit(picture(number))
    assert writer.recording
    assert [file.state for file in recording.spool.files.values()] == [FileState.OPEN]


async def test_a_camera_that_never_came_has_no_gap_before_it_was_recorded(
    recording: Recorder, database: sa.Engine
) -> None:
    await recording.record(IMPORTED)
    await recording.gaps.drain()
    with database.connect() as connection:
        assert connection.execute(sa.select(gaps)).all() == []
