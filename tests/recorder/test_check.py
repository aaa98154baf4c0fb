"""``check`` names every difference between index, store and spool, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause
from recorder.check import Difference, check
from recorder.recorder import Recorder
from recorder.rows import LocalRowWriter
from recorder.stores.directory import DirectoryStore
from recorder.tables import daily_usage, runs, segments, spans
from tests.recorder.made import SOURCE, VIDEO, picture
from tests.recorder.uploading import until


@pytest.fixture
async def recorded(recording: Recorder) -> None:
    """35 s of footage in store and index."""
    writer = await recording.record(SOURCE)
    writer._filmed_now = False
    writer.on_run_started((VIDEO,))
    for number in range(350):
        writer.on_access_unit(picture(number))
    recording.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recording.uploader.drain(30)


@pytest.fixture
def differences(
    engine: AsyncEngine, store: DirectoryStore, tmp_path: Path, rows: LocalRowWriter
) -> Any:
    async def look(*, repair: bool = False, verify: bool = True) -> list[tuple[str, str, bool]]:
        found: list[Difference] = [
            difference
            async for difference in check(
                engine, store, spool_directories=[tmp_path / "spool"], now_us=1 << 60,
                settle_s=0, verify=verify, rows=rows if repair else None,
            )
        ]  # fmt: skip
        return sorted((item.kind, item.subject, item.repaired) for item in found)

    return look


def ids(database: sa.Engine) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(sa.select(segments.c.id).order_by(segments.c.id)).scalars())


def change(database: sa.Engine, statement: Any) -> None:
    with database.begin() as connection:
        connection.execute(statement)


@pytest.mark.usefixtures("recorded")
async def test_whole_is_whole(differences: Any) -> None:
    assert await differences() == []


@pytest.mark.usefixtures("recorded")
async def test_objects_that_are_missing_short_or_damaged(
    differences: Any, database: sa.Engine, tmp_path: Path
) -> None:
    first, second, third, *_ = ids(database)
    paths = {path.stem: path for path in (tmp_path / "store").rglob("*.mp4")}
    paths[first].unlink()
    with paths[second].open("ab") as file:
        file.write(b"x")
    data = bytearray(paths[third].read_bytes())
    data[-1] ^= 1
    paths[third].write_bytes(data)
    assert await differences() == sorted(
        [
            ("object_missing", first, False),
            ("object_size", second, False),
            ("object_damaged", third, False),
        ]
    )


@pytest.mark.usefixtures("recorded")
async def test_an_object_without_a_row_is_named_and_can_be_indexed_again(
    differences: Any, database: sa.Engine, tmp_path: Path
) -> None:
    first = ids(database)[0]
    with database.connect() as connection:
        before = connection.execute(sa.select(segments).where(segments.c.id == first)).one()
    change(database, sa.delete(segments).where(segments.c.id == first))
    change(database, sa.delete(spans))
    kinds = {kind for kind, _, _ in await differences()}
    assert kinds == {"object_unindexed", "spans_wrong", "usage_wrong"}
    assert all(repaired for _, _, repaired in await differences(repair=True))
    assert await differences() == []
    with database.connect() as connection:
        after = connection.execute(sa.select(segments).where(segments.c.id == first)).one()
    assert after == before


@pytest.mark.usefixtures("recorded")
async def test_derived_rows_that_are_wrong_are_computed_anew(
    differences: Any, database: sa.Engine
) -> None:
    change(database, sa.update(daily_usage).values(size_bytes=1))
    change(database, sa.update(spans).values(end_us=spans.c.end_us + 1))
    assert [kind for kind, _, _ in await differences()] == ["spans_wrong", "usage_wrong"]
    assert [repaired for _, _, repaired in await differences(repair=True)] == [True, True]
    assert await differences() == []


@pytest.mark.usefixtures("recorded")
async def test_damage_in_the_index_itself(differences: Any, database: sa.Engine) -> None:
    first, second, *_ = ids(database)
    change(database, sa.update(segments).where(segments.c.id == first).values(gop_index=b"\x80"))
    change(
        database,
        sa.update(segments)
        .where(segments.c.id == second)
        .values(effective_start_us=segments.c.effective_start_us - 5),
    )
    assert await differences() == [
        ("index_damaged", first, False),
        ("ranges_overlap", second, False),
    ]
    change(database, sa.delete(runs))
    assert "run_missing" in {kind for kind, _, _ in await differences()}


@pytest.mark.usefixtures("recorded")
async def test_unfinished_deletions_are_finished(differences: Any, rows: LocalRowWriter,
                                                 database: sa.Engine) -> None:  # fmt: skip
    first = ids(database)[0]
    await rows.write("recorder.mark_deleting", segment_ids=[first], cause="retention", detail="old")
    assert await differences() == [("deletion_unfinished", first, False)]
    assert await differences(repair=True) == [("deletion_unfinished", first, True)]
    assert await differences() == []


@pytest.mark.usefixtures("recorded")
async def test_what_lies_in_store_and_spool_without_belonging_there(
    differences: Any, database: sa.Engine, tmp_path: Path
) -> None:
    first = ids(database)[0]
    # Its own file is deleted in the background, and shares its blocks with the object until then.
    await until(lambda: not list((tmp_path / "spool").glob("*.mp4")))
    (tmp_path / "store" / "holiday.mp4").write_bytes(b"no segment")
    (tmp_path / "spool" / f"{first}.mp4").write_bytes(b"x")
    (tmp_path / "spool" / "unreadable").mkdir()
    (tmp_path / "spool" / "unreadable" / "torn.mp4").write_bytes(b"x")
    await asyncio.sleep(0)
    assert await differences() == [
        ("object_foreign", "holiday.mp4", False),
        ("spool_left", f"{first}.mp4", False),
        ("spool_unreadable", "torn.mp4", False),
    ]
