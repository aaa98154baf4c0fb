"""Days of segments and passages on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.database.partitions import DAY_US, PARTITIONED, keep_partitions
from gateway.database.postgresql import writer_engine
from recorder import index
from recorder.tables import segments
from search.index.tables import passage_crossings
from search.passages import first_id_at

TODAY = 20_600  # 2026-05-27
NOON_US = TODAY * DAY_US + DAY_US // 2
SOURCE = {"id": "cam/main", "kind": "camera", "camera_id": "cam", "variant": "main"}
RUN = {
    "id": "run", "source_id": "cam/main", "epoch": 1, "ordinal": 1, "start_us": 0,
    "mime": "video/mp4", "video_codec": "h264", "audio_codec": None, "width": 1, "height": 1,
    "timescales": (90000,), "init_segment": b"x",
}  # fmt: skip


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[sa.Connection]:
    engine = writer_engine(sa.make_url(postgresql_url))
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def add(connection: sa.Connection, start_us: int) -> str:
    name = f"seg_{start_us}"
    segment: dict[str, Any] = {
        "id": name, "source_id": "cam/main", "run_id": "run", "epoch": 1, "ordinal": 1,
        "start_us": start_us, "end_us": start_us + 60_000_000, "effective_start_us": start_us,
        "effective_end_us": start_us + 60_000_000, "start_90k": 0, "store_key": f"k/{name}",
        "size_bytes": 10, "header_bytes": 1, "sha256": name.encode(), "gop_index": b"",
        "state": "pending", "held": False,
    }  # fmt: skip
    index.add_segment(connection, SOURCE, RUN, segment, NOON_US)
    return name


def where(connection: sa.Connection) -> dict[str, str]:
    found = connection.execute(sa.text("SELECT id, CAST(tableoid AS regclass) FROM segments"))
    return {row[0]: str(row[1]) for row in found}


def test_days_are_made_ahead_once(connection: sa.Connection) -> None:
    made = keep_partitions(connection, NOON_US)["made"]
    assert len(made) == 9 * len(PARTITIONED)
    assert {"segments_20260526", "segments_20260603", "passages_20260527"} <= set(made)
    assert keep_partitions(connection, NOON_US) == {"made": [], "dropped": []}


def test_footage_lies_with_its_day_and_what_has_no_day_lies_apart(
    connection: sa.Connection,
) -> None:
    keep_partitions(connection, NOON_US)
    today, first, long_ago = NOON_US, TODAY * DAY_US, NOON_US - 400 * DAY_US
    names = [add(connection, at_us) for at_us in (today, first, first - 1, long_ago)]
    assert where(connection) == {
        names[0]: "segments_20260527",
        names[1]: "segments_20260527",
        names[2]: "segments_20260526",
        names[3]: "segments_other",
    }


def test_rows_move_to_their_day_when_it_is_made(connection: sa.Connection) -> None:
    name, early = add(connection, NOON_US), add(connection, NOON_US - 9 * DAY_US)
    connection.execute(
        sa.insert(passage_crossings).values(zone=1, id=first_id_at(NOON_US), after_ms=0, how="in")
    )
    assert set(where(connection).values()) == {"segments_other"}
    keep_partitions(connection, NOON_US)
    assert where(connection) == {name: "segments_20260527", early: "segments_other"}
    crossed = connection.scalar(sa.text("SELECT CAST(tableoid AS regclass) FROM passage_crossings"))
    assert crossed == "passage_crossings_20260527"


def test_a_day_goes_when_retention_has_emptied_it_and_not_before(
    connection: sa.Connection,
) -> None:
    keep_partitions(connection, NOON_US)
    name = add(connection, NOON_US)
    later = NOON_US + 40 * DAY_US
    dropped = keep_partitions(connection, later)["dropped"]
    assert "segments_20260526" in dropped
    assert "segments_20260527" not in dropped
    index.mark_deleting(connection, [name], "retention", "")
    assert keep_partitions(connection, later)["dropped"] == []
    index.forget_segments(connection, [name])
    assert keep_partitions(connection, later)["dropped"] == ["segments_20260527"]
    # Late footage of that day is kept all the same.
    assert where(connection) == {}
    add(connection, NOON_US)
    assert list(where(connection).values()) == ["segments_other"]


def test_a_question_of_a_day_reads_that_day(connection: sa.Connection) -> None:
    keep_partitions(connection, NOON_US)
    asked = (
        sa.select(segments.c.id)
        .where(segments.c.start_us >= NOON_US, segments.c.start_us < NOON_US + 1000)
        .compile(connection, compile_kwargs={"literal_binds": True})
    )
    plan = "\n".join(connection.execute(sa.text(f"EXPLAIN {asked}")).scalars())
    assert "segments_20260527" in plan
    assert "segments_20260528" not in plan
    assert "segments_other" not in plan
