"""The end of what is derived: with its footage, but what is held; in an order that a crash at any
line does not upset; counted when it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recorder.rows import LocalRowWriter
from recorder.stores import DirectoryStoreConfig, StoreError
from recorder.stores.directory import DirectoryStore
from recorder.tables import gaps, held_ranges, sources, spans
from search.index.check import check_index
from search.index.expiry import PassageExpiry
from search.index.keys import crop_key, day_of
from search.index.query import PassageQuery, coverage, search_passages
from search.index.rows import note_indexed
from search.index.tables import (
    passage_crop_leftovers,
    passage_crops,
    passage_deletions,
    passage_details,
    passage_leftovers,
    passage_plates,
    passages,
)
from search.index.vector_expiry import expire_vectors
from search.index.vectors import VectorItem, VectorReader, VectorWriter
from search.objects import ObjectClass
from search.passages import Passage
from tests.search.index.conftest import Index
from tests.search.index.making import DAY, S, T, a_passage

pytestmark = pytest.mark.both_databases

LATER = T + 31 * DAY


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(DirectoryStoreConfig(tmp_path / "store"))


@pytest.fixture
def expiry(index: Index, row_writer: LocalRowWriter, store: DirectoryStore) -> PassageExpiry:
    return PassageExpiry(index.reader, row_writer, store)


async def put(store: DirectoryStore, tmp_path: Path, key: str, size: int) -> None:
    staged = tmp_path / "staged"
    staged.unlink(missing_ok=True)
    staged.write_bytes(bytes(size))
    await store.put(key, staged)


async def keep(index: Index, store: DirectoryStore, folder: Path, *some: Passage) -> str:
    """Add passages of one camera with their crops in one object; gives its key."""
    key = crop_key(some[0].camera_id, some[0].first_us, f"o{some[0].id}")
    await put(store, folder, key, 10 * len(some))
    index.add(*some, crop_key=key)
    return key


def insert(index: Index, table: sa.Table, **values: Any) -> None:
    with index.write.begin() as connection:
        connection.execute(sa.insert(table).values(**values))


def hold(index: Index, start_us: int, end_us: int, camera_id: str = "cam_a") -> None:
    insert(
        index, held_ranges, id="h", camera_id=camera_id, source_id=None,
        start_us=start_us, end_us=end_us,
    )  # fmt: skip


async def left(index: Index) -> list[int]:
    return sorted(row.id for row in index.rows(passages))


async def test_what_is_older_than_its_days_goes_and_is_counted(
    index: Index, store: DirectoryStore, expiry: PassageExpiry, tmp_path: Path
) -> None:
    old, younger = a_passage(plate="鄂HA0001"), a_passage(T + 20 * DAY)
    key = await keep(index, store, tmp_path, old)
    kept = await keep(index, store, tmp_path, younger)
    with index.write.begin() as connection:
        note_indexed(connection, "cam_a", T - S, T + 60 * S, "nanodet")

    assert await expiry.run(LATER, 30, {}) == 1
    assert await left(index) == [younger.id]
    assert [one.key async for one in store.list("crops/")] == [kept]
    assert index.rows(passage_crop_leftovers) == []
    assert index.rows(passage_plates) == []
    (row,) = index.rows(passage_deletions)
    assert (row.cause, row.size_bytes) == ("retention", 10)
    # Of that time no answer says that nothing passed.
    async with index.reader.connect() as connection:
        told = await coverage(connection, ["cam_a"], T, T + 10 * S, now_us=LATER)
    assert [one.why for one in told] == ["expired"]
    assert key not in [one.store_key for one in index.rows(passage_crops)]
    assert await expiry.run(LATER, 30, {}) == 0


async def test_a_camera_may_keep_longer_or_shorter(index: Index, expiry: PassageExpiry) -> None:
    short, usual, long = (a_passage(T, camera) for camera in ("cam_a", "cam_b", "cam_c"))
    index.add(short, usual, long)
    assert await expiry.run(T + 8 * DAY, 30, {"cam_a": 7, "cam_c": 90}) == 1
    assert await left(index) == sorted([usual.id, long.id])
    assert await expiry.run(LATER, 30, {"cam_a": 7, "cam_c": 90}) == 1
    assert await left(index) == [long.id]


async def test_what_is_held_stays_until_nothing_holds_it(
    index: Index, store: DirectoryStore, expiry: PassageExpiry, tmp_path: Path
) -> None:
    before, into, within, after = (
        a_passage(T + at * S) for at in (0, 58, 70, 120)
    )  # Each lasts five seconds.
    for one in (before, into, within, after):
        await keep(index, store, tmp_path, one)
    with index.write.begin() as connection:
        note_indexed(connection, "cam_a", T, T + 200 * S, "nanodet")
    hold(index, T + 60 * S, T + 100 * S)

    assert await expiry.run(LATER, 30, {}) == 2
    assert await left(index) == sorted([into.id, within.id])
    assert len([one async for one in store.list("crops/")]) == 2
    async with index.reader.connect() as connection:
        told = await coverage(connection, ["cam_a"], T, T + 200 * S, now_us=LATER)
    assert [(one.start_us, one.end_us) for one in told] == [
        (T, T + 60 * S),
        (T + 100 * S, T + 200 * S),
    ]
    # Nothing is written over and over while the hold lasts.
    writes: list[str] = []
    expiry._rows = _Counting(expiry._rows, writes)  # type: ignore[assignment]
    assert await expiry.run(LATER, 30, {}) == 0
    assert writes == []

    with index.write.begin() as connection:
        connection.execute(sa.delete(held_ranges))
    assert await expiry.run(LATER, 30, {}) == 2
    assert await left(index) == []


class _Counting:
    def __init__(self, rows: Any, writes: list[str]) -> None:
        self._rows, self._writes = rows, writes

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        self._writes.append(operation)
        return await self._rows.write(operation, **arguments)


async def test_what_was_made_of_deleted_footage_goes_with_it(
    index: Index, expiry: PassageExpiry
) -> None:
    deleted, across, elsewhere, unrecorded, held = (
        a_passage(T + at * S) for at in (10, 58, 130, 300, 40)
    )
    index.add(deleted, across, elsewhere, unrecorded, held)
    for source_id in ("cam_a/main", "cam_a/backfill"):
        insert(
            index, sources, id=source_id, kind="camera", camera_id="cam_a", variant="main",
            created_us=0,
        )  # fmt: skip
    for start, end, cause in (
        (0, 60, "space"),
        (120, 180, "retention"),
        (290, 310, "camera_offline"),
    ):
        insert(
            index, gaps, source_id="cam_a/main", start_us=T + start * S, end_us=T + end * S,
            cause=cause, detail="",
        )  # fmt: skip
    # The second range was fetched from the device once more, and is there still.
    insert(index, spans, source_id="cam_a/backfill", start_us=T + 100 * S, end_us=T + 200 * S)
    hold(index, T + 41 * S, T + 42 * S)

    assert await expiry.run(T + DAY, 30, {}) == 1
    assert await left(index) == sorted([across.id, elsewhere.id, unrecorded.id, held.id])
    assert [row.cause for row in index.rows(passage_leftovers)] == ["space"]


async def test_an_object_goes_with_its_last_crop(
    index: Index, store: DirectoryStore, expiry: PassageExpiry, tmp_path: Path
) -> None:
    first, second = a_passage(T), a_passage(T + 60 * S)
    key = await keep(index, store, tmp_path, first, second)
    hold(index, T + 60 * S, T + 61 * S)
    assert await expiry.run(LATER, 30, {}) == 1
    assert await store.stat(key) is not None
    with index.write.begin() as connection:
        connection.execute(sa.delete(held_ranges))
    await expiry.run(LATER, 30, {})
    assert await store.stat(key) is None


@pytest.mark.parametrize("fails", ["passages.expire", "delete", "passages.forget_crops"])
async def test_a_crash_at_any_step_is_finished_by_the_next_pass(
    index: Index,
    store: DirectoryStore,
    row_writer: LocalRowWriter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
) -> None:
    passage = a_passage()
    key = await keep(index, store, tmp_path, passage)

    class Crashing:
        async def write(self, operation: str, /, **arguments: Any) -> Any:
            if operation == fails:
                raise ConnectionError("killed")
            return await row_writer.write(operation, **arguments)

    async def refuse(_keys: Any) -> None:
        raise StoreError("unreachable", "killed")

    crashing = PassageExpiry(index.reader, Crashing(), store)
    with monkeypatch.context() as patch:
        if fails == "delete":
            patch.setattr(store, "delete", refuse)
        with pytest.raises((ConnectionError, StoreError)):
            await crashing.run(LATER, 30, {})
    # Never an object that nobody knows of, never a row without its object.
    if not index.rows(passages):
        assert index.rows(passage_crop_leftovers) != []
    else:
        assert await store.stat(key) is not None

    await PassageExpiry(index.reader, row_writer, store).run(LATER, 30, {})
    assert index.rows(passages) == index.rows(passage_details) == []
    assert index.rows(passage_crop_leftovers) == index.rows(passage_crops) == []
    assert await store.stat(key) is None
    assert [row.size_bytes for row in index.rows(passage_deletions)] == [10]


@pytest.fixture
def vectors(tmp_path: Path) -> Any:
    writer = VectorWriter(tmp_path / "vectors")
    yield writer
    writer.close()


def vector_of(passage: Passage) -> VectorItem:
    assert passage.vector is not None
    return VectorItem(passage.id, passage.camera_id, passage.object_class, passage.vector)


def seen(at_us: int, camera_id: str = "cam_a") -> Passage:
    return a_passage(at_us, camera_id, vector=[0.6, 0.8, 0.0, 0.0])


async def test_vectors_go_after_their_rows_and_days_as_a_whole(
    index: Index,
    row_writer: LocalRowWriter,
    expiry: PassageExpiry,
    vectors: VectorWriter,
    tmp_path: Path,
) -> None:
    early, late, other = seen(T), seen(T + 3600 * S), seen(T + 60 * S, "cam_b")
    next_day = seen(T + DAY)
    index.add(early, late, other, next_day)
    vectors.add("stripes-1", [vector_of(one) for one in (early, late, other, next_day)])
    reader = VectorReader(tmp_path / "vectors")
    hold(index, T + 3600 * S, T + 3601 * S)

    async def run(work: Callable[[VectorWriter], Any]) -> Any:
        return work(vectors)

    # Of the first camera all but what is held; the other camera keeps for longer.
    assert await expiry.run(T + 31 * DAY - 3600 * S, 30, {"cam_b": 90}) == 1
    assert await expire_vectors(index.reader, row_writer, run, LATER, patience_us=-(1 << 60)) == 1
    assert sorted(reader.ids("stripes-1", day_of(T))) == sorted([late.id, other.id])
    counted = [row for row in index.rows(passage_deletions) if row.passages]
    assert [(row.passages, row.cause) for row in counted] == [(1, "retention")]

    with index.write.begin() as connection:
        connection.execute(sa.delete(held_ranges))
    assert await expiry.run(T + 31 * DAY - 3600 * S, 30, {"cam_b": 20}) == 2
    await expire_vectors(index.reader, row_writer, run, LATER, patience_us=-(1 << 60))
    assert vectors.tables() == [("stripes-1", day_of(T + DAY))]
    assert index.rows(passage_leftovers) == []


async def test_a_crash_between_vectors_and_their_leftovers_does_no_harm(
    index: Index,
    row_writer: LocalRowWriter,
    expiry: PassageExpiry,
    vectors: VectorWriter,
) -> None:
    passage = seen(T)
    index.add(passage, seen(T + 3 * DAY))
    vectors.add("stripes-1", [vector_of(passage)])
    await expiry.run(LATER, 30, {})

    class Crashing:
        async def write(self, operation: str, /, **arguments: Any) -> Any:
            raise ConnectionError(f"killed before {operation} {arguments}")

    async def run(work: Callable[[VectorWriter], Any]) -> Any:
        return work(vectors)

    with pytest.raises(ConnectionError):
        await expire_vectors(index.reader, Crashing(), run, LATER, patience_us=-(1 << 60))
    assert len(index.rows(passage_leftovers)) == 1
    assert await expire_vectors(index.reader, row_writer, run, LATER, patience_us=-(1 << 60)) == 1
    assert [row.passages for row in index.rows(passage_deletions)] == [1]


async def test_check_names_what_does_not_agree(
    index: Index,
    store: DirectoryStore,
    vectors: VectorWriter,
    tmp_path: Path,
) -> None:
    whole, crop_lost, vector_lost, never = seen(T), seen(T + S), seen(T + 2 * S), seen(T + 3 * S)
    for one in (whole, crop_lost, vector_lost):
        await keep(index, store, tmp_path, one)
    vectors.add("stripes-1", [vector_of(one) for one in (whole, crop_lost, vector_lost)])
    reader = VectorReader(tmp_path / "vectors")

    async def found() -> set[tuple[str, str]]:
        return {(one.kind, one.subject) async for one in check_index(index.reader, store, reader)}

    assert await found() == set()
    lost_key = crop_key("cam_a", crop_lost.first_us, f"o{crop_lost.id}")
    await store.delete([lost_key])
    await put(store, tmp_path, crop_key("cam_a", T, "foreign"), 5)
    vectors.delete([("cam_a", vector_lost.id, vector_lost.id)], [])
    vectors.add("stripes-1", [vector_of(never)])
    with index.write.begin() as connection:
        connection.execute(sa.delete(passage_details).where(passage_details.c.id == crop_lost.id))
    assert await found() == {
        ("object_missing", lost_key),
        ("object_unindexed", crop_key("cam_a", T, "foreign")),
        ("row_missing", f"passage {crop_lost.id}"),
        ("usage_wrong", "passage_crops 2"),
        ("vector_missing", f"passage {vector_lost.id}"),
        ("vector_unindexed", f"stripes-1 {day_of(T)}"),
    }


async def test_a_passage_that_is_handed_on_again_is_replaced(
    index: Index, store: DirectoryStore, tmp_path: Path
) -> None:
    first = a_passage(number=7, lasts_us=60 * S, object_class=ObjectClass.CAR, plate="鄂HA0001")
    again = a_passage(number=7, lasts_us=90 * S, object_class=ObjectClass.CAR, plate="鄂HA0007")
    assert first.id == again.id
    old_key = await keep(index, store, tmp_path, first)
    new_key = crop_key("cam_a", T, "again")
    assert index.add(again, crop_key=new_key) == 0
    assert index.add(again, crop_key=new_key) == 0  # As after an answer that was lost.
    async with index.reader.connect() as connection:
        (found,) = await search_passages(connection, PassageQuery(T, T + S), 10)
    assert found.passage.last_us == T + 90 * S
    assert [row.plate for row in index.rows(passage_plates)] == ["鄂HA0007"]
    assert [row.store_key for row in index.rows(passage_crop_leftovers)] == [old_key]
    assert [(row.store_key, row.passages) for row in index.rows(passage_crops)] == [(new_key, 1)]
