"""The timeline: spans, gaps with causes, days; nothing missing goes unexplained."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.index import source_message
from recorder.rows import LocalRowWriter
from recorder.segments import Segment
from recorder.timeline import UNEXPLAINED, Timeline, clock_offset, recorded_days, timeline
from tests.recorder.made import SOURCE

pytestmark = pytest.mark.both_databases

MINUTE = 60_000_000
NOW = 100 * MINUTE
RUN = {
    "id": "run", "source_id": SOURCE.id, "epoch": 1, "ordinal": 1, "start_us": 0, "mime": "m",
    "video_codec": "h264", "audio_codec": None, "width": 1, "height": 1, "timescales": (90000,),
    "init_segment": b"x",
}  # fmt: skip


def segment(start: float, end: float, name: str = "") -> Segment:
    start_us, end_us = round(start * MINUTE), round(end * MINUTE)
    return Segment(
        name or f"s{start_us}", SOURCE.id, "run", 1, 1, start_us, end_us, start_us, end_us, 0,
        f"k/{start_us}", 10, 1, b"s", b"", "open", False,
    )  # fmt: skip


async def store_segments(rows: LocalRowWriter, *ranges: tuple[float, float]) -> None:
    for start, end in ranges:
        await rows.write(
            "recorder.add_segment",
            source=source_message(SOURCE),
            run=RUN,
            segment=segment(start, end).to_message(),
            now_us=NOW,
        )


async def gap(rows: LocalRowWriter, start: float, end: float, cause: str) -> None:
    await rows.write(
        "recorder.add_gap", source_id=SOURCE.id, start_us=round(start * MINUTE),
        end_us=round(end * MINUTE), cause=cause, detail=f"about {cause}",
    )  # fmt: skip


async def look(engine: AsyncEngine, start: float, end: float, **options: object) -> Timeline:
    async with engine.connect() as connection:
        return await timeline(
            connection, SOURCE.id, round(start * MINUTE), round(end * MINUTE),
            **{"now_us": NOW, **options},  # type: ignore[arg-type]
        )  # fmt: skip


def minutes(ranges: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / MINUTE, end / MINUTE) for start, end in ranges]


def causes(found: Timeline) -> list[tuple[float, float, str]]:
    return [(gap.start_us / MINUTE, gap.end_us / MINUTE, gap.cause) for gap in found.gaps]


async def test_nothing_recorded_is_nothing_missing(engine: AsyncEngine) -> None:
    assert await look(engine, 0, 100) == Timeline([], [], None)


async def test_spans_are_clipped_to_what_was_asked(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 10), (10, 20), (30, 40))
    found = await look(engine, 5, 35)
    assert minutes(found.spans) == [(5, 20), (30, 35)]
    assert found.first_us == 0


async def test_gaps_have_their_causes_and_only_where_nothing_is_recorded(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 10), (30, 40), (60, 100))
    await gap(rows, 5, 25, "camera_offline")
    await gap(rows, 25, 30, "camera_refused")
    found = await look(engine, 0, 100)
    assert causes(found) == [
        (10, 25, "camera_offline"),
        (25, 30, "camera_refused"),
        (40, 60, "gateway_stopped"),
    ]
    assert found.gaps[-1].detail == UNEXPLAINED


async def test_the_later_explanation_of_the_same_time_holds(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 10), (30, 40))
    await gap(rows, 10, 30, "camera_offline")
    await gap(rows, 20, 25, "disk_slow")
    assert causes(await look(engine, 0, 40)) == [
        (10, 20, "camera_offline"),
        (20, 25, "disk_slow"),
        (25, 30, "camera_offline"),
    ]


async def test_an_open_gap_lasts_until_now(engine: AsyncEngine, rows: LocalRowWriter) -> None:
    await store_segments(rows, (0, 90))
    await rows.write(
        "recorder.open_gap", source_id=SOURCE.id, start_us=90 * MINUTE, cause="camera_silent",
        detail="x",
    )  # fmt: skip
    assert causes(await look(engine, 0, 200)) == [(90, 100, "camera_silent")]


async def test_segments_on_their_way_count_as_recorded(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 98))
    open_segments = [segment(98, 99), segment(99, 99.9)]
    found = await look(engine, 0, 200, open_segments=open_segments)
    assert minutes(found.spans) == [(0, 99.9)]
    assert found.gaps == []  # the last six seconds are on their way to the disk
    late = await look(engine, 0, 200, open_segments=open_segments, now_us=NOW + MINUTE)
    assert causes(late) == [(99.9, 101, "gateway_stopped")]


@pytest.mark.parametrize("end_us", [NOW - 1, NOW - 100_000, NOW - 3_000_000, NOW, NOW + MINUTE])
async def test_the_live_end_is_no_gap_wherever_the_question_ends(
    engine: AsyncEngine, rows: LocalRowWriter, end_us: int
) -> None:
    # A browser asks up to its own clock, which is a moment before ours when the question arrives.
    await store_segments(rows, (0, 99.9))
    async with engine.connect() as connection:
        found = await timeline(connection, SOURCE.id, 0, end_us, now_us=NOW)
        told = await timeline(connection, SOURCE.id, 0, end_us, now_us=NOW + MINUTE)
    assert found.gaps == []
    # A minute later nothing is on its way any more: what was asked for is missing.
    assert [(one.start_us, one.end_us) for one in told.gaps] == [
        (round(99.9 * MINUTE), min(end_us, NOW + MINUTE))
    ]


async def test_what_a_silent_node_may_hold_is_said_to_be_held_there(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 10), (20, 90))
    found = await look(engine, 0, 200, held_on="shard-2")
    assert causes(found) == [(10, 20, "gateway_stopped"), (90, 100, "held_on_node")]
    assert "shard-2 does not answer" in found.gaps[-1].detail
    # The same for who asks by a clock that is a moment behind; long ago is another matter.
    behind = await look(engine, 0, 99.99, held_on="shard-2")
    assert causes(behind)[-1] == (90, 99.99, "held_on_node")
    long_ago = await look(engine, 0, 95, held_on="shard-2")
    assert causes(long_ago)[-1] == (90, 95, "gateway_stopped")


async def test_a_camera_that_never_recorded_has_its_gap(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await gap(rows, 50, 80, "camera_offline")
    assert causes(await look(engine, 0, 80)) == [(50, 80, "camera_offline")]


async def test_a_coarse_timeline_merges_what_is_close(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    await store_segments(rows, (0, 10), (10.5, 20), (30, 40))
    fine = await look(engine, 0, 40)
    assert minutes(fine.spans) == [(0, 10), (10.5, 20), (30, 40)]
    coarse = await look(engine, 0, 40, resolution_us=MINUTE)
    assert minutes(coarse.spans) == [(0, 20), (30, 40)]
    assert causes(coarse) == [(20, 30, "gateway_stopped")]


async def test_days_by_local_time(engine: AsyncEngine, rows: LocalRowWriter) -> None:
    day = 24 * 60.0
    await store_segments(rows, (0, 60), (day - 60, day + 30), (2 * day, 2 * day + 5))
    first, last = datetime.date(1970, 1, 1), datetime.date(1970, 1, 3)
    async with engine.connect() as connection:
        utc = await recorded_days(connection, SOURCE.id, first, last)
        china = await recorded_days(connection, SOURCE.id, first, last, utc_offset_minutes=480)
        none = await recorded_days(connection, "nobody", first, last)
    assert [us / MINUTE for _, us in utc] == [120, 30, 5]
    assert [us / MINUTE for _, us in china] == [60, 90, 5]
    assert [us for _, us in none] == [0, 0, 0]


async def test_a_clock_that_stepped_is_told_until_accepted(
    engine: AsyncEngine, rows: LocalRowWriter
) -> None:
    async def told() -> tuple[int, int] | None:
        async with engine.connect() as connection:
            return await clock_offset(connection, SOURCE.id)

    assert await told() is None
    await rows.write(
        "recorder.set_clock_offset", source_id=SOURCE.id, since_us=5, offset_us=-3_600_000_000
    )
    assert await told() == (5, -3_600_000_000)
    await rows.write("recorder.accept_clock", source_id=SOURCE.id, accepted_us=9)
    assert await told() is None


@pytest.mark.parametrize("count", [3, 300])
async def test_a_long_history_is_as_few_rows_as_a_short_one(
    engine: AsyncEngine, rows: LocalRowWriter, count: int
) -> None:
    await store_segments(rows, *((n / 10, (n + 1) / 10) for n in range(count)))
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql("SELECT count(*) FROM spans")
        assert found.scalar() == 1


def test_segments_survive_a_message() -> None:
    one = segment(0, 1)
    assert Segment.from_message(one.to_message()) == one
    assert replace(one, held=True) != one
