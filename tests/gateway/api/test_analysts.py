"""Whom the API asks where several machines analyse, and one answer made of all of theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.analysis.turns import UNDER_WAY_US
from gateway.api.analysis_watch import AnalysisWatch
from gateway.api.analysts import Analysts, merged_figures, merged_status
from gateway.control.channel import ControlServer, control_path
from gateway.settings.cluster import ClusterSettings
from tests.gateway.api.conftest import County

A, B = "analysis.node-a", "analysis.node-b"
FIGURES = {
    "cameras": 2, "cameras_live": 1, "worst_lag_s": 1.5, "waiting_bytes": 10, "dropped_units": 3,
    "pictures": 7, "failed_pictures": 0, "damaged_units": 0, "undescribed": 0,
    "skipped_batches": 0, "passages": 5, "footage_pictures": 0, "footage_passages": 0,
    "workers": 1, "workers_ready": 1, "worker_restarts": 0, "worker_bytes": 100, "message": "",
}  # fmt: skip


def status(name: str, **more: Any) -> dict[str, Any]:
    footage = {"message": "", "pictures": 2, "passages": 1, "current": [name]}
    return {
        "model": None, "provider": None, "message": "", "workers": [{"name": f"{name}-1"}],
        "cameras": [{"camera_id": name}], "waiting_passages": 2, "found": 3, "footage": footage,
        **more,
    }  # fmt: skip


@pytest.fixture
async def analysts(county: County) -> AsyncIterator[Analysts]:
    """The first machine's answers; the other has been lost."""
    services = county.services
    for name, node in ((A, "node-a"), (B, "node-b")):
        await county.write(
            "processes.report", name=name, kind="analysis", node=node, process_id=1, started_us=1
        )

    async def told() -> dict[str, Any]:
        return status(A)

    async def figures() -> dict[str, Any]:
        return {"analysis": dict(FIGURES)}

    server = ControlServer(
        control_path(services.settings, A),
        services.secret,
        {"analysis.status": told, "process.status": figures},
    )
    await server.start()
    cluster = ClusterSettings(node="node-a", listen_address="127.0.0.1")
    settings = services.settings.model_copy(update={"cluster": cluster})
    services.processes.client(B)._connect_timeout_s = 0.05
    yield Analysts(settings, services.processes, services.reader)
    await server.close()


async def test_a_camera_is_asked_of_who_has_it(county: County, analysts: Analysts) -> None:
    client = county.services.processes.client
    await county.write("analysis.place", owners={county.camera: B}, under_way_us=UNDER_WAY_US)
    assert await analysts.of(county.camera) is client(B)
    assert await analysts.of(county.other_camera) is await analysts.any_one()


async def test_one_that_is_lost_is_named_and_the_others_are_told(
    county: County, analysts: Analysts
) -> None:
    told = await analysts.all_told("analysis.status")
    assert told == {A: status(A), B: None}
    together = merged_status(told)
    assert together is not None
    assert together["message"] == f"{B} does not answer"
    assert together["cameras"] == [{"camera_id": A}]
    watch = AnalysisWatch(county.services.settings, analysts)
    taken = watch._together(await analysts.all_told("process.status"))
    assert taken is not None and taken["message"] == f"{B} does not answer"
    assert taken["dropped_units"] == 3


async def test_one_machine_alone_asks_the_one_there_is(county: County) -> None:
    alone = county.services.analysts
    client = county.services.processes.client("analysis")
    client._connect_timeout_s = 0.05
    assert await alone.of(county.camera) is client
    assert await alone.any_one() is client
    assert await alone.all_told("analysis.status") == {"analysis": None}
    assert merged_status({"analysis": None}) is None
    own = status("analysis")
    assert merged_status({"analysis": own}) == own


def test_several_answers_become_one() -> None:
    together = merged_status({A: status(A), B: status(B, model="yolo", message="it is full")})
    assert together is not None
    assert [one["name"] for one in together["workers"]] == [f"{A}-1", f"{B}-1"]
    assert [one["camera_id"] for one in together["cameras"]] == [A, B]
    assert (together["model"], together["message"]) == ("yolo", "it is full")
    assert (together["waiting_passages"], together["found"]) == (4, 6)
    assert together["footage"] == {
        "message": "", "pictures": 4, "passages": 2, "current": [A, B]
    }  # fmt: skip


def test_figures_are_added_up_and_the_worst_lag_counts() -> None:
    other = {**FIGURES, "worst_lag_s": 4.0, "message": "no model"}
    together = merged_figures([FIGURES, other])
    assert together is not None
    assert (together["cameras"], together["pictures"], together["worker_bytes"]) == (4, 14, 200)
    assert (together["worst_lag_s"], together["message"]) == (4.0, "no model")
    assert merged_figures([]) is None


def test_figures_of_two_versions_become_one() -> None:
    newer = {**FIGURES, "masked_pictures": 3}
    for order in ([FIGURES, newer], [newer, FIGURES]):
        together = merged_figures(order)
        assert together is not None
        assert (together["masked_pictures"], together["pictures"]) == (3, 14)
