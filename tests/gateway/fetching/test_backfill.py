"""Gaps are filled with what the device kept; what fails is tried again, on record in its row."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.database.fetch_tables import backfills
from gateway.fetching import backfill
from gateway.fetching.backfill import Backfill
from gateway.footage.camera_timeline import camera_timeline
from tests.gateway.fetching.conftest import CAMERA, SECRET, Place, place  # noqa: F401
from tests.gateway.fetching.made import SECOND, Device
from tests.recorder.made import START_US

NOW_US = START_US + 3600 * SECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Backfill's clock, to be set."""
    now = [NOW_US]
    monkeypatch.setattr(backfill, "now_us", lambda: now[0])
    monkeypatch.setattr("gateway.fetching.backfill_rows.now_us", lambda: now[0])
    return now


async def gap(place: Place, first_s: int, last_s: int, cause: str = "camera_offline") -> None:  # noqa: F811
    await place.rows.write(
        "recorder.add_gap",
        source_id=f"{CAMERA}/main",
        start_us=START_US + first_s * SECOND,
        end_us=START_US + last_s * SECOND,
        cause=cause,
        detail="no route to host",
    )


async def turn(place: Place) -> None:  # noqa: F811
    """One turn, and all that it began."""
    filling = Backfill(
        place.engine, place.rows, place.recorder, place.maker("backfill"),
        secret=SECRET, owner="shard-1", days=7, at_once=2,
    )  # fmt: skip
    await filling.turn()
    await asyncio.gather(*filling._running.values())


async def rows_of(place: Place) -> list[Any]:  # noqa: F811
    async with place.engine.connect() as connection:
        rows = await connection.execute(sa.select(backfills).order_by(backfills.c.start_us))
        return list(rows)


async def test_a_gap_is_filled_and_the_timeline_says_with_what(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    await gap(place, 100, 130)
    await turn(place)
    assert (await rows_of(place))[0].state == "done"
    filed = await place.filed("backfill")
    assert (filed[0][0], filed[-1][1]) == (100, 130)
    async with place.engine.connect() as connection:
        found = await camera_timeline(
            connection, CAMERA, START_US, START_US + 130 * SECOND, now_us=NOW_US
        )
    assert found.spans == [(START_US + 100 * SECOND, START_US + 130 * SECOND)]
    assert [one.kind for one in found.added] == ["backfill"] and found.gaps == []


async def test_what_is_there_is_not_fetched_twice(place: Place, clock: list[int]) -> None:  # noqa: F811
    await gap(place, 100, 130)
    await turn(place)
    await turn(place)
    assert place.device.asked == [(100, 130)]


@pytest.mark.parametrize("cause", ["retention", "space", "not_scheduled", "clock_step"])
async def test_what_was_meant_to_be_missing_stays_missing(
    place: Place,  # noqa: F811
    clock: list[int],
    cause: str,
) -> None:
    await gap(place, 100, 130, cause)
    await turn(place)
    assert await rows_of(place) == []


async def test_a_broken_session_goes_on_where_it_broke(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    place.device.breaks_at_s = 115
    await gap(place, 100, 130)
    await turn(place)
    (row,) = await rows_of(place)
    assert (row.state, row.fault, row.tries) == ("waiting", "lost", 1)
    assert 13 * SECOND <= row.fetched_us <= 15 * SECOND
    await turn(place)
    assert len(place.device.asked) == 1, "it is not tried again before its time"
    place.device.breaks_at_s = None
    clock[0] = row.next_us
    await turn(place)
    (row,) = await rows_of(place)
    assert row.state == "done"
    assert place.device.played[1][0] >= 113


async def test_a_device_that_has_nothing_is_asked_three_times(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    place.device.holds = []
    await gap(place, 100, 130)
    for _ in range(5):
        await turn(place)
        clock[0] = (await rows_of(place))[0].next_us
    (row,) = await rows_of(place)
    assert (row.state, len(place.device.asked)) == ("empty", 3)


async def test_a_device_that_has_a_part_gives_that_part_and_is_asked_for_the_rest(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    place.device.holds = [(90, 110)]
    await gap(place, 100, 130)
    for _ in range(4):
        await turn(place)
        clock[0] = (await rows_of(place))[0].next_us
    (row,) = await rows_of(place)
    assert row.state == "partial" and row.fetched_us == 10 * SECOND
    assert place.device.asked == [(100, 130), (110, 130), (110, 130)]


async def test_a_device_that_indexes_late_gives_the_rest_later(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    place.device.holds = [(90, 110)]
    await gap(place, 100, 130)
    await turn(place)
    clock[0] = (await rows_of(place))[0].next_us
    place.device.holds = [(90, 200)]
    await turn(place)
    (row,) = await rows_of(place)
    assert row.state == "done"
    filed = await place.filed("backfill")
    assert (filed[0][0], filed[-1][1]) == (100, 130)


async def test_old_gaps_are_found_behind_any_number_of_known_ones(
    place: Place,  # noqa: F811
    clock: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill, "_GAPS_AT_ONCE", 2)
    for first_s in range(100, 200, 10):
        await gap(place, first_s, first_s + 5)
    await turn(place)
    assert len(await rows_of(place)) == 10


async def test_one_stretch_of_a_device_at_a_time(place: Place, clock: list[int]) -> None:  # noqa: F811
    for first_s in (100, 200, 300):
        await gap(place, first_s, first_s + 20)
    await turn(place)
    assert place.device.asked == [(300, 320)], "the newest first"


async def test_a_camera_that_no_device_brings_is_left_alone(
    place: Place,  # noqa: F811
    clock: list[int],
) -> None:
    await place.rows.write("cameras.change", camera_id=CAMERA, columns={"platform_id": None})
    await gap(place, 100, 130)
    await turn(place)
    assert await rows_of(place) == [] and place.device.asked == []


def test_the_device_made_here_holds_an_hour() -> None:
    assert Device([(0, 3600)]).gate.is_set()
