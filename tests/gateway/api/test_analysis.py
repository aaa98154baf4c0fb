"""The health of analysis, its switch, and jobs over footage, without their process."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api import analysis, processes
from gateway.database.audit_tables import audit_log
from gateway.identifiers import now_us
from recorder.tables import sources, spans
from tests.gateway.api.conftest import County, county  # noqa: F401

MINUTE = 60_000_000


@pytest.fixture(autouse=True)
def _nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)


async def admin(county: County) -> httpx.AsyncClient:  # noqa: F811
    await county.user("admin", "system_admin", "*")
    return await county.sign_in("admin")


def record(county: County, start_us: int, end_us: int) -> None:  # noqa: F811
    engine: sa.Engine = county.services.rows._engine  # type: ignore[attr-defined]
    source_id = f"{county.camera}/main"
    with engine.begin() as connection:
        if connection.scalar(sa.select(sources.c.id).where(sources.c.id == source_id)) is None:
            connection.execute(
                sa.insert(sources).values(
                    id=source_id, kind="camera", camera_id=county.camera, variant="main",
                    created_us=1,
                )
            )  # fmt: skip
        connection.execute(
            sa.insert(spans).values(source_id=source_id, start_us=start_us, end_us=end_us)
        )


async def actions(county: County) -> list[str]:  # noqa: F811
    async with county.services.reader.connect() as connection:
        return list(await connection.scalars(sa.select(audit_log.c.action)))


async def test_health_says_so_when_the_process_is_away(county: County) -> None:  # noqa: F811
    async with await admin(county) as client:
        told = (await client.get("/api/analysis")).json()
    assert not told["available"] and "does not answer" in told["message"]
    states = {one["camera_id"]: one["state"] for one in told["cameras"]}
    assert states[county.camera] == "connecting"
    assert told["counts"]["connecting"] + told["counts"]["off"] == len(told["cameras"])


async def test_a_camera_is_switched_on_record(county: County) -> None:  # noqa: F811
    async with await admin(county) as client:
        path = f"/api/cameras/{county.camera}/analysis"
        answer = await client.patch(path, json={"mode": "off"})
        assert answer.json() == {"camera_id": county.camera, "mode": "off"}
        assert (await client.patch(path, json={"mode": "maybe"})).status_code == 422
        shown = (await client.get(f"/api/cameras/{county.camera}")).json()
        assert shown["analysis"] == "off"
        told = (await client.get("/api/analysis")).json()
        assert {one["state"] for one in told["cameras"] if one["mode"] == "off"} == {"off"}
    assert "camera.change" in await actions(county)


async def test_a_camera_has_hours_of_its_own_or_with_many(county: County) -> None:  # noqa: F811
    whole = [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "00:00"}]
    # A minute of a day that is three days away.
    day = (dt.datetime.now(dt.UTC).isoweekday() + 2) % 7 + 1
    never_now = [{"days": [day], "start": "12:00", "end": "12:01"}]
    async with await admin(county) as client:
        path = f"/api/cameras/{county.camera}"

        async def state() -> str:
            told = (await client.get("/api/analysis")).json()
            states = [one["state"] for one in told["cameras"]]
            assert told["counts"] == {one: states.count(one) for one in told["counts"]}
            by_id = {one["camera_id"]: one["state"] for one in told["cameras"]}
            return str(by_id[county.camera])

        hours = {"schedule": never_now}
        changed = (await client.patch(path, json={"analysis_hours": hours})).json()
        assert changed["analysis_hours"] == {"schedule": never_now, "time_zone": "Asia/Shanghai"}
        assert await state() == "resting"
        change = {"analysis_hours": {"schedule": whole, "time_zone": "UTC"}}
        bulk = {"select": {"camera_ids": [county.camera]}, "change": change}
        planned = (await client.post("/api/cameras/bulk", json=bulk)).json()
        text = str(planned)
        assert "12:00–12:01 (Asia/Shanghai)" in text and "00:00–00:00 (UTC)" in text
        done = await client.post("/api/cameras/bulk", json={**bulk, "token": planned["token"]})
        assert done.status_code == 200, done.text
        assert await state() == "connecting"
        for refused in (
            {"schedule": []}, {"schedule": whole, "time_zone": "Asia/Nowhere"},
            {"schedule": [{"days": [8], "start": "00:00", "end": "01:00"}]},
        ):  # fmt: skip
            answer = await client.patch(path, json={"analysis_hours": refused})
            assert answer.status_code == 422
        shown = (await client.patch(path, json={"analysis_hours": None})).json()
        assert shown["analysis_hours"] is None
    assert "camera.change" in await actions(county)


async def test_a_job_is_what_was_recorded_and_not_looked_at(county: County) -> None:  # noqa: F811
    start_us = now_us() - 60 * MINUTE
    record(county, start_us, start_us + 20 * MINUTE)
    await county.write(
        "passages.note_indexed", camera_id=county.camera, start_us=start_us,
        end_us=start_us + 5 * MINUTE, model="m",
    )  # fmt: skip
    asked: dict[str, Any] = {
        "camera_ids": [county.camera], "start_us": start_us, "end_us": start_us + 30 * MINUTE,
    }  # fmt: skip
    async with await admin(county) as client:
        made = await client.post("/api/analysis/jobs", json=asked)
        assert made.status_code == 201, made.text
        job = made.json()
        assert job["state"] == "waiting" and job["done"] == 0.0
        assert [(one["start_us"], one["end_us"]) for one in job["stretches"]] == [
            (start_us + 5 * MINUTE, start_us + 20 * MINUTE)
        ]
        again = (await client.post("/api/analysis/jobs", json={**asked, "again": True})).json()
        assert again["seconds"] == 20 * 60
        nothing = {**asked, "start_us": 1, "end_us": 2}
        done = (await client.post("/api/analysis/jobs", json=nothing)).json()
        assert (done["state"], done["done"], done["stretches"]) == ("done", 1.0, [])
        assert len((await client.get("/api/analysis/jobs")).json()["items"]) == 3
        assert (await client.delete(f"/api/analysis/jobs/{job['id']}")).status_code == 204
        gone = (await client.get(f"/api/analysis/jobs/{job['id']}")).json()
        assert gone["state"] == "cancelled"
        assert (await client.delete(f"/api/analysis/jobs/{job['id']}")).status_code == 409
    assert {"analysis.ask", "analysis.cancel"} <= set(await actions(county))


async def test_a_job_names_one_of_the_models_in_the_settings(
    county: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = county.services.settings.search.model_copy(update={"models": {"night": Path("/n")}})
    changed = county.services.settings.model_copy(update={"search": search})
    monkeypatch.setattr(county.services, "settings", changed)
    start_us = now_us() - 60 * MINUTE
    record(county, start_us, start_us + 20 * MINUTE)
    asked: dict[str, Any] = {
        "camera_ids": [county.camera], "start_us": start_us, "end_us": start_us + 30 * MINUTE,
    }  # fmt: skip
    async with await admin(county) as client:
        assert (await client.get("/api/analysis")).json()["models"] == ["night"]
        made = await client.post("/api/analysis/jobs", json={**asked, "model": "night"})
        assert (made.status_code, made.json()["model"]) == (201, "night")
        assert (await client.post("/api/analysis/jobs", json=asked)).json()["model"] is None
        refused = await client.post("/api/analysis/jobs", json={**asked, "model": "day"})
    assert refused.status_code == 422
    assert "search.models: night" in refused.json()["error"]["detail"]["fields"]["model"]


async def test_a_job_leaves_out_what_is_not_looked_through_yet(county: County) -> None:  # noqa: F811
    """The youngest footage is not read: it must not be called done."""
    asked_us = now_us()
    record(county, asked_us - 5 * MINUTE, asked_us)
    asked = {"camera_ids": [county.camera], "start_us": asked_us - 3 * MINUTE, "end_us": asked_us}
    async with await admin(county) as client:
        job = (await client.post("/api/analysis/jobs", json=asked)).json()
    (stretch,) = job["stretches"]
    assert stretch["end_us"] <= now_us() - MINUTE
    assert 115 < job["seconds"] <= 125


@pytest.mark.parametrize(
    "change",
    [
        {"camera_ids": None},
        {"area_id": "x"},
        {"end_us": 1},
        {"end_us": 93 * 1440 * MINUTE},
        {"start_us": 2**61, "end_us": 2**61 + 1},
        {"camera_ids": []},
    ],
)
async def test_jobs_that_make_no_sense_are_refused(
    county: County,  # noqa: F811
    change: dict[str, Any],
) -> None:
    asked = {"camera_ids": [county.camera], "start_us": 1, "end_us": 2, **change}
    async with await admin(county) as client:
        answer = await client.post("/api/analysis/jobs", json=asked)
    assert answer.status_code == 422


async def test_metrics_are_silent_about_what_is_not_there(county: County) -> None:  # noqa: F811
    async with await admin(county) as client:
        text = (await client.get("/metrics")).text
    assert "gridsight_info" in text and "gridsight_analysis_" not in text


async def test_health_tells_of_ones_own_cameras_only(
    county: County,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong elsewhere, and how much is seen there, is for who runs the system."""
    away = county.other_camera

    async def told(_: Any) -> dict[str, Any]:
        worker = {
            "name": "w", "state": "ready", "message": "", "last_fault": f"{away}: it threw",
            "restarts": 0, "memory_bytes": 1, "busy": 0.1, "pictures": 5, "pictures_per_s": 0.1,
            "failed_pictures": 2, "undescribed": 3, "skipped_batches": 0,
        }  # fmt: skip
        return {
            "message": f"{away} cannot be kept", "waiting_passages": 4, "found": 77,
            "workers": [worker],
            "cameras": [{"camera_id": county.camera, "state": "live", "damaged_units": 6}],
            "footage": {"message": f"footage of {away} is gone", "pictures": 8, "passages": 9},
        }  # fmt: skip

    monkeypatch.setattr(analysis, "_told", told)
    await county.write(
        "analysis.find", reason="missed",
        stretches=[{"camera_id": away, "start_us": 1, "end_us": 1 + MINUTE}],
    )  # fmt: skip
    await county.user("asker", "investigator", county.town)
    async with await county.sign_in("asker") as client:
        answer = await client.get("/api/analysis")
    seen = answer.json()
    assert away not in answer.text and seen["message"]
    assert seen["passages"] is seen["waiting_passages"] is seen["footage"]["passages"] is None
    assert seen["footage"]["waiting_stretches"] == 0
    assert [one["damaged_units"] for one in seen["cameras"] if one["state"] == "live"] == [6]
    async with await admin(county) as client:
        whole = (await client.get("/api/analysis")).json()
    assert whole["passages"] == 77 and whole["workers"][0]["last_fault"] == f"{away}: it threw"
    assert whole["workers"][0]["undescribed"] == 3
    assert whole["footage"]["waiting_stretches"] == 1


async def test_a_job_over_two_towns_tells_each_of_its_own(county: County) -> None:  # noqa: F811
    job = {"id": "anj_x", "start_us": 1, "end_us": 1 + MINUTE, "again": False, "created_by": None}
    stretches = [
        {"camera_id": county.camera, "start_us": 1, "end_us": 1 + MINUTE // 60},
        {"camera_id": county.other_camera, "start_us": 1, "end_us": 1 + MINUTE},
    ]
    await county.write("analysis.ask", job=job, stretches=stretches)
    await county.user("asker", "investigator", county.town)
    async with await county.sign_in("asker") as client:
        (seen,) = (await client.get("/api/analysis/jobs")).json()["items"]
    assert (seen["cameras"], seen["seconds"], seen["hidden"]) == (1, 1.0, True)
    async with await admin(county) as client:
        (whole,) = (await client.get("/api/analysis/jobs")).json()["items"]
    assert (whole["cameras"], whole["seconds"], whole["hidden"]) == (2, 61.0, False)
