"""Live from the scene: who is, as which camera, and what is left of it. The media have their own
tests (tests/gateway/test_sources_end_to_end.py).
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.incident_tables import incident_attachments
from gateway.database.tables import audit_log, cameras
from gateway.field.expiry import end_silent_lives
from gateway.field.live_rows import SILENT_US
from gateway.identifiers import now_us
from gateway.secrets import unseal
from tests.gateway.api.conftest import County
from tests.gateway.api.test_field import task, worker  # noqa: F401

OFFER = {"sdp": "v=0"}
LIVE = "/api/field/live"
HERE = {"longitude": 112.41, "latitude": 31.04, "accuracy_m": 9}


async def scene(county: County) -> Any:
    """The row of the camera that the worker is."""
    async with county.services.reader.connect() as connection:
        address = f"push://scene-{county.users['worker']}"
        rows = await connection.execute(sa.select(cameras).where(cameras.c.main_url == address))
        return rows.one()


async def begin(worker: httpx.AsyncClient, **more: Any) -> None:  # noqa: F811
    """As far as it goes where no media process is."""
    answer = await worker.post(LIVE, json={**OFFER, **more})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


async def test_who_is_live_is_a_camera_at_home_and_seen_by_who_may_watch_there(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
) -> None:
    await county.user("clerk", "operator", county.town)
    await county.user("far", "operator", county.other_town)
    assert (await worker.get(LIVE)).json()["since_us"] is None
    await begin(worker)
    row = await scene(county)
    assert (row.name, row.area_id, row.enabled) == ("worker! · 现场", county.village, True)
    assert (row.record, row.longitude) == ("continuous", None)
    # Nobody was ever told the key.
    assert len(unseal(county.services.secret, row.password_sealed, row.id)) > 40
    own = (await worker.get(LIVE)).json()
    assert (own["camera_id"], own["viewers"], own["ice_servers"]) == (row.id, 0, [])
    async with await county.sign_in("clerk") as clerk, await county.sign_in("far") as far:
        (seen,) = (await clerk.get("/api/field/lives")).json()["items"]
        assert (seen["name"], seen["camera_id"]) == ("worker!", row.id)
        assert seen["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
        assert (await far.get("/api/field/lives")).json()["items"] == []
        assert (await worker.get("/api/field/lives")).status_code == 403
        assert (await worker.delete(LIVE)).status_code == 204
        assert (await clerk.get("/api/field/lives")).json()["items"] == []
    assert (await scene(county)).enabled is False
    assert (await worker.put(LIVE)).status_code == 409
    async with county.services.reader.connect() as connection:
        actions = await connection.scalars(
            sa.select(audit_log.c.action).where(audit_log.c.action.like("scene.%"))
        )
        assert list(actions) == ["scene.begin", "scene.end"]


async def test_a_telephone_that_comes_back_goes_on_with_the_same_camera(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
) -> None:
    await begin(worker)
    before, row = (await worker.get(LIVE)).json(), await scene(county)
    await begin(worker)
    assert (await worker.get(LIVE)).json()["since_us"] == before["since_us"]
    assert (await scene(county)).password_sealed == row.password_sealed
    await worker.delete(LIVE)
    await begin(worker)
    assert (await worker.get(LIVE)).json()["since_us"] > before["since_us"]
    assert (await scene(county)).id == row.id


async def test_on_duty_the_camera_stands_where_the_worker_is(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
) -> None:
    await worker.put("/api/field/duty")
    await worker.post("/api/field/position", json=HERE)
    await begin(worker)
    row = await scene(county)
    assert (row.longitude, row.latitude) == (112.41, 31.04)
    await worker.delete("/api/field/duty")
    await worker.delete(LIVE)
    await begin(worker)
    assert (await scene(county)).longitude is None


async def test_a_camera_that_was_switched_off_is_not_live_any_more(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
) -> None:
    await begin(worker)
    assert (await worker.put(LIVE)).status_code == 200
    row = await scene(county)
    await county.write("cameras.change", camera_id=row.id, columns={"enabled": False})
    gone = await worker.put(LIVE)
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "conflict")
    await county.write("cameras.delete", camera_id=row.id)
    assert (await worker.delete(LIVE)).status_code == 204
    # The next time it is another one: the old one's footage stays with the old one.
    await begin(worker)
    assert (await worker.get(LIVE)).json()["camera_id"] != row.id


async def test_what_was_shown_of_a_task_is_attached_to_it(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
    task: str,  # noqa: F811
) -> None:
    incident_id = task.rpartition("/")[2]
    await county.user("other", "field_worker", county.other_town)
    async with await county.sign_in("other") as other:
        foreign = await other.post(LIVE, json={**OFFER, "incident_id": incident_id})
        assert foreign.status_code == 404
    await begin(worker, incident_id=incident_id)
    own = (await worker.get(LIVE)).json()
    assert own["incident_id"] == incident_id
    assert (await worker.delete(LIVE)).status_code == 204
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(incident_attachments).where(incident_attachments.c.kind == "footage")
        )
        (row,) = rows.all()
    assert (row.incident_id, row.subject_id, row.start_us) == (
        incident_id, own["camera_id"], own["since_us"],
    )  # fmt: skip
    assert row.start_us < row.end_us <= now_us()


@pytest.mark.parametrize("silent_us, is_over", [(SILENT_US // 2, False), (SILENT_US * 2, True)])
async def test_a_telephone_that_is_gone_is_live_no_more(
    county: County,
    worker: httpx.AsyncClient,  # noqa: F811
    silent_us: int,
    is_over: bool,
) -> None:
    await begin(worker)
    services = county.services
    await end_silent_lives(services.reader, services.rows, now_us() + silent_us)
    assert (await scene(county)).enabled is not is_over
    assert ((await worker.get(LIVE)).json()["since_us"] is None) is is_over
