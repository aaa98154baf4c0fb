"""Footage that should be in the index and is not is found, whatever the reason, and queued once."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analysis import desired as desired_module
from gateway.analysis.backlog import (
    LEAST_US,
    LONGEST_US,
    SETTLED_US,
    Backlog,
    pieces,
    recorded_pieces,
)
from gateway.analysis.desired import AnalysedCameras
from gateway.analysis.hours import outside_hours
from gateway.database.analysis_tables import analysis_jobs, analysis_stretches
from gateway.identifiers import now_us
from search.index.coverage import coverage
from search.index.tables import indexed_spans, missed_spans
from tests.gateway.analysis.conftest import Place

MINUTE = 60_000_000
HOUR = 60 * MINUTE


def backlog(place: Place, hours: float = 24) -> Backlog:
    return Backlog(place.engine, place.rows, hours=hours, on_found=lambda: None)


async def looked_at(place: Place, start_us: int, end_us: int) -> None:
    await place.rows.write(
        "passages.note_indexed", camera_id="cam_1", start_us=start_us, end_us=end_us, model="m"
    )


async def test_cameras_are_analysed_that_are_recorded_or_said_to_be(place: Place) -> None:
    desired = AnalysedCameras(place.engine)
    await desired.read()
    assert set(desired.wanted) == {"cam_1", "cam_4"}
    await place.rows.write("cameras.change", camera_id="cam_1", columns={"analysis": "off"})
    await desired.read()
    assert set(desired.wanted) == {"cam_4"}


def hours_around(at_us: int, minutes: int) -> dict[str, Any]:
    """Of each day, so many minutes before and after then."""
    clocks = [
        f"{dt.datetime.fromtimestamp(one / 1e6, dt.UTC):%H:%M}"
        for one in (at_us - minutes * MINUTE, at_us + minutes * MINUTE)
    ]
    days = [1, 2, 3, 4, 5, 6, 7]
    return {"schedule": [{"days": days, "start": clocks[0], "end": clocks[1]}], "time_zone": "UTC"}


async def test_outside_of_its_hours_a_camera_is_not_looked_at_live(place: Place) -> None:
    desired = AnalysedCameras(place.engine)
    for around_us, wanted in ((now_us(), {"cam_1", "cam_4"}), (now_us() + 12 * HOUR, {"cam_4"})):
        columns = {"analysis_hours": hours_around(around_us, 60)}
        await place.rows.write("cameras.change", camera_id="cam_1", columns=columns)
        await desired.read()
        assert set(desired.wanted) == wanted
        assert "cam_1" in desired.shards
    await place.rows.write("cameras.change", camera_id="cam_1", columns={"analysis_hours": None})
    await desired.read()
    assert set(desired.wanted) == {"cam_1", "cam_4"}


async def test_hours_begin_and_end_without_any_change_of_rows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_us = now_us()
    columns = {"analysis_hours": hours_around(at_us, 60)}
    await place.rows.write("cameras.change", camera_id="cam_1", columns=columns)
    desired = AnalysedCameras(place.engine)
    seen = []
    for later_us in (0, 2 * HOUR, 24 * HOUR):
        monkeypatch.setattr(desired_module, "now_us", lambda us=at_us + later_us: us)
        await desired.read()
        seen.append("cam_1" in desired.wanted)
    assert seen == [True, False, True]


async def test_what_lies_outside_of_hours_is_made_up_by_a_job_alone(place: Place) -> None:
    at_us = now_us() // MINUTE * MINUTE
    start_us = at_us - 4 * HOUR
    place.recorded("cam_1", "camera", start_us, at_us)
    columns = {"analysis_hours": hours_around(at_us - 2 * HOUR, 30)}
    await place.rows.write("cameras.change", camera_id="cam_1", columns=columns)
    assert await backlog(place).look(at_us) == 1
    wanted = (at_us - 2 * HOUR - 30 * MINUTE, at_us - 2 * HOUR + 30 * MINUTE)
    assert await place.all(analysis_stretches, "start_us", "end_us") == [wanted]
    async with place.engine.connect() as connection:
        asked = await recorded_pieces(connection, ["cam_1"], start_us, at_us)
        outside = await outside_hours(connection, ["cam_1", "cam_4"], start_us, at_us)
        told = await coverage(
            connection, ["cam_1", "cam_4"], start_us, at_us, unwanted=outside, now_us=at_us
        )
    assert sum(one["end_us"] - one["start_us"] for one in asked) == 4 * HOUR
    assert outside == {"cam_1": [(start_us, wanted[0]), (wanted[1], at_us)]}
    assert {one.why for one in told if one.camera_id == "cam_1"} == {"not_analysed"}


async def test_what_lies_outside_of_hours_is_not_behind(place: Place) -> None:
    at_us = now_us() // MINUTE * MINUTE
    ended_us = at_us - 5 * MINUTE
    place.recorded("cam_1", "camera", at_us - HOUR, at_us)
    await looked_at(place, at_us - HOUR, ended_us)
    hours = {"analysis_hours": hours_around(ended_us - 30 * MINUTE, 30)}
    async with place.engine.connect() as connection:
        (before,) = await coverage(connection, ["cam_1"], at_us - HOUR, at_us, now_us=at_us)
    await place.rows.write("cameras.change", camera_id="cam_1", columns=hours)
    async with place.engine.connect() as connection:
        outside = await outside_hours(connection, ["cam_1"], at_us - HOUR, at_us)
        (after,) = await coverage(
            connection, ["cam_1"], at_us - HOUR, at_us, unwanted=outside, now_us=at_us
        )
    assert (before.why, after.why) == ("lagging", "not_analysed")
    assert (after.start_us, after.end_us) == (ended_us, at_us)


async def test_what_was_recorded_and_not_looked_at_is_queued_once(place: Place) -> None:
    at_us = now_us()
    start_us = at_us - HOUR
    for camera_id in ("cam_1", "cam_2"):
        place.recorded(camera_id, "camera", start_us, at_us)
    await looked_at(place, start_us + 10 * MINUTE, start_us + 30 * MINUTE)
    assert await backlog(place).look(at_us) == 2
    assert await place.all(analysis_stretches, "camera_id", "start_us", "end_us", "reason") == [
        ("cam_1", start_us + 30 * MINUTE, at_us - SETTLED_US, "missed"),
        ("cam_1", start_us, start_us + 10 * MINUTE, "missed"),
    ]
    assert await backlog(place).look(at_us) == 0
    assert await backlog(place, hours=0).look(at_us) == 0


async def test_what_came_later_is_found_however_old_it_is(place: Place) -> None:
    at_us = now_us()
    old_us = at_us - 1000 * HOUR
    place.recorded("cam_1", "camera", old_us - HOUR, old_us)
    place.recorded("cam_1", "import", old_us, old_us + MINUTE)
    # Its source was made when it came.
    with place.writing.begin() as connection:
        connection.exec_driver_sql(f"UPDATE sources SET created_us = {at_us} WHERE kind = 'import'")
    assert await backlog(place).look(at_us) == 1
    assert await place.all(analysis_stretches, "start_us", "reason") == [(old_us, "import")]


async def test_what_was_lost_under_way_is_looked_at_again(place: Place) -> None:
    at_us = now_us()
    start_us = at_us - HOUR
    place.recorded("cam_1", "camera", start_us, at_us)
    await looked_at(place, start_us, at_us)
    assert await backlog(place).look(at_us) == 0
    lost = [["cam_1", start_us + MINUTE, start_us + 2 * MINUTE]]
    await place.rows.write("analysis.undo", spans=lost, cause="failed")
    assert await place.all(missed_spans, "cause", "start_us", "end_us") == [
        ("failed", start_us + MINUTE, start_us + 2 * MINUTE)
    ]
    assert len(await place.all(indexed_spans)) == 2
    assert await backlog(place).look(at_us) == 1


async def test_a_stretch_that_never_gets_further_is_given_up_and_says_why(place: Place) -> None:
    job = {"id": "job", "start_us": 0, "end_us": 1, "again": False, "created_by": None}
    stretch = {"camera_id": "cam_1", "start_us": 1, "end_us": 2}
    await place.rows.write("analysis.ask", job=job, stretches=[stretch])
    ((stretch_id,),) = await place.all(analysis_stretches, "id")
    for _ in range(5):
        await place.rows.write(
            "analysis.stumble", stretch_id=stretch_id, detail="the store is away", again_after_us=1
        )
    assert await place.all(analysis_stretches, "state", "detail") == [
        ("failed", "the store is away")
    ]
    ((finished_us,),) = await place.all(analysis_jobs, "finished_us")
    assert finished_us is not None
    assert await place.rows.write("analysis.forget", before_us=now_us() + 1) == 1
    assert await place.all(analysis_jobs) == []


ranges = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 60)).map(
        lambda one: (one[0] * 10**6, (one[0] + one[1]) * 10**6)
    ),
    max_size=12,
)


@given(st.integers(1, 20_000), ranges)
def test_pieces_cover_what_is_not_known_and_little_else(
    seconds: int, known: list[tuple[int, int]]
) -> None:
    whole = (0, seconds * 10**6)
    found = pieces(whole, known)
    for start_us, end_us in found:
        assert whole[0] <= start_us < end_us <= whole[1]
        assert end_us - start_us <= LONGEST_US
    for before, after in itertools.pairwise(found):
        assert before[1] <= after[0]
    for second in range(min(seconds, 600)):
        at_us = second * 10**6
        covered = any(start <= at_us < end for start, end in known)
        queued = any(start <= at_us < end for start, end in found)
        if not covered and not queued:
            # Only seams are left.
            ends = [end for _, end in known if end <= at_us] + [0]
            begins = [start for start, _ in known if start > at_us] + [whole[1]]
            assert min(begins) - max(ends) < LEAST_US
