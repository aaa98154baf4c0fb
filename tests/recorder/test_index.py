"""Bookkeeping of who holds which time, whatever arrives in whatever order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder import gap_rows, hold_rows, index
from recorder.intervals import Interval, merge, subtract
from recorder.rows import RowError
from recorder.tables import TABLES, assignments, daily_usage, gaps, runs, segments, spans

pytestmark = pytest.mark.both_databases

SOURCE = {"id": "cam/main", "kind": "camera", "camera_id": "cam", "variant": "main"}
NOW = 10**15


@pytest.fixture
def connection(database: sa.Engine) -> Any:
    with database.begin() as connection:
        yield connection


def run_message(epoch: int, ordinal: int) -> dict[str, Any]:
    return {
        "id": f"run-{epoch}-{ordinal}", "source_id": "cam/main", "epoch": epoch,
        "ordinal": ordinal, "start_us": 0, "mime": "video/mp4", "video_codec": "h264",
        "audio_codec": None, "width": 1, "height": 1, "timescales": (90000,),
        "init_segment": b"x",
    }  # fmt: skip


def add(
    connection: sa.Connection, name: str, start: int, end: int, *, epoch: int = 1, ordinal: int = 1
) -> Interval | None:
    segment = {
        "id": name, "source_id": "cam/main", "run_id": f"run-{epoch}-{ordinal}", "epoch": epoch,
        "ordinal": ordinal, "start_us": start, "end_us": end, "effective_start_us": start,
        "effective_end_us": end, "start_90k": 0, "store_key": f"k/{name}", "size_bytes": 10,
        "header_bytes": 1, "sha256": name.encode(), "gop_index": b"", "state": "pending",
        "held": False,
    }  # fmt: skip
    found = index.add_segment(connection, SOURCE, run_message(epoch, ordinal), segment, NOW)
    if found["effective_start_us"] is None:
        return None
    return found["effective_start_us"], found["effective_end_us"]


def effective(connection: sa.Connection) -> dict[str, Interval]:
    rows = connection.execute(sa.select(segments).where(segments.c.effective_start_us.is_not(None)))
    return {row.id: (row.effective_start_us, row.effective_end_us) for row in rows}


def spans_of(connection: sa.Connection) -> list[Interval]:
    return [
        (row.start_us, row.end_us)
        for row in connection.execute(sa.select(spans).order_by(spans.c.start_us))
    ]


def gaps_of(connection: sa.Connection) -> list[tuple[Any, ...]]:
    return [
        (row.start_us, row.end_us, row.cause)
        for row in connection.execute(sa.select(gaps).order_by(gaps.c.start_us))
    ]


def test_segments_of_a_run_grow_one_span(connection: sa.Connection) -> None:
    for number in range(5):
        add(connection, f"s{number}", number * 60, number * 60 + 60)
    assert spans_of(connection) == [(0, 300)]


def test_a_successor_clips_its_predecessor(connection: sa.Connection) -> None:
    index.assign(connection, "cam/main", "shard-1", NOW)
    add(connection, "old", 0, 60, epoch=1)
    assert index.assign(connection, "cam/main", "shard-2", NOW) == 2
    add(connection, "new", 40, 100, epoch=2)
    assert effective(connection) == {"old": (0, 40), "new": (40, 100)}
    assert spans_of(connection) == [(0, 100)]


def test_late_rows_of_an_older_epoch_fill_only_free_time(connection: sa.Connection) -> None:
    index.assign(connection, "cam/main", "shard-1", NOW)
    index.assign(connection, "cam/main", "shard-2", NOW)
    add(connection, "new", 100, 160, epoch=2)
    assert add(connection, "late", 70, 130, epoch=1) == (70, 100)
    assert add(connection, "hidden", 110, 150, epoch=1) is None
    assert spans_of(connection) == [(70, 160)]


def test_an_epoch_that_was_never_assigned_is_refused(connection: sa.Connection) -> None:
    index.assign(connection, "cam/main", "shard-1", NOW)
    with pytest.raises(RowError) as refused:
        add(connection, "s", 0, 60, epoch=2)
    assert refused.value.code == "unknown_epoch"


def test_adding_twice_is_harmless_and_other_content_is_refused(
    connection: sa.Connection,
) -> None:
    assert add(connection, "s", 0, 60) == (0, 60)
    assert add(connection, "s", 0, 60) == (0, 60)
    assert connection.execute(sa.select(daily_usage.c.size_bytes)).scalars().all() == [10]
    connection.execute(sa.update(segments).values(sha256=b"other"))
    with pytest.raises(RowError) as refused:
        add(connection, "s", 0, 60)
    assert refused.value.code == "conflict"


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Additions of any overlap, epoch and order, and deletions in between."""
    steps: list[tuple[Any, ...]] = []
    for number in range(draw(st.integers(1, 14))):
        if steps and draw(st.integers(0, 4)) == 0:
            steps.append(("delete", draw(st.integers(0, number))))
            continue
        start = draw(st.integers(0, 90))
        length = draw(st.integers(1, 40))
        ordinal = draw(st.integers(1, 3))
        steps.append(("add", number, start, start + length, draw(st.integers(1, 2)), ordinal))
    return steps


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories())
def test_ranges_never_overlap_and_spans_are_their_union(
    database: sa.Engine, steps: list[tuple[Any, ...]]
) -> None:
    with database.begin() as connection:
        for table in TABLES:
            connection.execute(sa.delete(table))
        connection.execute(
            sa.insert(assignments).values(source_id="cam/main", owner="s", epoch=2, since_us=0)
        )
        for step in steps:
            if step[0] == "add":
                _, number, start, end, epoch, ordinal = step
                before = effective(connection)
                got = add(connection, f"s{number}", start, end, epoch=epoch, ordinal=ordinal)
                stronger = [
                    (row.effective_start_us, row.effective_end_us)
                    for row in connection.execute(sa.select(segments)).all()
                    if row.id in before and (row.epoch, row.ordinal) >= (epoch, ordinal)
                ]
                free = subtract((start, end), [before[name] for name in before
                                               if before[name] in stronger])  # fmt: skip
                # It holds the longest part that nobody stronger holds, and nothing else.
                assert (got is None) == (not free)
                if got is not None:
                    assert got in free
                    assert got[1] - got[0] == max(e - s for s, e in free)
                    assert effective(connection)[f"s{number}"] == got
            else:
                index.mark_deleting(connection, [f"s{step[1]}"], "retention", "old")
                index.forget_segments(connection, [f"s{step[1]}"])
            held = sorted(effective(connection).values())
            assert all(a[1] <= b[0] for a, b in itertools.pairwise(held))
            assert spans_of(connection) == merge(held)
            total = sum(connection.execute(sa.select(segments.c.size_bytes)).scalars())
            usage = sum(connection.execute(sa.select(daily_usage.c.size_bytes)).scalars())
            assert usage == total
            for row in connection.execute(sa.select(segments)):
                if row.effective_start_us is not None:
                    assert row.start_us <= row.effective_start_us < row.effective_end_us
                    assert row.effective_end_us <= row.end_us
                known = sa.select(runs.c.id).where(runs.c.id == row.run_id)
                assert connection.execute(known).first() is not None


def test_deletion_leaves_a_gap_with_its_cause(connection: sa.Connection) -> None:
    for number in range(3):
        add(connection, f"s{number}", number * 60, number * 60 + 60)
    marked = index.mark_deleting(connection, ["s0", "nobody"], "retention", "old")
    assert marked == [{"id": "s0", "store_key": "k/s0"}]
    assert spans_of(connection) == [(60, 180)]
    assert gaps_of(connection) == [(0, 60, "retention")]
    assert index.forget_segments(connection, ["s0", "s1"]) == 1
    assert set(effective(connection)) == {"s1", "s2"}


def test_held_segments_are_not_marked(connection: sa.Connection) -> None:
    for number in range(3):
        add(connection, f"s{number}", number * 60, number * 60 + 60)
    assert hold_rows.add_hold(connection, "h", 70, 80, camera_id="cam") == 1
    marked = index.mark_deleting(connection, ["s0", "s1", "s2"], "space", "full")
    assert [item["id"] for item in marked] == ["s0", "s2"]
    assert hold_rows.drop_hold(connection, "h") == 1
    assert hold_rows.drop_hold(connection, "h") == 0


def held(connection: sa.Connection) -> set[str]:
    return set(connection.execute(sa.select(segments.c.id).where(segments.c.held)).scalars())


def test_a_segment_is_held_as_long_as_one_hold_meets_it(connection: sa.Connection) -> None:
    for number in range(3):
        add(connection, f"s{number}", number * 60, number * 60 + 60)
    assert hold_rows.add_hold(connection, "whole", 0, 180, camera_id="cam") == 3
    assert hold_rows.add_hold(connection, "part", 119, 121, source_id="cam/main") == 0
    assert hold_rows.drop_hold(connection, "whole") == 1
    assert held(connection) == {"s1", "s2"}
    assert hold_rows.drop_hold(connection, "part") == 2


def test_what_comes_later_into_a_held_range_is_held(connection: sa.Connection) -> None:
    hold_rows.add_hold(connection, "h", 60, 120, camera_id="cam")
    for number in range(3):
        add(connection, f"s{number}", number * 60, number * 60 + 60)
    assert held(connection) == {"s1"}


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_held_is_what_a_hold_in_force_meets(
    database: sa.Engine, holds: list[tuple[int, int]], dropped: list[bool]
) -> None:
    with database.connect() as connection:
        for number in range(0, 6, 2):
            add(connection, f"s{number}", number * 4, number * 4 + 4)
        for number, (start, length) in enumerate(holds):
            hold_rows.add_hold(connection, f"h{number}", start, start + length, camera_id="cam")
        for number in range(1, 6, 2):
            add(connection, f"s{number}", number * 4, number * 4 + 4)
        left = list(holds)
        for number, _ in enumerate(holds):
            if dropped[number]:
                hold_rows.drop_hold(connection, f"h{number}")
                left.remove(holds[number])
        assert held(connection) == {
            f"s{number}"
            for number in range(6)
            if any(start < number * 4 + 4 and start + length > number * 4
                   for start, length in left)
        }  # fmt: skip
        connection.rollback()


def test_runs_go_with_their_last_footage(connection: sa.Connection) -> None:
    add(connection, "a", 0, 60, ordinal=1)
    add(connection, "b", 60, 120, ordinal=2)
    index.mark_deleting(connection, ["a"], "retention", "old")
    index.forget_segments(connection, ["a"])
    assert connection.execute(sa.select(runs.c.id)).scalars().all() == ["run-1-2"]


def test_a_source_tells_where_it_stands(connection: sa.Connection) -> None:
    assert index.open_source(connection, SOURCE, NOW) == {
        "last_end_us": None,
        "last_ordinal": None,
    }
    add(connection, "a", 0, 60, ordinal=7)
    assert index.open_source(connection, SOURCE, NOW) == {"last_end_us": 60, "last_ordinal": 7}


def test_several_sources_tell_where_they_stand_in_the_order_of_asking(
    connection: sa.Connection,
) -> None:
    add(connection, "a", 0, 60, ordinal=7)
    add(connection, "b", 100, 160, ordinal=9)
    new = {**SOURCE, "id": "cam_2/main", "camera_id": "cam_2"}
    nothing = {"last_end_us": None, "last_ordinal": None}
    stands = {"last_end_us": 160, "last_ordinal": 9}
    for _ in range(2):
        assert index.open_sources(connection, [new, SOURCE], NOW) == [nothing, stands]
    assert index.open_sources(connection, [], NOW) == []


def test_rebuilding_gives_the_same(connection: sa.Connection) -> None:
    add(connection, "a", 0, 60)
    add(connection, "b", 60, 120)
    add(connection, "c", 200, 220)
    connection.execute(sa.update(spans).values(end_us=spans.c.end_us + 5))
    connection.execute(sa.update(daily_usage).values(size_bytes=1))
    index.rebuild_derived(connection, "cam/main")
    assert spans_of(connection) == [(0, 120), (200, 220)]
    assert connection.execute(sa.select(daily_usage.c.size_bytes)).scalars().all() == [30]


def test_gaps_open_close_and_change_their_cause(connection: sa.Connection) -> None:
    gap_rows.open_gap(connection, "cam/main", 100, "camera_offline", "refused")
    gap_rows.open_gap(connection, "cam/main", 150, "camera_offline", "timed out")
    gap_rows.open_gap(connection, "cam/main", 160, "gateway_stopped", "-", unless_open=True)
    gap_rows.open_gap(connection, "cam/main", 200, "camera_refused", "401")
    gap_rows.close_gap(connection, "cam/main", 300)
    gap_rows.close_gap(connection, "cam/main", 400)
    assert gaps_of(connection) == [(100, 200, "camera_offline"), (200, 300, "camera_refused")]


def test_a_former_owner_tells_of_no_gap_any_more(connection: sa.Connection) -> None:
    index.assign(connection, "cam/main", "shard-1", NOW)
    gap_rows.open_gap(connection, "cam/main", 100, "camera_offline", "-", epoch=1)
    index.assign(connection, "cam/main", "shard-2", NOW)
    gap_rows.close_gap(connection, "cam/main", 200, epoch=1)
    gap_rows.close_gap(connection, "cam/main", 300, epoch=2)
    gap_rows.open_gap(connection, "cam/main", 400, "not_scheduled", "moved", epoch=1)
    assert gaps_of(connection) == [(100, 300, "camera_offline")]
    index.assign(connection, "cam/main", "", NOW)
    gap_rows.open_gap(connection, "cam/main", 500, "not_scheduled", "switched off", epoch=2)
    assert gaps_of(connection)[1:] == [(500, None, "not_scheduled")]


def test_while_a_source_moves_its_owner_and_its_successor_tell(connection: sa.Connection) -> None:
    index.assign(connection, "cam/main", "shard-1", NOW)
    connection.execute(sa.update(assignments).values(successor="shard-2", epoch=2))
    gap_rows.open_gap(connection, "cam/main", 100, "camera_offline", "-", epoch=1)
    gap_rows.close_gap(connection, "cam/main", 200, epoch=2)
    assert gaps_of(connection) == [(100, 200, "camera_offline")]


def test_gaps_that_go_on_are_one(connection: sa.Connection) -> None:
    for start in range(0, 100, 10):
        gap_rows.add_gap(connection, "cam/main", start, start + 10, "disk_slow", "slow")
    gap_rows.add_gap(connection, "cam/main", 10_000_000, 10_000_010, "disk_slow", "slow")
    gap_rows.add_gap(connection, "cam/main", 7, 7, "disk_slow", "nothing")
    assert gaps_of(connection) == [
        (0, 100, "disk_slow"),
        (10_000_000, 10_000_010, "disk_slow"),
    ]


def test_queries_use_their_indexes(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite":
        pytest.skip("of SQLite, which keeps no statistics")

    def plan(statement: str) -> str:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
        return " ".join(str(row[3]) for row in rows)

    assert "ix_segments_effective" in plan(
        "SELECT * FROM segments WHERE source_id = 'x' AND effective_start_us <= 5 "
        "ORDER BY effective_start_us DESC LIMIT 1"
    )
    assert "ix_segments_hidden" in plan(
        "SELECT id FROM segments WHERE effective_start_us IS NULL AND state = 'deleting'"
    )
