"""What /metrics says of recording, storing, rows and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.recording_figures import (
    camera_count_families,
    recording_families,
    storage_families,
)
from gateway.database.write_times import WriteTimes
from recorder.rows import RowError
from tests.gateway.api.conftest import County


def _values(families: Iterable[Metric]) -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_shards_spool_and_uploads_come_under_its_name() -> None:
    values = _values(
        recording_families(
            {
                "shard-1": {
                    "store_trouble": "it is away",
                    "upload_lag_s": 7.5,
                    "upload_failures": 3,
                    "recorders_wanted": 4,
                    "recorders_running": 2,
                    "spool_free_bytes": None,
                },
                "shard-2": None,
                "writer": {"writes_waiting": 2, "writes_oldest_s": 0.5, "writes": 9},
            }
        )
    )
    assert values == {
        "gridsight_store_trouble shard-1": 1,
        "gridsight_upload_lag_seconds shard-1": 7.5,
        "gridsight_store_errors_total shard-1": 3,
        "gridsight_recorders_wanted shard-1": 4,
        "gridsight_recorders_running shard-1": 2,
        "gridsight_row_writes_waiting writer": 2,
        "gridsight_row_writes_oldest_seconds writer": 0.5,
        "gridsight_row_writes_total writer": 9,
    }


def test_cameras_are_counted_by_their_main_stream_alone() -> None:
    states = [
        ("a", "main", {"state": "live"}),
        ("a", "sub", {"state": "offline"}),
        ("b", "main", {"state": "offline"}),
    ]
    assert _values(camera_count_families(states, 3)) == {
        "gridsight_cameras live": 1,
        "gridsight_cameras connecting": 0,
        "gridsight_cameras offline": 1,
        "gridsight_cameras refused": 0,
        "gridsight_cameras idle": 0,
        "gridsight_cameras_registered": 3,
    }


def test_what_the_storage_does_not_know_is_left_out() -> None:
    document = {
        "used_bytes": 5,
        "free_bytes": None,
        "bytes_per_day": 2,
        "real_days": 1.5,
        "forecast": {"full_at_us": None, "breaches": [{}, {}]},
    }
    assert _values(storage_families(document)) == {
        "gridsight_store_used_bytes": 5,
        "gridsight_store_bytes_per_day": 2,
        "gridsight_retention_days_least": 1.5,
        "gridsight_retention_breaches": 2,
    }
    document["forecast"] = {"full_at_us": 1_700_000_000_000_000, "breaches": []}
    assert _values(storage_families(document))["gridsight_store_full_timestamp_seconds"] == 1.7e9
    assert storage_families(None) == []


async def test_writes_of_rows_are_counted_and_the_oldest_that_waits_is_told() -> None:
    times = WriteTimes()
    release = asyncio.Event()

    async def write(failure: Exception | None) -> None:
        with times.timing():
            await release.wait()
            if failure is not None:
                raise failure

    outcomes = (None, RowError("not_found", "no such camera"), OSError("the disk is full"))
    writing = [asyncio.create_task(write(one)) for one in outcomes]
    await asyncio.sleep(0)
    waiting = times.figures()
    assert (waiting["writes_waiting"], waiting["writes"]) == (3, 0)
    assert waiting["writes_oldest_s"] > 0
    release.set()
    await asyncio.gather(*writing, return_exceptions=True)
    done = times.figures()
    # Who is refused has been answered.
    assert (done["writes_waiting"], done["writes"], done["writes_failed"]) == (0, 3, 1)
    assert done["writes_oldest_s"] == 0
    assert done["writes_s"] >= waiting["writes_oldest_s"]


@pytest.mark.usefixtures("quick_passwords")
async def test_requests_are_timed_by_resource_and_never_by_what_a_stranger_asks_for(
    county: County,
) -> None:
    await county.user("root", "system_admin")
    async with await county.sign_in("root") as client:
        before = await _requests(client)
        assert (await client.get(f"/api/cameras/{county.camera}")).status_code == 200
        assert (await client.get("/api/cameras/nobody")).status_code == 404
        assert (await client.get("/api/made-up-by-a-stranger")).status_code == 404
        after = await _requests(client)
    news = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}
    assert news == {("cameras", "2xx"): 1, ("cameras", "4xx"): 1, ("other", "4xx"): 1}


async def _requests(client: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    text = (await client.get("/metrics")).text
    return {
        (sample.labels["resource"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "gridsight_request_seconds_count"
    }
