"""Footage from elsewhere, filed under its own times: out of order, and no gap of its own."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause, Interruption, Stream, Variant
from recorder.recorder import Recorder
from recorder.spool_header import RecordedSource
from recorder.tables import clock_offsets, gaps, segments
from tests.recorder.made import START_US, VIDEO, picture

BACKFILL = RecordedSource("cam_1/backfill", "backfill", "cam_1", "main")
SECOND = 1_000_000


async def copy(recording: Recorder, first_s: int, last_s: int) -> None:
    """One stretch: its pictures carry the times at which they were filmed."""
    stream = Stream("cam_1", Variant.MAIN)
    writer = await recording.copy(BACKFILL)
    stream.attach(writer)
    stream.start_run((VIDEO,))
    for number in range(first_s * 10, last_s * 10):
        stream.publish(picture(number))
    stream.interrupt(Interruption(GapCause.NOT_SCHEDULED, "the stretch is over"))
    recording.end_copy(writer)


async def test_stretches_are_filed_where_they_belong_in_whatever_order_they_come(
    recording: Recorder, engine: AsyncEngine
) -> None:
    for first_s, last_s in ((100, 104), (20, 24), (60, 64)):
        await copy(recording, first_s, last_s)
    assert await recording.uploader.drain(30)
    await recording.gaps.drain()
    async with engine.connect() as connection:
        rows = await connection.execute(
            sa.select(segments.c.effective_start_us, segments.c.effective_end_us).order_by(
                segments.c.effective_start_us
            )
        )
        filed = [((start - START_US) / SECOND, (end - START_US) / SECOND) for start, end in rows]
        told = [
            await connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (gaps, clock_offsets)
        ]
    assert filed == [(20, 24), (60, 64), (100, 104)]
    assert told == [0, 0]


async def test_what_is_being_copied_when_the_gateway_stops_is_kept(recording: Recorder) -> None:
    stream = Stream("cam_1", Variant.MAIN)
    stream.attach(await recording.copy(BACKFILL))
    stream.start_run((VIDEO,))
    for number in range(40):
        stream.publish(picture(number))
    await recording.close()
    ((segment, _),) = recording.open_segments(BACKFILL.id)
    assert (segment.start_us, segment.end_us) == (START_US, START_US + 4 * SECOND)
