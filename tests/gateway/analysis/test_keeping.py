"""Crop, vector, row: in this order, all or to be found again, whatever is killed in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway.analysis.keeping import Batch, Keeper
from gateway.analysis.results import REFUSALS_LIMIT, Results
from gateway.analysis.spans import Indexed
from gateway.database.analysis_tables import analysis_stretches
from recorder.rows import RowError
from recorder.stores import StoreError
from search.index.tables import indexed_spans, missed_spans, passage_crops, passages
from tests.gateway.analysis.conftest import Place
from tests.gateway.analysis.found import SECOND, START_US, found


class Vectors:
    def __init__(self) -> None:
        self.added: dict[int, bytes] = {}
        self.fault: Exception | None = None

    async def add(self, kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        if self.fault is not None:
            raise self.fault
        self.added |= {item["id"]: item["vector"] for item in items}


def keeper(place: Place, vectors: Vectors) -> Keeper:
    return Keeper(place.engine, place.rows, place.store, place.folder / "staging", vectors.add)


async def objects(place: Place) -> dict[str, int]:
    return {one.key: one.size_bytes async for one in place.store.list("crops/")}


async def test_what_is_found_is_kept_with_what_was_looked_at(place: Place) -> None:
    vectors = Vectors()
    made = keeper(place, vectors)
    await made.open()
    some = [found(at_s=0), found(at_s=3), found("cam_2", at_s=1)]
    looked = [["cam_1", START_US, START_US + 9 * SECOND, "model", False]]
    missed = [["cam_2", START_US, START_US + SECOND, "dropped"]]
    assert await made.keep(Batch(some, looked, missed))
    assert sorted(vectors.added) == sorted(one["row"]["id"] for one in some)
    stored = await objects(place)
    # One object for each camera, its crops one after the other.
    assert len(stored) == 2
    for one in some:
        row = one["row"]
        jpeg = await place.store.read(row["crop_key"], row["crop_offset"], row["crop_bytes"])
        assert jpeg == one["jpeg"]
    assert len(await place.all(passages)) == 3
    assert len(await place.all(indexed_spans)) == len(await place.all(missed_spans)) == 1
    assert list((place.folder / "staging").iterdir()) == []


async def test_a_store_that_is_away_costs_nothing_but_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = Vectors()
    made = keeper(place, vectors)
    await made.open()
    put = place.store.put

    async def away(key: str, path: Any) -> None:
        raise StoreError("unreachable", "nobody there")

    monkeypatch.setattr(place.store, "put", away)
    batch = Batch([found()])
    with pytest.raises(StoreError):
        await made.keep(batch)
    assert not vectors.added and await place.all(passages) == []
    monkeypatch.setattr(place.store, "put", put)
    assert await made.keep(batch)
    assert len(await place.all(passages)) == 1


@pytest.mark.parametrize("where", ["vectors", "rows"])
async def test_what_a_kill_left_without_rows_is_taken_away_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    vectors = Vectors()
    made = keeper(place, vectors)
    await made.open()
    kept = Batch([found()])
    await made.keep(kept)
    if where == "vectors":
        vectors.fault = OSError("killed here")
        with pytest.raises(OSError, match="killed here"):
            await made.keep(Batch([found(at_s=10)]))
    else:

        async def killed(operation: str, **_: Any) -> None:
            raise RowError("killed", "killed here")

        with monkeypatch.context() as patch:
            patch.setattr(place.rows, "write", killed)
            with pytest.raises(RowError):
                await made.keep(Batch([found(at_s=10)]))
    assert len(await objects(place)) == 2
    # Another process: of the one before there are files in the folder of crops, no more.
    await keeper(place, Vectors()).open()
    assert list(await objects(place)) == [kept.passages[0]["row"]["crop_key"]]
    assert list((place.folder / "staging").iterdir()) == []


async def test_a_kill_after_the_rows_takes_nothing_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.analysis import keeping

    made = keeper(place, Vectors())
    await made.open()
    monkeypatch.setattr(keeping, "unlink_all", lambda paths: None)
    await made.keep(Batch([found()]))
    assert len(list((place.folder / "staging").iterdir())) == 1
    await keeper(place, Vectors()).open()
    assert len(await objects(place)) == len(await place.all(passage_crops)) == 1
    assert list((place.folder / "staging").iterdir()) == []


async def test_a_long_passage_that_is_told_again_replaces_itself(place: Place) -> None:
    made = keeper(place, Vectors())
    await made.open()
    first = found(lasts_s=60)
    again = {**first, "row": {**first["row"], "lasts_ms": 90_000}}
    await made.keep(Batch([first]))
    await made.keep(Batch([again]))
    ((lasts_ms,),) = await place.all(passages, "lasts_ms")
    assert lasts_ms == 90_000


async def test_progress_is_kept_with_what_was_found_and_a_cancelled_stretch_says_so(
    place: Place,
) -> None:
    made = keeper(place, Vectors())
    await made.open()
    job = {"id": "job", "start_us": 0, "end_us": 1, "again": False, "created_by": None}
    stretch = {"camera_id": "cam_1", "start_us": START_US, "end_us": START_US + 60 * SECOND}
    await place.rows.write("analysis.ask", job=job, stretches=[stretch])
    ((stretch_id,),) = await place.all(analysis_stretches, "id")
    progress = {
        "stretch_id": stretch_id, "position_us": START_US + SECOND, "passages": 1, "done": False,
    }  # fmt: skip
    assert await made.keep(Batch([found()], progress=progress))
    assert await place.all(analysis_stretches, "position_us", "passages", "state") == [
        (START_US + SECOND, 1, "waiting")
    ]
    await place.rows.write("analysis.cancel", job_id="job")
    assert not await made.keep(Batch([found(at_s=5)], progress=progress))
    assert len(await place.all(passages)) == 2


async def test_finds_that_take_the_place_of_others_leave_nothing_of_them(place: Place) -> None:
    made = keeper(place, Vectors())
    await made.open()
    before = [found(at_s=0), found(at_s=1)]
    await made.keep(Batch(before))
    after = found(at_s=0)
    await made.keep(Batch([after], replaced=[one["row"]["id"] for one in before]))
    assert await place.all(passages, "id") == [(after["row"]["id"],)]
    assert len(await place.all(passage_crops)) == 1


async def test_a_row_that_is_refused_stops_no_other(place: Place) -> None:
    """It is left out, and its time is not called looked at."""
    vectors = Vectors()
    results = Results(keeper(place, vectors), place.rows, every_s=5)
    (place.folder / "staging").mkdir()
    good, poison, other = found(at_s=0), found(at_s=10, lasts_s=3), found("cam_2", at_s=1)
    del poison["row"]["motion"]
    results.take("model", [good, poison, other])
    results.indexed("model", [Indexed("cam_1", START_US, START_US + 60 * SECOND)])
    for _ in range(REFUSALS_LIMIT):
        with pytest.raises(KeyError):
            await results.flush()
    await results.flush()
    assert sorted(await place.all(passages, "id")) == sorted(
        (one["row"]["id"],) for one in (good, other)
    )
    end_us = START_US + 13 * SECOND + 1
    assert await place.all(missed_spans, "start_us", "end_us", "cause") == [
        (START_US + 10 * SECOND, end_us, "failed")
    ]
    assert sorted(await place.all(indexed_spans, "start_us", "end_us")) == [
        (START_US, START_US + 10 * SECOND), (end_us, START_US + 60 * SECOND),
    ]  # fmt: skip
    assert results.waiting == 0 and not results.message
    results.take("model", [found(at_s=20)])
    await results.flush()
    assert len(await place.all(passages)) == 3


async def test_what_could_not_be_described_is_noted_with_its_rows_alone(place: Place) -> None:
    """Of what is refused nothing is known, not even that."""
    results = Results(keeper(place, Vectors()), place.rows, every_s=5)
    (place.folder / "staging").mkdir()
    kept, refused = found(at_s=0), found(at_s=10)
    for one in (kept, refused):
        one["undescribed"] = True
    del refused["row"]["motion"]
    results.take("model", [kept, refused])
    for _ in range(REFUSALS_LIMIT):
        with pytest.raises(KeyError):
            await results.flush()
        assert await place.all(missed_spans) == []
    await results.flush()
    assert sorted(await place.all(missed_spans, "start_us", "end_us", "cause")) == [
        (START_US, START_US + 2 * SECOND + 1, "undescribed"),
        (START_US + 10 * SECOND, START_US + 12 * SECOND + 1, "failed"),
    ]


MINUTE = 60 * SECOND


async def test_what_is_looked_at_anew_is_undescribed_as_far_as_it_is_still(place: Place) -> None:
    made = keeper(place, Vectors())
    await made.open()
    spans = [["cam_1", START_US, START_US + 30 * MINUTE, "undescribed"]]
    await made.keep(Batch((), (), spans))
    still = found(at_s=12 * 60, lasts_s=3)
    still["undescribed"] = True
    anew = [["cam_1", START_US + 10 * MINUTE, START_US + 20 * MINUTE]]
    await made.keep(Batch([still], anew=anew))
    assert sorted(await place.all(missed_spans, "start_us", "end_us")) == [
        (START_US, START_US + 10 * MINUTE),
        (START_US + 12 * MINUTE, START_US + 12 * MINUTE + 3 * SECOND + 1),
        (START_US + 20 * MINUTE, START_US + 30 * MINUTE),
    ]
