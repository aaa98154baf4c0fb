"""Change in a region: who may ask, what is told, what is on record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api import search_change
from gateway.api.search_change import _meet
from gateway.control.channel import ControlServer, control_path
from gateway.footage.change import ChangeSearches
from gateway.footage.reader import FootageReader
from gateway.identifiers import now_us
from gateway.people.roles import Role
from gateway.settings import AccountabilitySettings
from recorder.recorder import Recorder, RecorderConfig
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import lines, mask, records
from tests.search.left_and_taken import REGION, left_and_taken

START_US = (now_us() // 1_000_000) * 1_000_000 - 7_200_000_000
RANGE = {"start_us": START_US, "end_us": START_US + 72_000_000, "points": REGION}
PATH = "/api/search/change"


@pytest.fixture(scope="module")
def day() -> Any:
    return left_and_taken()


class NoShards:
    async def call(self, shard: str, name: str, /, **_: Any) -> Any:
        raise ConnectionError(f"{shard} is away")


@pytest.fixture
async def recorded(county: County, day: Any) -> AsyncIterator[County]:
    """The county, whose first camera has footage and whose footage server runs."""
    track, units = day
    services = county.services
    async with AsyncExitStack() as stack:
        spool = SpoolConfig(services.settings.spool_directory / "shard-1")
        recorder = Recorder(
            RecorderConfig(spool, segment_s=10), services.rows, services.storage.store
        )
        await recorder.start()
        stack.push_async_callback(recorder.close)
        source_id = f"{county.camera}/main"
        await county.write("recorder.assign", source_id=source_id, owner="shard-1", now_us=now_us())
        writer = await recorder.record(
            RecordedSource(source_id, "import", county.camera, "main", 1)
        )
        writer.on_run_started((track,))
        for unit in units:
            writer.on_access_unit(replace(unit, wall_us=START_US + unit.pts_90k * 100 // 9))
        writer.on_run_started((track,))
        assert await recorder.uploader.drain(30)
        reader = FootageReader(services.reader, services.storage.store, NoShards())
        searches = ChangeSearches(reader)
        stack.push_async_callback(searches.close)
        path = control_path(services.settings, "footage-1")
        server = ControlServer(path, services.secret, searches.calls())
        await server.start()
        stack.push_async_callback(server.close)
        await county.write(
            "processes.report",
            name="footage-1",
            kind="footage",
            node="here",
            process_id=1,
            http_address=None,
            http_port=None,
            started_us=1,
        )
        yield county


async def test_a_bag_is_left_and_taken_and_the_search_is_on_record(recorded: County) -> None:
    county = recorded
    await county.user("wang", Role.OPERATOR, county.town)
    async with await county.sign_in("wang") as client:
        told = await lines(client, PATH, camera_id=county.camera, **RANGE)
    moments = [one for one in told if one["type"] == "moment"]
    assert [one["kind"] for one in moments] == ["appeared", "gone"]
    assert told[-1]["type"] == "end"
    (on_record,) = await records(county, "search.change")
    assert on_record.camera_id == county.camera and on_record.start_us == START_US
    assert json.loads(on_record.detail)["points"] == REGION


async def test_beneath_a_mask_only_who_may_lift_it_searches(recorded: County) -> None:
    county = recorded
    await county.user("wang", Role.OPERATOR, county.town)
    await county.user("li", Role.INVESTIGATOR, county.town)
    await mask(county, county.camera, (0.0, 0.4), (0.5, 0.4), (0.5, 0.7), (0.0, 0.7))
    async with await county.sign_in("wang") as client:
        refused = await client.post(PATH, json={"camera_id": county.camera, **RANGE})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "masked")
        beside = [[0.55, 0.5], [0.7, 0.5], [0.7, 0.9], [0.55, 0.9]]
        asked = {"camera_id": county.camera, **RANGE, "points": beside}
        assert (await client.post(PATH, json=asked)).status_code == 200
    assert len(await records(county, "search.change")) == 1
    async with await county.sign_in("li") as client:
        told = await lines(client, PATH, camera_id=county.camera, **RANGE)
    assert [one["kind"] for one in told if one["type"] == "moment"] == ["appeared", "gone"]


async def test_a_reason_is_asked_and_other_towns_know_of_nothing(recorded: County) -> None:
    county = recorded
    await county.user("wang", Role.OPERATOR, county.town)
    await county.user("far", Role.OPERATOR, county.other_town)
    county.services.settings = county.services.settings.model_copy(
        update={"accountability": AccountabilitySettings()}
    )
    body = {"camera_id": county.camera, **RANGE}
    async with await county.sign_in("far") as client:
        assert (await client.post(PATH, json=body)).status_code == 404
    async with await county.sign_in("wang") as client:
        asked = await client.post(PATH, json=body)
        assert (asked.status_code, asked.json()["error"]["code"]) == (422, "purpose_required")
        given_ = await client.post(
            PATH, json={**body, "purpose": {"code": "other", "text": "丢包"}}
        )
        assert given_.status_code == 200
    (on_record,) = await records(county, "search.change")
    assert on_record.reason == "丢包"


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": [[0, 0], [1, 1]]},
        {"points": [[0, 0], [1, 1], [0, 2]]},
        {"points": [[0, 0], [1, 1], [0, "x"]]},
        {"end_us": START_US},
        {"end_us": START_US + 8 * 86_400_000_000},
        {"points": [[0.5, 0.5]] * 40},
    ],
)
async def test_what_makes_no_sense_is_refused(county: County, wrong: dict[str, Any]) -> None:
    await county.user("wang", Role.OPERATOR, county.town)
    async with await county.sign_in("wang") as client:
        answer = await client.post(PATH, json={"camera_id": county.camera, **RANGE, **wrong})
    assert answer.status_code == 422


async def test_a_region_too_small_says_so(recorded: County) -> None:
    county = recorded
    await county.user("wang", Role.OPERATOR, county.town)
    tiny = [[0.5, 0.5], [0.501, 0.5], [0.5, 0.501]]
    async with await county.sign_in("wang") as client:
        told = await lines(client, PATH, camera_id=county.camera, **{**RANGE, "points": tiny})
    assert told[-1]["type"] == "error" and "too small" in told[-1]["message"]


SQUARE = [(0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)]


@pytest.mark.parametrize(
    ("other", "meet"),
    [
        (SQUARE, True),
        ([(0.3, 0.3), (0.4, 0.3), (0.4, 0.4)], True),
        ([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)], True),
        ([(0.0, 0.35), (1.0, 0.35), (1.0, 0.45), (0.0, 0.45)], True),
        ([(0.6, 0.2), (0.9, 0.2), (0.9, 0.6)], True),
        ([(0.7, 0.2), (0.9, 0.2), (0.9, 0.6)], False),
        ([(0.0, 0.9), (0.9, 0.9), (0.9, 1.0)], False),
    ],
)
def test_polygons_that_have_a_point_in_common(other: list[tuple[float, float]], meet: bool) -> None:
    assert _meet(SQUARE, other) is meet and _meet(other, SQUARE) is meet


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=8),
    st.floats(1.01, 3),
)
def test_what_is_wholly_beside_never_meets(
    polygon: list[tuple[float, float]], shift: float
) -> None:
    assert _meet(polygon, polygon)
    assert not _meet(polygon, [(x + shift, y) for x, y in polygon])


async def test_somebody_runs_one_at_a_time_and_holds_up_nobody_else(
    recorded: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    county = recorded
    await county.user("wang", Role.OPERATOR, county.town)
    await county.user("li", Role.OPERATOR, county.town)
    begun, waits = asyncio.Event(), asyncio.Event()
    told = search_change._lines

    async def slowly(*arguments: Any, **further: Any) -> Any:
        begun.set()
        await waits.wait()
        async for line in told(*arguments, **further):
            yield line

    monkeypatch.setattr(search_change, "_lines", slowly)
    body = {"camera_id": county.camera, **RANGE}
    async with await county.sign_in("wang") as client, await county.sign_in("li") as other:
        first = asyncio.create_task(client.post(PATH, json=body))
        await begun.wait()
        second = await client.post(PATH, json=body)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "too_many_searches")
        waits.set()
        assert (await other.post(PATH, json=body)).status_code == 200
        assert (await first).status_code == 200
        assert (await client.post(PATH, json=body)).status_code == 200
    assert not county.services.searching
