"""Reports from the field through the API: each once, with its files, however the way there was."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.incident_tables import incident_attachments, incidents
from gateway.database.tables import audit_log, field_duties, field_uploads
from gateway.field.expiry import UploadExpiry, end_duties
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County
from tests.gateway.attachments.files import photo, video

DAY_US = 86_400_000_000
REPORT_ID = "r0" * 10
UPLOAD_ID = "u0" * 10


@pytest.fixture
async def worker(county: County) -> AsyncIterator[httpx.AsyncClient]:
    await county.user("worker", "field_worker", county.village, home=county.village)
    async with await county.sign_in("worker") as client:
        yield client


def written(**fields: Any) -> dict[str, Any]:
    """A report that was written a minute ago."""
    at_us = now_us()
    return {
        "id": REPORT_ID,
        "category": "公共设施",
        "words": "路灯不亮，已三天",
        "made_phone_us": at_us - 60_000_000,
        "sent_phone_us": at_us,
        **fields,
    }


async def send(
    client: httpx.AsyncClient, upload_id: str, start: int, piece: bytes, digest: bytes | None = None
) -> httpx.Response:
    """One piece."""
    checksum = base64.b64encode(digest or hashlib.sha256(piece).digest()).decode()
    return await client.patch(
        f"/api/field/uploads/{upload_id}",
        content=piece,
        headers={"Upload-Offset": str(start), "Upload-Checksum": f"sha256 {checksum}"},
    )


async def test_a_report_opens_one_incident_however_often_it_is_sent(
    county: County, worker: httpx.AsyncClient
) -> None:
    first = await worker.post("/api/field/reports", json=written())
    assert first.status_code == 201, first.text
    again = [await worker.post("/api/field/reports", json=written()) for _ in range(3)]
    assert [one.status_code for one in again] == [200] * 3
    assert {one.json()["id"] for one in again} == {first.json()["id"]}
    assert first.json()["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    async with county.services.reader.connect() as connection:
        (row,) = (await connection.execute(sa.select(incidents))).all()
        made = await connection.scalar(
            sa.select(sa.func.count()).where(audit_log.c.action == "report.make")
        )
    assert (row.id, row.title) == (first.json()["incident_id"], "路灯不亮，已三天")
    assert (row.origin, row.area_id, row.reporter_name) == ("field", county.village, "worker!")
    assert made == 1
    assert [one["id"] for one in (await worker.get("/api/field/reports")).json()["items"]] == [
        first.json()["id"]
    ]


async def test_words_stay_words_and_an_unknown_category_loses_nothing(
    county: County, worker: httpx.AsyncClient
) -> None:
    words = "<script>alert(1)</script>\0\x1b[31m 井盖丢失"
    sent = await worker.post("/api/field/reports", json=written(words=words, category="不再使用"))
    assert sent.status_code == 201, sent.text
    assert sent.json()["words"] == "<script>alert(1)</script>[31m 井盖丢失"
    assert sent.json()["incident_id"]


async def test_the_telephones_clock_and_place_are_doubted_where_they_should(
    county: County, worker: httpx.AsyncClient
) -> None:
    await county.add_camera("村委会", county.village, longitude=112.41, latitude=31.04)
    at_us = now_us()
    place = {"longitude": 2.35, "latitude": 48.85, "accuracy_m": 0, "at_phone_us": at_us}
    sent = await worker.post(
        "/api/field/reports",
        json=written(place=place, grid="no such code", made_phone_us=at_us - 2 * DAY_US,
                     sent_phone_us=at_us - 2 * DAY_US + 1_000_000),
    )  # fmt: skip
    document = sent.json()
    assert document["flags"] == ["clock", "unknown_grid", "outside", "no_accuracy"]
    assert abs(document["skew_ms"] - 2 * 86_400_000) < 60_000
    assert abs(document["made_us"] - at_us) < 60_000_000
    # Kilometres in no time.
    near = {"longitude": 112.41, "latitude": 31.04, "accuracy_m": 9, "at_phone_us": at_us}
    sent = await worker.post("/api/field/reports", json=written(id="x" * 20, place=near))
    assert "jump" in sent.json()["flags"]
    for wrong in ({"longitude": 181}, {"latitude": "NaN"}, {"accuracy_m": -1}):
        refused = await worker.post(
            "/api/field/reports", json=written(id="y" * 20, place={**near, **wrong})
        )
        assert refused.status_code == 422


async def test_a_scanned_code_says_the_cell_and_who_works_there(
    county: County, worker: httpx.AsyncClient
) -> None:
    cell = await county.write(
        "areas.create", parent_id=county.village, name="彭墩村第一网格", code="42088110420101"
    )
    grid = (await worker.get("/api/field/grids/42088110420101")).json()
    assert (grid["name"], grid["workers"]) == ("彭墩村第一网格", ["worker!"])
    sent = await worker.post("/api/field/reports", json=written(grid="42088110420101"))
    assert (sent.json()["area_id"], sent.json()["grid_id"]) == (cell, cell)
    foreign = await worker.post(
        "/api/field/reports", json=written(id="z" * 20, grid=county.other_town)
    )
    assert foreign.json()["flags"] == ["foreign_grid"]
    assert foreign.json()["area_id"] == county.village
    await county.user("clerk", "area_admin", county.town)
    async with await county.sign_in("clerk") as clerk:
        sheet = await clerk.get("/api/field/grids/sheet", params={"area_id": county.village})
        assert "彭墩村第一网格" in sheet.text and "<svg" in sheet.text
        assert "<script" not in sheet.text
    assert (await worker.get("/api/field/grids/sheet?area_id=x")).status_code in (403, 404)


async def test_a_video_comes_through_dead_spots_once(
    county: County, worker: httpx.AsyncClient, tmp_path: Path
) -> None:
    data = video(tmp_path / "x.mp4", 3)
    form = {"id": UPLOAD_ID, "report_id": REPORT_ID, "name": "现场.mp4", "size_bytes": len(data)}
    begun = [await worker.post("/api/field/uploads", json=form) for _ in range(2)]
    (upload_id,) = {one.json()["id"] for one in begun}
    third = len(data) // 3
    for _ in range(2):
        sent = await send(worker, upload_id, 0, data[:third])
        assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(third))
    ahead = await send(worker, upload_id, 2 * third, data[2 * third :])
    assert (ahead.status_code, ahead.json()["error"]["detail"]) == (409, {"offset": third})
    damaged = await send(worker, upload_id, third, data[third:], hashlib.sha256(b"").digest())
    assert damaged.json()["error"]["code"] == "checksum_differs"
    early = await worker.post(f"/api/field/uploads/{upload_id}/finish", json={})
    assert early.status_code == 409
    assert (await worker.get(f"/api/field/uploads/{upload_id}")).json()["offset"] == third
    # The report comes before its video is whole.
    report = await worker.post("/api/field/reports", json=written(files=1))
    assert (report.json()["files_expected"], report.json()["files"]) == (1, [])
    await send(worker, upload_id, third, data[third:])
    done = [await worker.post(f"/api/field/uploads/{upload_id}/finish", json={}) for _ in range(2)]
    assert [one.status_code for one in done] == [200, 200], done[0].text
    (file_id,) = {one.json()["id"] for one in done}
    kept = (await worker.get(f"/api/field/reports/{report.json()['id']}")).json()
    assert [one["id"] for one in kept["files"]] == [file_id]
    async with county.services.reader.connect() as connection:
        attached = (await connection.execute(sa.select(incident_attachments))).all()
    assert [(one.kind, one.subject_id) for one in attached] == [("file", file_id)]
    store = county.services.storage.store
    assert [one.key async for one in store.list("uploads/")] == []


async def test_what_is_too_large_or_no_file_is_refused_plainly(
    county: County, worker: httpx.AsyncClient
) -> None:
    form = {"id": UPLOAD_ID, "name": "x.mp4", "size_bytes": 2 * 1024**3}
    huge = await worker.post("/api/field/uploads", json=form)
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")
    assert "2048 MB" in huge.json()["error"]["message"]
    program = b"MZ" + b"\0" * 100
    begun = await worker.post("/api/field/uploads", json={**form, "size_bytes": len(program)})
    upload_id = begun.json()["id"]
    await send(worker, upload_id, 0, program)
    for _ in range(2):
        refused = await worker.post(f"/api/field/uploads/{upload_id}/finish", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (415, "not_accepted")
    document = (await worker.get(f"/api/field/uploads/{upload_id}")).json()
    assert document["refused"] == "not_accepted"


async def test_a_file_may_come_before_its_report_and_is_nobody_elses(
    county: County, worker: httpx.AsyncClient
) -> None:
    data = photo(64, with_place=True)
    form = {"id": UPLOAD_ID, "report_id": REPORT_ID, "name": "x.jpg", "size_bytes": len(data)}
    upload_id = (await worker.post("/api/field/uploads", json=form)).json()["id"]
    await send(worker, upload_id, 0, data)
    finished = await worker.post(f"/api/field/uploads/{upload_id}/finish", json={})
    await county.user("clerk", "operator", county.town)
    await county.user("far", "operator", county.other_town)
    file = f"/api/attachments/{finished.json()['id']}"
    async with await county.sign_in("clerk") as clerk, await county.sign_in("far") as far:
        assert (await clerk.get(file)).status_code == 404
        assert (await clerk.get(f"/api/field/uploads/{upload_id}")).status_code == 404
        report = await worker.post("/api/field/reports", json=written(files=1))
        assert [one["latitude"] for one in report.json()["files"]] == [pytest.approx(31.04)]
        assert (await clerk.get(f"{file}/content")).status_code == 200
        path = f"/api/field/reports/{report.json()['id']}"
        assert (await clerk.get(path)).status_code == 200
        assert (await far.get(path)).status_code == 404
        assert (await far.get(file)).status_code == 404


async def test_what_was_begun_and_never_finished_is_given_up(
    county: County, worker: httpx.AsyncClient
) -> None:
    form = {"id": UPLOAD_ID, "name": "x.mp4", "size_bytes": 100}
    upload_id = (await worker.post("/api/field/uploads", json=form)).json()["id"]
    await send(worker, upload_id, 0, b"x" * 50)
    expiry = UploadExpiry(county.services.rows, county.services.storage.store)
    await expiry.run(now_us())
    assert (await worker.get(f"/api/field/uploads/{upload_id}")).json()["offset"] == 50
    await expiry.run(now_us() + 8 * DAY_US)
    store = county.services.storage.store
    assert [one.key async for one in store.list("uploads/")] == []
    async with county.services.reader.connect() as connection:
        assert (await connection.execute(sa.select(field_uploads))).all() == []


async def test_a_position_is_taken_on_duty_only_and_forgotten_after_it(
    county: County, worker: httpx.AsyncClient
) -> None:
    await county.user("clerk", "operator", county.town)
    await county.user("far", "operator", county.other_town)
    here = {"longitude": 112.41, "latitude": 31.04, "accuracy_m": 9}
    early = await worker.post("/api/field/position", json=here)
    assert (early.status_code, early.json()["error"]["code"]) == (409, "off_duty")
    assert (await worker.get("/api/field/duty")).json()["since_us"] is None
    begun = (await worker.put("/api/field/duty")).json()
    assert begun["at_us"] is None
    assert (await worker.put("/api/field/duty")).json()["since_us"] == begun["since_us"]
    for moved in (0.0, 0.001):
        sent = await worker.post("/api/field/position", json={**here, "longitude": 112.41 + moved})
        assert sent.status_code == 204
    async with await county.sign_in("clerk") as clerk, await county.sign_in("far") as far:
        for _ in range(3):
            (seen,) = (await clerk.get("/api/field/workers")).json()["items"]
        assert (seen["name"], seen["longitude"]) == ("worker!", 112.411)
        assert (await far.get("/api/field/workers")).json()["items"] == []
        assert (await worker.get("/api/field/workers")).status_code == 403
        await worker.delete("/api/field/duty")
        assert (await clerk.get("/api/field/workers")).json()["items"] == []
    async with county.services.reader.connect() as connection:
        assert (await connection.execute(sa.select(field_duties))).all() == []
        actions = await connection.scalars(
            sa.select(audit_log.c.action).where(audit_log.c.action.like("position.%"))
        )
        assert sorted(actions) == [
            "position.begin", "position.begin", "position.end", "position.look", "position.look",
        ]  # fmt: skip


async def test_who_forgets_to_end_the_duty_is_taken_off_it(
    county: County, worker: httpx.AsyncClient
) -> None:
    await worker.put("/api/field/duty")
    services = county.services
    await end_duties(services.reader, services.rows, now_us())
    assert (await worker.get("/api/field/duty")).json()["since_us"] is not None
    await end_duties(services.reader, services.rows, now_us() + DAY_US)
    assert (await worker.get("/api/field/duty")).json()["since_us"] is None


@pytest.fixture
async def task(county: County, worker: httpx.AsyncClient) -> str:
    """The path of something that the worker's unit was given."""
    unit = {"name": "彭墩村网格站", "area_id": county.village}
    await county.write("units.put", unit_id=None, columns=unit, member_ids=[county.users["worker"]])
    report = await worker.post("/api/field/reports", json=written())
    return f"/api/field/tasks/{report.json()['incident_id']}"


async def test_a_step_from_a_dead_spot_is_taken_once_and_the_history_tells_when_it_was_made(
    county: County, worker: httpx.AsyncClient, task: str
) -> None:
    at_us = now_us()
    # The telephone is an hour behind, and was half an hour without a network.
    clock = {"made_phone_us": at_us - 5400_000_000, "sent_phone_us": at_us - 3600_000_000}
    reply = {"id": "s0" * 10, "words": "等配件", **clock}
    answers = [await worker.post(f"{task}/reply", json=reply) for _ in range(3)]
    assert [one.status_code for one in answers] == [200] * 3
    assert len({one.json()["version"] for one in answers}) == 1
    arrived = {"id": "s1" * 10, "made_phone_us": now_us(), "sent_phone_us": now_us()}
    for _ in range(2):
        # What was taken long ago by its name is no conflict when it comes again.
        done = await worker.post(f"{task}/arrive", json=arrived)
        assert done.status_code == 200, done.text
    history = (await worker.get(task)).json()["history"]
    steps = [one for one in history if one["kind"] in ("reply", "arrive")]
    assert [one["kind"] for one in steps] == ["reply", "arrive"]
    assert abs(steps[0]["detail"]["made_us"] - (at_us - 1800_000_000)) < 60_000_000
    assert "made_us" not in steps[1]["detail"]
    async with county.services.reader.connect() as connection:
        on_record = await connection.scalar(
            sa.select(sa.func.count()).where(audit_log.c.action == "incident.reply")
        )
    assert on_record == 1
    one_time = await worker.post(f"{task}/reply", json={"words": "x", "made_phone_us": at_us})
    assert one_time.status_code == 422


async def test_a_task_is_taken_arrived_at_and_answered_with_a_photo(
    county: County, worker: httpx.AsyncClient, task: str
) -> None:
    (listed,) = (await worker.get("/api/field/tasks")).json()["items"]
    assert (task.rsplit("/", 1)[1], listed["state"]) == (listed["id"], "assigned")
    for kind, body in (
        ("accept", {}),
        ("arrive", {"longitude": 112.41, "latitude": 31.04}),
    ):
        taken = await worker.post(f"{task}/{kind}", json=body)
        assert taken.status_code == 200, taken.text
    silent = await worker.post(f"{task}/answer", json={})
    assert silent.status_code == 422
    sent = await worker.post("/api/attachments", params={"name": "已修好.jpg"}, content=photo(64))
    answer = {"words": "已更换灯泡", "files": [sent.json()["id"]]}
    assert (await worker.post(f"{task}/answer", json=answer)).status_code == 200
    done = (await worker.get(task)).json()
    assert (done["state"], done["result_words"]) == ("answered", "已更换灯泡")
    assert [one["subject_id"] for one in done["attachments"]] == [sent.json()["id"]]
    await county.user("other", "field_worker", county.other_town)
    async with await county.sign_in("other") as other:
        assert (await other.get(task)).status_code == 404
        assert (await other.post(f"{task}/accept", json={})).status_code == 404
