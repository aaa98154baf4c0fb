"""Likeness where the machines of a county each keep the vectors of what they saw themselves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gateway.analysis.asked_vectors import AskedVectors, VectorsElsewhere, own_vectors
from gateway.api.search_vectors import EveryMachinesVectors, vectors_of_all
from gateway.control.channel import ControlServer, control_path
from search.index.likeness import Vectors
from search.index.vectors import VectorReader
from search.objects import ObjectClass
from tests.gateway.api.conftest import County
from tests.gateway.api.searching import (
    BEGIN_US,
    KIND,
    RANGE,
    S,
    hits,
    index,
    lines,
    passage,
)
from tests.gateway.control.machines import served_to_machines

FAR = "analysis.node-b"
WANTED = np.array([1, 0], np.float32)
HOUR = {"start_us": BEGIN_US, "end_us": BEGIN_US + 3600 * S}


@dataclass
class Far:
    """The other machine's analysis, with vectors of its own."""

    folder: Path
    server: ControlServer

    async def go(self) -> None:
        await self.server.close()


@pytest.fixture
async def far(
    county: County, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Far]:
    services = county.services
    folder = tmp_path / "far"
    server = ControlServer(
        control_path(services.settings, FAR), services.secret, AskedVectors(folder).handlers()
    )
    await server.start()

    async def elsewhere(kind: str) -> list[str]:
        return [FAR] if kind == "analysis" else []

    monkeypatch.setattr(services.processes, "elsewhere", elsewhere)
    monkeypatch.setattr("gateway.api.processes._CONNECT_S", 0.1)
    yield Far(folder, server)
    await server.close()


async def test_what_another_machine_saw_is_found_and_searched_by(county: County, far: Far) -> None:
    here = await index(
        county, passage(county.camera, 1, vector=[1, 0.3]), passage(county.camera, 9, vector=[0, 1])
    )
    there = await index(
        county,
        passage(county.other_camera, 5, vector=[1, 0]),
        passage(county.other_camera, 7, vector=[1, 0.6]),
        vectors=far.folder,
    )
    await county.user("asker", "investigator")
    async with await county.sign_in("asker") as client:
        found = await hits(client, like={"passage_id": here[0]})
        assert [one["id"] for one in found] == [there[1], there[0], here[1]]
        found = await hits(client, like={"passage_id": there[0]})
        assert [one["id"] for one in found] == [here[0], there[1], here[1]]
        page = await lines(client, like={"passage_id": there[0]}, limit=1)
        assert [one["hit"]["id"] for one in page if one["type"] == "hit"] == [here[0]]


async def test_what_could_not_be_compared_is_said(county: County, far: Far) -> None:
    here = await index(
        county, passage(county.camera, 1, vector=[1, 0]), passage(county.camera, 9, vector=[0, 1])
    )
    there = await index(county, passage(county.other_camera, 5, vector=[1, 0]), vectors=far.folder)
    await far.go()
    await county.user("asker", "investigator")
    async with await county.sign_in("asker") as client:
        told = await lines(client, like={"passage_id": here[0]})
        assert [one["hit"]["id"] for one in told if one["type"] == "hit"] == [here[1]]
        assert [one["type"] for one in told[-3:]] == ["coverage", "error", "end"]
        assert told[-2]["code"] == "not_all_compared" and FAR in told[-2]["message"]
        asked = {**RANGE, "like": {"passage_id": there[0]}}
        refused = await client.post("/api/search", json=asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        # Words are looked up in the rows, which all machines share.
        assert len(await hits(client, classes=["person"])) == 3


async def test_a_passage_that_two_machines_have_counts_once(county: County, far: Far) -> None:
    both = passage(county.camera, 1, vector=[1, 0])
    await index(county, both)
    await index(county, both, crops=False, vectors=far.folder)
    vectors = await vectors_of_all(county.services)
    found = await vectors.nearest(KIND, WANTED, limit=5, **HOUR)
    assert [one.passage_id for one in found] == [both.id]
    assert list(vectors.unanswered) == []


async def test_a_question_goes_to_another_machine_and_back_unchanged(
    county: County, tmp_path: Path
) -> None:
    folder = tmp_path / "there"
    person = passage(county.camera, 1, vector=[1, 0])
    car = passage(county.other_camera, 2, ObjectClass.CAR, vector=[1, 0.5])
    await index(county, person, car, vectors=folder)
    own = await asyncio.to_thread(own_vectors, folder)
    async with served_to_machines(tmp_path / "a.sock", AskedVectors(folder).handlers()) as client:
        asked = VectorsElsewhere(client)
        narrow: list[dict[str, object]] = [
            {},
            {"camera_ids": [county.camera]},
            {"classes": [ObjectClass.CAR]},
            {"ids": [car.id, 17]},
            {"camera_ids": []},
        ]
        for among, limit in itertools.product(narrow, (1, 5)):
            question = {**HOUR, "limit": limit, **among}
            assert await asked.nearest(KIND, WANTED, **question) == await own.nearest(  # type: ignore[arg-type]
                KIND, WANTED, **question
            )
        found = await asked.find_many(KIND, [person.id, 17, car.id])
        assert {one: list(vector) for one, vector in found.items()} == {
            one: list(vector)
            for one, vector in (await own.find_many(KIND, [person.id, car.id])).items()
        }
        assert await asked.find_many(KIND, [17]) == {}
        with pytest.raises(ValueError, match="have 2 numbers, not 3"):
            await asked.nearest(KIND, np.ones(3, np.float32), limit=1, **HOUR)


async def test_nobody_waits_for_another_machine_once_the_question_is_over(tmp_path: Path) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(**_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    own = await asyncio.to_thread(own_vectors, tmp_path / "none")
    async with served_to_machines(tmp_path / "a.sock", {"vectors.nearest": endless}) as client:
        others: dict[str, Vectors] = {FAR: VectorsElsewhere(client)}
        vectors = EveryMachinesVectors(own, others)
        asking = asyncio.create_task(vectors.nearest(KIND, WANTED, limit=1, **HOUR))
        await asyncio.wait_for(begun.wait(), 10)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(ended.wait(), 10)


async def test_one_machine_alone_asks_nobody(county: County) -> None:
    await index(county, passage(county.camera, 1, vector=[1, 0]))
    vectors = await vectors_of_all(county.services)
    found = await vectors.nearest(KIND, WANTED, limit=5, **HOUR)
    reader = VectorReader(county.services.settings.search_directory / "vectors")
    assert found == await asyncio.to_thread(reader.nearest, KIND, WANTED, limit=5, **HOUR)
