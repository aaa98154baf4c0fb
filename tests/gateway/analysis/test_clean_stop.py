"""A killed process leaves nothing that is called looked at and was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.analysis.backlog import Backlog
from gateway.analysis.clean_stop import note_clean, take_back_unless_clean
from gateway.analysis.keeping import Keeper
from gateway.analysis.results import Results
from gateway.analysis.spans import Indexed
from gateway.analysis.turns import UNDER_WAY_US
from gateway.database.analysis_tables import analysis_stretches
from search.index.query import coverage
from tests.gateway.analysis.conftest import Place
from tests.gateway.analysis.found import SECOND, START_US

END_US = START_US + 600 * SECOND


async def looked_at(place: Place) -> None:
    """Ten minutes are noted; who is in the picture since a minute is not handed on yet."""

    async def vectors(kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        return None

    keeper = Keeper(place.engine, place.rows, place.store, place.folder / "staging", vectors)
    results = Results(keeper, place.rows, every_s=5)
    results.indexed("model", [Indexed("cam_1", START_US, END_US)])
    await results.flush()
    place.recorded("cam_1", "camera", START_US, END_US + 600 * SECOND)


async def uncovered(place: Place) -> list[tuple[int, int, str]]:
    async with place.engine.connect() as connection:
        told = await coverage(
            connection, ["cam_1"], START_US, END_US, now_us=END_US + 3600 * SECOND
        )
    return [(one.start_us, one.end_us, one.why) for one in told]


async def test_what_was_under_way_when_it_was_killed_is_looked_for_again(place: Place) -> None:
    await looked_at(place)
    assert not await take_back_unless_clean(place.folder / "search", place.rows)
    assert await uncovered(place) == [(END_US - UNDER_WAY_US, END_US, "failed")]
    backlog = Backlog(place.engine, place.rows, hours=24, on_found=lambda: None)
    await backlog.look(END_US + 3600 * SECOND)
    ((start_us, end_us),) = await place.all(analysis_stretches, "start_us", "end_us")
    assert start_us == END_US - UNDER_WAY_US and end_us >= END_US


async def test_it_is_taken_back_once_however_often_it_is_killed(place: Place) -> None:
    await looked_at(place)
    await take_back_unless_clean(place.folder / "search", place.rows)
    await place.rows.write(
        "passages.note_indexed", camera_id="cam_1", start_us=START_US, end_us=END_US,
        model="model", late=True,
    )  # fmt: skip
    assert not await take_back_unless_clean(place.folder / "search", place.rows)
    assert await uncovered(place) == []


async def test_what_ended_cleanly_stays(place: Place) -> None:
    folder = place.folder / "search"
    await take_back_unless_clean(folder, place.rows)
    await looked_at(place)
    await note_clean(folder)
    assert await take_back_unless_clean(folder, place.rows)
    assert await uncovered(place) == []
    # It runs now: should it be killed, it did not end cleanly.
    assert not await take_back_unless_clean(folder, place.rows)
    assert await uncovered(place) == [(END_US - UNDER_WAY_US, END_US, "failed")]
