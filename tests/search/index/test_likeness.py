"""Vectors are written by one, read by all, and answer with the likest that fits everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.index.keys import day_of
from search.index.likeness import OwnVectors
from search.index.query import PassageQuery, similar
from search.index.vectors import VectorItem, VectorReader, VectorStoreBusy, VectorWriter
from search.objects import ObjectClass
from search.passages import Color, Passage
from tests.search.index.conftest import Index
from tests.search.index.making import DAY, S, T, a_passage

KIND = "stripes-1"
SIZE = 16


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[VectorWriter]:
    made = VectorWriter(tmp_path / "vectors")
    yield made
    made.close()


@pytest.fixture
def reader(tmp_path: Path) -> VectorReader:
    return VectorReader(tmp_path / "vectors")


def unit(*numbers: float) -> np.ndarray:
    vector = np.zeros(SIZE, np.float32)
    vector[: len(numbers)] = numbers
    return vector / np.linalg.norm(vector)


def item(passage: Passage, *numbers: float) -> VectorItem:
    return VectorItem(passage.id, passage.camera_id, passage.object_class, unit(*numbers))


def test_one_process_writes(writer: VectorWriter, tmp_path: Path) -> None:
    with pytest.raises(VectorStoreBusy):
        VectorWriter(tmp_path / "vectors")


def test_before_anything_is_written_nothing_is_found(tmp_path: Path) -> None:
    reader = VectorReader(tmp_path / "not yet")
    assert reader.nearest(KIND, unit(1), start_us=T, end_us=T + DAY, limit=5) == []
    assert reader.find(KIND, 5) is None


def test_the_likest_come_first_across_days(writer: VectorWriter, reader: VectorReader) -> None:
    same, near, far = a_passage(T), a_passage(T + DAY), a_passage(T + 2 * S)
    writer.add(KIND, [item(same, 1, 0), item(near, 1, 0.5), item(far, 0, 1)])
    found = reader.nearest(KIND, unit(1), start_us=T, end_us=T + 2 * DAY, limit=3)
    assert [one.passage_id for one in found] == [same.id, near.id, far.id]
    assert [one.likeness for one in found] == pytest.approx([1, 0.894, 0], abs=0.002)
    assert reader.days(KIND, T, T + 2 * DAY) == [day_of(T + DAY), day_of(T)]


def test_only_what_is_asked_for_is_compared(writer: VectorWriter, reader: VectorReader) -> None:
    person, car = a_passage(T), a_passage(T + S, "cam_b", ObjectClass.CAR)
    writer.add(KIND, [item(person, 1), item(car, 1)])

    def ids(**more: object) -> list[int]:
        asked = {"start_us": T, "end_us": T + DAY, "limit": 5} | more
        return [one.passage_id for one in reader.nearest(KIND, unit(1), **asked)]  # type: ignore[arg-type]

    assert ids(camera_ids=["cam_b"]) == [car.id]
    assert ids(classes=[ObjectClass.PERSON]) == [person.id]
    assert ids(start_us=T + S) == [car.id]
    assert ids(end_us=T + S) == [person.id]
    assert ids(ids=[car.id, 17]) == [car.id]
    assert ids(camera_ids=[]) == []


def test_a_passage_that_is_handed_on_again_has_one_vector(
    writer: VectorWriter, reader: VectorReader
) -> None:
    passage = a_passage(T)
    writer.add(KIND, [item(passage, 1, 0)])
    writer.add(KIND, [item(passage, 0, 1), item(passage, 1, 1)])
    assert reader.ids(KIND, day_of(T)) == [passage.id]
    assert reader.find(KIND, passage.id) == pytest.approx(unit(1, 1), abs=0.001)


def test_vectors_of_another_size_are_refused(writer: VectorWriter, reader: VectorReader) -> None:
    passage = a_passage(T)
    writer.add(KIND, [item(passage, 1)])
    other = VectorItem(passage.id, "cam_a", ObjectClass.PERSON, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="holds"):
        writer.add(KIND, [other])
    with pytest.raises(ValueError, match="have 16 numbers, not 3"):
        reader.nearest(KIND, np.ones(3, np.float32), start_us=T, end_us=T + DAY, limit=5)
    with pytest.raises(ValueError, match="a kind of vectors"):
        writer.add("../kind", [item(passage, 1)])


def test_a_table_stays_small_however_often_it_is_added_to(
    writer: VectorWriter, reader: VectorReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.index.vectors._TIDY_EVERY", 5)
    passages = [a_passage(T + n * S) for n in range(12)]
    for one in passages:
        writer.add(KIND, [item(one, 1, passages.index(one))])
    writer.tidy_all()
    assert sorted(reader.ids(KIND, day_of(T))) == sorted(one.id for one in passages)
    (table,) = (tmp_path / "vectors").glob("*.lance")
    # Versions of the last ten minutes are kept for who reads them; their pieces are not added up.
    assert len(reader.nearest(KIND, unit(1), start_us=T, end_us=T + DAY, limit=50)) == 12
    assert table.is_dir()


async def test_what_is_alike_fits_the_words_as_well(
    index: Index, writer: VectorWriter, reader: VectorReader
) -> None:
    red, dark, unknown, elsewhere = (
        a_passage(T, upper_color=Color.RED),
        a_passage(T + S, upper_color=Color.BLACK),
        a_passage(T + 2 * S, upper_color=Color.UNKNOWN),
        a_passage(T + 3 * S, "cam_b", upper_color=Color.RED),
    )
    index.add(red, dark, unknown, elsewhere)
    lost = a_passage(T + 4 * S)  # A vector whose row is gone.
    writer.add(
        KIND,
        [
            item(red, 1, 0.3),
            item(dark, 1),
            item(unknown, 1, 0.1),
            item(elsewhere, 1),
            item(lost, 1),
        ],
    )

    async def found(limit: int = 10, **more: object) -> list[tuple[int, bool]]:
        query = PassageQuery(T, T + DAY, **more)  # type: ignore[arg-type]
        async with index.reader.connect() as connection:
            answer = await similar(connection, OwnVectors(reader), query, KIND, unit(1), limit)
        return [(one.passage.id, one.possible) for one in answer]

    assert await found(upper_colors=[Color.RED], camera_ids=["cam_a"]) == [
        (unknown.id, True),
        (red.id, False),
    ]
    assert len(await found()) == 4
    assert await found(upper_colors=[Color.GREEN], include_possible=False) == []


async def test_pages_of_likeness_follow_each_other(
    index: Index, writer: VectorWriter, reader: VectorReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.index.likeness._FIRST", 2)
    passages = [a_passage(T + n * S) for n in range(9)]
    index.add(*passages)
    writer.add(KIND, [item(one, 1, n // 2) for n, one in enumerate(passages)])
    told: list[int] = []
    after = None
    async with index.reader.connect() as connection:
        while found := await similar(
            connection, OwnVectors(reader), PassageQuery(T, T + DAY), KIND, unit(1), 4, after,
            without={passages[3].id},
        ):  # fmt: skip
            told += [one.passage.id for one in found]
            after = found[-1].cursor
    assert len(told) == len(set(told)) == 8
    assert passages[3].id not in told
    order = {one.id: n // 2 for n, one in enumerate(passages)}
    assert [order[one] for one in told] == sorted(order[one] for one in told)


class Endless:
    """Vectors of which there are ever more, as of many days."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def nearest(self, *_: Any, stopped: Callable[[], bool], **__: Any) -> list[Any]:
        self.begun.set()
        tick = threading.Event()
        while not stopped():
            tick.wait(0.001)
        self.ended.set()
        return []


async def test_what_nobody_waits_for_has_stopped_when_its_turn_is_given_on(index: Index) -> None:
    vectors: Any = Endless()
    own = OwnVectors(vectors)
    query = PassageQuery(T, T + DAY)
    async with index.reader.connect() as connection:
        asked = asyncio.ensure_future(similar(connection, own, query, KIND, unit(1), 5))
        await asyncio.to_thread(vectors.begun.wait)
        asked.cancel()
        await asyncio.wait([asked], timeout=10)
        assert asked.cancelled()
        assert vectors.ended.is_set()


def test_no_further_day_is_asked_for_nobody(writer: VectorWriter, reader: VectorReader) -> None:
    same, near = a_passage(T), a_passage(T + DAY)
    writer.add(KIND, [item(same, 1, 0), item(near, 1, 0.5)])
    asked = iter([False, True])
    found = reader.nearest(
        KIND, unit(1), start_us=T, end_us=T + 2 * DAY, limit=3, stopped=lambda: next(asked)
    )
    # The newest day is asked first.
    assert [one.passage_id for one in found] == [near.id]
