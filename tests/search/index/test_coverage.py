"""What was not indexed is said, and why: never silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from recorder.intervals import merge
from recorder.rows import RowError
from recorder.tables import gaps, sources, spans
from search.index import coverage as coverage_module
from search.index.coverage import COARSE_US, undescribed
from search.index.query import coverage
from search.index.rows import SEAM_US, note_described, note_indexed, note_missed
from search.index.tables import indexed_spans, missed_spans
from tests.search.index.conftest import Index, open_index
from tests.search.index.making import DAY, S, T

pytestmark = pytest.mark.both_databases

NOW = T + DAY


def indexed(index: Index, start: float, end: float, **more: Any) -> None:
    with index.write.begin() as connection:
        note_indexed(
            connection, more.pop("camera_id", "cam_a"), round(T + start * S), round(T + end * S),
            more.pop("model", "nanodet"), more.pop("late", True),
        )  # fmt: skip


def missed(index: Index, start: float, end: float, cause: str) -> None:
    with index.write.begin() as connection:
        note_missed(connection, "cam_a", round(T + start * S), round(T + end * S), cause)


def recorded(index: Index, start: float, end: float, camera_id: str = "cam_a") -> None:
    with index.write.begin() as connection:
        known = sa.select(sources.c.id).where(sources.c.camera_id == camera_id)
        if connection.scalar(known) is None:
            connection.execute(
                sa.insert(sources).values(
                    id=f"{camera_id}/main", kind="camera", camera_id=camera_id, created_us=0
                )
            )
        connection.execute(
            sa.insert(spans).values(
                source_id=f"{camera_id}/main", start_us=T + start * S, end_us=T + end * S
            )
        )


async def told(
    index: Index,
    start: float,
    end: float,
    *camera_ids: str,
    now_us: int = NOW,
    described: bool = False,
    **more: Any,
) -> list[tuple[str, float, float, str]]:
    async with index.reader.connect() as connection:
        span = (camera_ids or ["cam_a"], round(T + start * S), round(T + end * S))
        found = await coverage(
            connection, *span, now_us=now_us,
            described=await undescribed(connection, *span) if described else None, **more,
        )  # fmt: skip
    return [(one.camera_id, (one.start_us - T) / S, (one.end_us - T) / S, one.why) for one in found]


async def test_a_camera_of_which_nothing_is_known_had_no_footage(index: Index) -> None:
    assert await told(index, 0, 60, "cam_x") == [("cam_x", 0, 60, "no_footage")]


async def test_footage_that_nobody_had_looked_at_is_not_analysed(index: Index) -> None:
    recorded(index, 10, 50)
    assert await told(index, 0, 60) == [
        ("cam_a", 0, 10, "no_footage"),
        ("cam_a", 10, 50, "not_analysed"),
        ("cam_a", 50, 60, "no_footage"),
    ]


async def test_what_was_missed_says_why_until_it_is_indexed_after_all(index: Index) -> None:
    recorded(index, 0, 60)
    indexed(index, 0, 20)
    missed(index, 20, 30, "dropped")
    missed(index, 25, 40, "failed")
    indexed(index, 40, 60)
    assert await told(index, 0, 60) == [
        ("cam_a", 20, 25, "dropped"),
        ("cam_a", 25, 40, "failed"),
    ]
    indexed(index, 18, 42, model="better")
    assert await told(index, 0, 60) == []


async def test_live_indexing_lags_until_it_has_stopped(index: Index) -> None:
    recorded(index, 0, 100)
    indexed(index, 0, 80, late=False)
    assert await told(index, 0, 200, now_us=T + 100 * S) == [("cam_a", 80, 100, "lagging")]
    # A job over old footage tells nothing of the present.
    assert await told(index, 0, 100, now_us=T + 3600 * S) == [("cam_a", 80, 100, "not_analysed")]


async def test_footage_on_its_way_to_the_store_is_footage(index: Index) -> None:
    recorded(index, 0, 60)
    assert await told(index, 0, 200, now_us=T + 100 * S) == [("cam_a", 0, 100, "not_analysed")]


async def test_deleted_footage_that_was_never_indexed_has_expired(index: Index) -> None:
    recorded(index, 50, 100)
    with index.write.begin() as connection:
        connection.execute(
            sa.insert(gaps).values(
                source_id="cam_a/main", start_us=T, end_us=T + 50 * S, cause="retention", detail=""
            )
        )
    assert await told(index, 10, 100) == [
        ("cam_a", 10, 50, "expired"),
        ("cam_a", 50, 100, "not_analysed"),
    ]


async def test_cameras_come_in_their_order_and_short_pieces_may_be_left_out(index: Index) -> None:
    indexed(index, 0, 59, camera_id="cam_a")
    indexed(index, 0, 30, camera_id="cam_b")
    assert await told(index, 0, 60, "cam_b", "cam_a", "cam_b", tolerance_us=2 * S) == [
        ("cam_b", 30, 60, "no_footage")
    ]


async def test_nothing_is_said_of_the_future(index: Index) -> None:
    assert await told(index, 10, 20, now_us=T) == []


def test_ranges_and_reasons_that_are_none_are_refused(index: Index) -> None:
    with pytest.raises(RowError, match="ends after it begins"):
        indexed(index, 5, 5)
    with pytest.raises(RowError, match="no reason"):
        missed(index, 0, 5, "laziness")


@pytest.fixture(scope="module")
def kept_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = open_index(Path(tmp_path_factory.mktemp("coverage")) / "rows.db")
    yield made
    made.write.dispose()


ranges = st.tuples(st.integers(0, 59), st.integers(1, 20)).map(
    lambda one: (one[0], min(one[0] + one[1], 60))
)
notes = st.lists(
    st.tuples(ranges, st.sampled_from(("indexed", "live", "dropped", "failed", "no_footage"))),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(notes, st.lists(ranges, max_size=4), ranges, st.integers(60, 90))
def test_every_second_is_told_as_a_plain_list_of_seconds_tells(
    kept_index: Index,
    noted: list[tuple[tuple[int, int], str]],
    footage: list[tuple[int, int]],
    asked: tuple[int, int],
    now: int,
) -> None:
    index = kept_index
    index.clear()
    why = ["no_footage"] * 90
    for start, end in merge(footage):
        recorded(index, start, end)
        why[start:end] = ["not_analysed"] * (end - start)
    if footage:
        # What follows the newest is on its way.
        newest = max(end for _, end in footage)
        why[newest:] = ["not_analysed"] * (90 - newest)
    live = [end for (_, end), kind in noted if kind == "live"]
    if live:
        why[max(live) :] = ["lagging"] * (90 - max(live))
    for cause in ("no_footage", "dropped", "failed"):
        for (start, end), kind in noted:
            if kind == cause:
                why[start:end] = [cause] * (end - start)
    for (start, end), kind in noted:
        if kind in ("indexed", "live"):
            indexed(index, start, end, late=kind == "indexed")
            why[start:end] = [""] * (end - start)
        else:
            missed(index, start, end, kind)
    before = [(row.start_us, row.end_us) for row in index.rows(indexed_spans)]
    assert before == merge(before, SEAM_US)  # Neither overlap nor touch.

    async def ask() -> list[tuple[str, float, float, str]]:
        try:
            return await told(index, *asked, now_us=T + now * S)
        finally:
            await index.reader.dispose()

    found = [""] * 90
    for _, start, end, reason in asyncio.run(ask()):
        found[int(start) : int(end)] = [reason] * int(end - start)
    seconds = range(asked[0], min(asked[1], now))
    assert [found[one] for one in seconds] == [why[one] for one in seconds]
    assert set(found) - {found[one] for one in seconds} <= {""}


def test_months_of_reports_are_one_row(index: Index) -> None:
    for minute in range(0, 120, 10):
        indexed(index, minute, minute + 10, late=False)
        missed(index, minute, minute + 10.4, "dropped")
    assert len(index.rows(indexed_spans)) == len(index.rows(missed_spans)) == 1


async def test_what_could_not_be_described_is_no_missing_footage(index: Index) -> None:
    recorded(index, 0, 600)
    indexed(index, 0, 400)
    missed(index, 100, 120, "undescribed")
    missed(index, 380, 450, "undescribed")
    missed(index, 400, 600, "dropped")
    assert await told(index, 0, 600) == [("cam_a", 400, 600, "dropped")]
    assert await told(index, 0, 600, described=True) == [
        ("cam_a", 100, 120, "undescribed"),
        ("cam_a", 380, 400, "undescribed"),
        ("cam_a", 400, 600, "dropped"),
    ]
    # Indexed once more, it is still not described.
    indexed(index, 0, 600, model="better")
    assert [one[3] for one in await told(index, 0, 600, described=True)] == ["undescribed"] * 2
    assert await told(index, 0, 60, "cam_x", described=True) == [("cam_x", 0, 60, "no_footage")]


def test_where_nothing_can_be_described_it_is_a_row_and_not_one_for_each_passage(
    index: Index,
) -> None:
    for at in range(0, 1000, 20):
        missed(index, at, at + 2, "undescribed")
        missed(index, at, at + 2, "failed")
    missed(index, 1042, 1044, "undescribed")
    missed(index, 1105, 1106, "undescribed")
    kept = [
        ((row.start_us - T) // S, (row.end_us - T) // S)
        for row in index.rows(missed_spans)
        if row.cause == "undescribed"
    ]
    assert sorted(kept) == [(0, 1044), (1105, 1106)]
    assert len(index.rows(missed_spans)) == 50 + 2


async def test_of_too_much_that_could_not_be_described_the_newest_is_read_and_more_is_said(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage_module, "UNDESCRIBED_LIMIT", 3)
    indexed(index, 0, 1000)
    for at in range(0, 300, 100):
        missed(index, at, at + 1, "undescribed")
    span = (["cam_a"], T, T + 1000 * S)
    async with index.reader.connect() as connection:
        assert not (await undescribed(connection, *span)).more
    missed(index, 300, 301, "undescribed")
    async with index.reader.connect() as connection:
        assert (await undescribed(connection, *span)).more
    newest = [("cam_a", at, at + 1, "undescribed") for at in (100, 200, 300)]
    assert await told(index, 0, 1000, described=True) == newest


async def test_a_passage_is_undescribed_however_short_it_was(index: Index) -> None:
    indexed(index, 0, 60)
    missed(index, 20, 20 + 1 / S, "undescribed")
    assert len(await told(index, 0, 60, described=True, tolerance_us=S)) == 1
    assert await told(index, 0, 60, tolerance_us=S) == []


async def test_on_masked_cameras_steps_are_coarse_whichever_part_of_one_is_asked_for(
    index: Index,
) -> None:
    step = COARSE_US // S
    within = (T // S) % step
    indexed(index, 0, 4 * step)
    at = step - within + 100
    missed(index, at, at + 3, "undescribed")
    first = step - within
    (told_of,) = await told(index, 0, 4 * step, described=True, coarse={"cam_a"})
    assert told_of == ("cam_a", first, first + step, "undescribed")
    # Nobody finds out by halves when it was.
    for half in range(first, first + step, 60):
        told_of_half = await told(index, half, half + 60, described=True, coarse={"cam_a"})
        assert told_of_half == [("cam_a", half, half + 60, "undescribed")]
    beside = await told(index, first + step, first + 2 * step, described=True, coarse={"cam_a"})
    assert beside == []


def test_what_is_described_after_all_is_noted_no_more(index: Index) -> None:
    missed(index, 10, 30, "undescribed")
    missed(index, 10, 30, "failed")
    with index.write.begin() as connection:
        note_described(connection, "cam_a", T + 15 * S, T + 20 * S)
        note_described(connection, "cam_x", T, T + S)
    kept = {
        (row.cause, (row.start_us - T) // S, (row.end_us - T) // S)
        for row in index.rows(missed_spans)
    }
    assert kept == {("undescribed", 10, 15), ("undescribed", 20, 30), ("failed", 10, 30)}
