"""From the demo's cameras to what is found of them, and what becomes of it when things die."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.control.channel import ControlClient, ControlError, control_path
from gateway.database.engine import create_reader_engine
from gateway.identifiers import US_PER_S, now_us
from gateway.secrets import cluster_secret
from gateway.store import open_configured_store
from search.index.reading import find_passages
from search.index.tables import indexed_spans, passages
from search.index.vectors import VectorReader
from search.objects import ObjectClass
from tests.peers.running_gateway import Gateway, running_gateway

ON = {"SEARCH__ENABLED": "true", "SEARCH__STORE_EVERY_S": "1"}


async def health(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = await gateway.get("/api/analysis")
    return found


async def ids(gateway: Gateway) -> list[int]:
    engine = create_reader_engine(gateway.settings)
    async with engine.connect() as connection:
        found = list(await connection.scalars(sa.select(passages.c.id)))
    await engine.dispose()
    return found


async def worker_of(gateway: Gateway) -> int:
    path = control_path(gateway.settings, "analysis")
    client = ControlClient(path, cluster_secret(gateway.settings))
    try:
        status = await client.call("analysis.status")
    finally:
        await client.close()
    return int(status["workers"][0]["process_id"] or 0)


@pytest.mark.timeout(300)
async def test_people_of_the_demo_are_found_with_crop_and_vector(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, **ON) as gateway:

        async def found() -> bool:
            return len(await ids(gateway)) >= 3

        await gateway.until(found, 120)
        told = await health(gateway)
        assert told["available"] and told["message"] == ""
        assert told["model"].startswith("nanodet")
        assert told["counts"]["live"] == 4, told["counts"]
        assert told["workers"][0]["state"] == "ready"
        assert all(camera["lag_s"] < 60 for camera in told["cameras"])
        assert "gridsight_analysis_pictures_total" in await _metrics(gateway)
        await _every_passage_is_whole(gateway)
        await _a_look(gateway)

        before = len(await ids(gateway))
        os.kill(await worker_of(gateway), signal.SIGKILL)

        async def goes_on() -> bool:
            workers = (await health(gateway))["workers"]
            return workers[0]["restarts"] >= 1 and len(await ids(gateway)) > before

        await gateway.until(goes_on, 120)
        os.kill((await gateway.processes())["analysis"]["process_id"], signal.SIGKILL)
        before = len(await ids(gateway))

        async def is_back() -> bool:
            return len(await ids(gateway)) > before

        await gateway.until(is_back, 120)
        await _every_passage_is_whole(gateway)
        await _switched_off(gateway)


async def _metrics(gateway: Gateway) -> str:
    async with gateway.client.get(gateway.url + "/metrics") as response:
        return await response.text()


async def _every_passage_is_whole(gateway: Gateway) -> None:
    """Row, crop in the store, vector: whoever has the first has the others."""
    engine = create_reader_engine(gateway.settings)
    store = open_configured_store(gateway.settings)
    vectors = VectorReader(gateway.settings.search_directory / "vectors")
    async with engine.connect() as connection:
        all_ids = list(await connection.scalars(sa.select(passages.c.id)))
        found = await find_passages(connection, all_ids)
        spans = (await connection.execute(sa.select(indexed_spans))).all()
    assert ObjectClass.PERSON in {one.object_class for one in found.values()}
    assert spans
    for one in found.values():
        assert one.last_us >= one.first_us > now_us() - 3600 * US_PER_S
        assert one.crop is not None
        jpeg = await store.read(one.crop.store_key, one.crop.offset, one.crop.size_bytes)
        assert jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")
        if one.vector_kind:
            assert vectors.find(one.vector_kind, one.id) is not None
    await store.close()
    await engine.dispose()


async def _a_look(gateway: Gateway) -> None:
    """A picture to search by, live and recorded."""
    path = control_path(gateway.settings, "analysis")
    client = ControlClient(path, cluster_secret(gateway.settings), call_timeout_s=60)
    try:
        for at_us in (None, now_us() - 5 * US_PER_S):
            look = await client.call(
                "analysis.look", camera_id="cam_demo1", at_us=at_us, box=[0.4, 0.4, 0.6, 0.8]
            )
            (chosen,) = look["objects"]
            assert len(chosen["vector"]) == 4 * look["vector_size"]
            assert abs(look["at_us"] - (at_us or now_us())) < 20 * US_PER_S
        with pytest.raises(ControlError) as refused:
            await client.call("analysis.photo", data=b"no photo at all")
        assert refused.value.code == "photo_refused"
    finally:
        await client.close()


async def _switched_off(gateway: Gateway) -> None:
    url = f"{gateway.url}/api/cameras/cam_demo1/analysis"
    async with gateway.client.patch(url, json={"mode": "off"}) as response:
        assert response.status == 200, await response.text()

    async def is_off() -> bool:
        told = await health(gateway)
        states = {camera["camera_id"]: camera["state"] for camera in told["cameras"]}
        return bool(states["cam_demo1"] == "off" and told["counts"]["live"] == 3)

    await gateway.until(is_off)


@pytest.mark.timeout(300)
async def test_a_model_that_is_none_is_said_and_harms_nobody(tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"this is no model")
    variables = {**ON, "SEARCH__DETECTOR": str(bad), "SEARCH__WAITING_S": "5"}
    async with running_gateway(tmp_path / "data", **variables) as gateway:

        async def is_said() -> bool:
            told = await health(gateway)
            return "bad.onnx" in told["message"] and told["workers"][0]["restarts"] >= 1

        await gateway.until(is_said, 120)

        async def recorded() -> bool:
            return await gateway.recording() == 4

        await gateway.until(recorded)
        assert await ids(gateway) == []

        async def dropped() -> bool:
            return any(one["dropped_units"] for one in (await health(gateway))["cameras"])

        await gateway.until(dropped, 60)
        told = await health(gateway)
        assert all(camera["lag_s"] < 30 for camera in told["cameras"])


@pytest.mark.timeout(400)
async def test_recorded_footage_is_looked_through_with_progress(tmp_path: Path) -> None:
    """Recorded while nothing is analysed; then somebody asks, and the process is killed within."""
    variables = {"SEARCH__ENABLED": "true", "RECORDING__SEGMENT_S": "10"}
    async with running_gateway(tmp_path, **variables) as gateway:
        for number in (1, 2, 3, 4):
            url = f"{gateway.url}/api/cameras/cam_demo{number}/analysis"
            async with gateway.client.patch(url, json={"mode": "off"}) as response:
                assert response.status == 200
        before = set(await ids(gateway))
        start_us = now_us()

        async def is_stored() -> bool:
            found = await gateway.post(
                "/api/analysis/jobs",
                {"camera_ids": ["cam_demo1"], "start_us": start_us, "end_us": now_us()},
            )
            job.update(found)
            return bool(found["stretches"])

        job: dict[str, Any] = {}
        await gateway.until(is_stored, 150)
        looked_through_us = max(stretch["end_us"] for stretch in job["stretches"])
        os.kill((await gateway.processes())["analysis"]["process_id"], signal.SIGKILL)

        async def is_done() -> bool:
            told = await gateway.get(f"/api/analysis/jobs/{job['id']}")
            job.update(told)
            return bool(told["state"] == "done")

        await gateway.until(is_done, 150)
        assert job["done"] == 1.0 and job["passages"] > 0
        assert len(set(await ids(gateway)) - before) >= job["passages"]
        again = await gateway.post(
            "/api/analysis/jobs",
            {"camera_ids": ["cam_demo1"], "start_us": start_us, "end_us": job["end_us"]},
        )
        # Only what had not reached the store when it was first asked for.
        assert all(stretch["start_us"] >= looked_through_us for stretch in again["stretches"])
