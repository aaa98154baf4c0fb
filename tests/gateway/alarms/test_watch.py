"""The loop of alarms on rows: what it writes, tells, and finds again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.alarms import watch as watch_module
from gateway.alarms.watch import AlarmWatch, answers
from gateway.database.operating_tables import alarms
from gateway.identifiers import now_us
from gateway.settings import AlarmSettings
from tests.gateway.api.conftest import County, county  # noqa: F401

S = 1_000_000


class States:
    """What cameras do, as the test says."""

    def all(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        return iter(())

    @contextlib.contextmanager
    def listening(self, listener: Any) -> Iterator[None]:
        yield


class Site:
    """Ten cameras behind one switch, each with a way to fail."""

    def __init__(self, county: County, cameras: list[str]) -> None:  # noqa: F811
        self.county = county
        self.cameras = cameras
        self.at_us = 10_000 * S
        self.watch = self.make()
        self.told: list[str] = []

    def make(self) -> AlarmWatch:
        services = self.county.services
        made = AlarmWatch(AlarmSettings(), services.reader, services.rows, States())
        for camera_id in self.cameras:
            made.cameras.take(camera_id, {"state": "live", "since_us": 0})
        return made

    def fail(self, *camera_ids: str) -> None:
        for one in camera_ids:
            fault = {"state": "offline", "since_us": self.at_us, "fault": "unreachable"}
            self.watch.cameras.take(one, fault)

    def mend(self, *camera_ids: str) -> None:
        for one in camera_ids:
            self.watch.cameras.take(one, {"state": "live", "since_us": self.at_us})

    async def wait(self, seconds: int) -> None:
        with self.watch.listening(self.told.extend):
            for _ in range(seconds // 2):
                self.at_us += 2 * S
                await self.watch.look(self.at_us)

    def rows(self) -> list[Any]:
        engine: sa.Engine = self.county.services.rows._engine  # type: ignore[attr-defined]
        with engine.connect() as connection:
            return list(connection.execute(sa.select(alarms).order_by(alarms.c.begin_us)))


@pytest.fixture
async def site(county: County) -> Site:  # noqa: F811
    cameras = [
        await county.add_camera(f"杆{n}", county.village, main_url=f"rtsp://10.1.2.{n}/")
        for n in range(1, 11)
    ]
    await county.write(
        "switches.create",
        columns={
            "name": "村口交换机",
            "area_id": county.village,
            "networks": ["10.1.2.0/24"],
            "camera_ids": [],
            "management_host": None,
            "management_port": None,
        },
    )
    return Site(county, cameras)


async def test_a_switch_is_one_row_that_is_told_and_its_cameras_are_folded(site: Site) -> None:
    site.fail(*site.cameras)
    await site.wait(30)
    rows = site.rows()
    (parent,) = [row for row in rows if row.folded_into is None]
    assert parent.kind == "network_down"
    assert parent.switch_id is not None
    assert parent.area_id == site.county.village
    assert parent.detail == {"failed": 10, "of": 10}
    assert len(rows) == 11
    assert {row.folded_into for row in rows if row is not parent} == {parent.id}
    assert set(site.told) == {parent.id}
    site.mend(*site.cameras)
    await site.wait(20)
    assert all(row.end_us is not None for row in site.rows())
    assert len(site.rows()) == 11


async def test_a_telephone_that_was_live_from_the_scene_is_no_fault(site: Site) -> None:
    village, address = site.county.village, "push://scene-usr_1"
    phone = await site.county.add_camera("张三 · 现场", village, main_url=address)
    site.fail(phone, site.cameras[0])
    await site.wait(30)
    (row,) = site.rows()
    assert row.camera_id == site.cameras[0]


async def test_a_killed_process_goes_on_from_its_rows(site: Site) -> None:
    site.fail(*site.cameras)
    await site.wait(30)
    site.watch = site.make()
    site.fail(*site.cameras)
    await site.wait(30)
    assert len(site.rows()) == 11
    site.mend(*site.cameras)
    await site.wait(20)
    assert all(row.end_us is not None for row in site.rows())


async def test_what_devices_tell_is_an_alarm_that_ends_with_it(site: Site) -> None:
    event = {
        "id": "dev_1", "platform_id": "plf_1", "camera_id": site.cameras[0], "channel": "1",
        "kind": "tamper", "source": "", "state": "open", "begin_us": site.at_us, "end_us": None,
        "count": 1, "detail": {},
    }  # fmt: skip
    await site.county.write("device_events.store", new=[event], changed=[])
    await site.wait(4)
    (row,) = site.rows()
    assert (row.kind, row.camera_id, row.end_us) == ("tamper", site.cameras[0], None)
    over = {**event, "state": "ended", "end_us": site.at_us}
    await site.county.write("device_events.store", new=[], changed=[over])
    await site.wait(10)
    assert site.rows()[0].end_us is not None


def tampered(site: Site, number: int, count: int = 1) -> dict[str, Any]:
    """The first camera was touched now, so many times."""
    return {
        "id": f"dev_{number}", "platform_id": "plf_1", "camera_id": site.cameras[0], "channel": "1",
        "kind": "tamper", "source": "", "state": "pulse", "begin_us": site.at_us,
        "end_us": site.at_us, "count": count, "detail": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind, is_alarm", [("intrusion", True), ("digital_input", True), ("motion", False)]
)
async def test_which_events_are_alarms_is_said_in_the_settings(
    site: Site, kind: str, is_alarm: bool
) -> None:
    event = {**tampered(site, 1), "kind": kind}
    await site.county.write("device_events.store", new=[event], changed=[])
    await site.wait(4)
    assert [row.kind for row in site.rows()] == [kind] * is_alarm


async def test_what_is_told_again_and_again_is_one_alarm_that_counts(site: Site) -> None:
    for number in range(3):
        # Each time for long enough that it was over in between.
        last_us = site.at_us
        await site.county.write("device_events.store", new=[tampered(site, number, 2)], changed=[])
        await site.wait(120)
    (row,) = site.rows()
    assert (row.again, row.again_us, row.end_us is None) == (2, last_us, False)
    await site.county.user("admin", "area_admin", site.county.town)
    client = await site.county.sign_in("admin")
    (alarm,) = (await client.get("/api/alarms")).json()["items"]
    assert (alarm["times"], alarm["last_us"]) == (6, last_us)
    assert alarm["again_us"] == last_us
    # Somebody has seen to it: what happens now is another one.
    await client.post(f"/api/alarms/{row.id}/acknowledge", json={})
    await site.county.write("device_events.store", new=[tampered(site, 9)], changed=[])
    await site.wait(4)
    assert [one["times"] for one in (await client.get("/api/alarms")).json()["items"]] == [1, 6]


async def test_a_killed_process_knows_what_was_over(site: Site) -> None:
    await site.county.write("device_events.store", new=[tampered(site, 1)], changed=[])
    await site.wait(120)
    site.watch = site.make()
    await site.county.write("device_events.store", new=[tampered(site, 2)], changed=[])
    await site.wait(4)
    (row,) = site.rows()
    assert (row.again, row.end_us) == (1, None)


async def test_the_api_shows_a_switch_with_its_cameras(site: Site) -> None:
    site.fail(*site.cameras[:8])
    await site.wait(30)
    site.county.services.alarm_watch = site.watch
    county = site.county  # noqa: F811
    await county.user("admin", "area_admin", county.town)
    await county.user("viewer", "viewer", county.town)
    await county.user("stranger", "operator", county.other_town)
    client = await county.sign_in("admin")
    (switch,) = (await client.get("/api/switches")).json()["items"]
    assert (switch["state"], switch["cameras"], switch["failed"]) == ("down", 10, 8)
    page = (await client.get("/api/alarms", params={"state": "open"})).json()
    (alarm,) = page["items"]
    assert (alarm["kind"], alarm["folded"], page["open"]) == ("network_down", 8, 1)
    assert alarm["switch_name"] == "村口交换机"
    folded = await client.get("/api/alarms", params={"folded_into": alarm["id"], "limit": 5})
    assert len(folded.json()["items"]) == 5
    rest = await client.get(
        "/api/alarms",
        params={"folded_into": alarm["id"], "cursor": folded.json()["next_cursor"]},
    )
    assert len(rest.json()["items"]) == 3
    assert rest.json()["next_cursor"] is None
    # Who looks live there sees it, and may not say that they see to it.
    viewer = await county.sign_in("viewer")
    assert len((await viewer.get("/api/alarms")).json()["items"]) == 1
    refused = await viewer.post(f"/api/alarms/{alarm['id']}/acknowledge", json={})
    assert refused.status_code == 403
    # To others there is no such alarm.
    stranger = await county.sign_in("stranger")
    assert (await stranger.get("/api/alarms")).json() == {
        "items": [], "next_cursor": None, "open": 0,
    }  # fmt: skip
    assert (await stranger.get(f"/api/alarms/{alarm['id']}")).status_code == 404
    seen = await client.post(f"/api/alarms/{alarm['id']}/acknowledge", json={"note": "派人去了"})
    assert seen.json()["acknowledged_by"] == "admin!"
    assert (await client.get("/api/alarms")).json()["open"] == 0
    for one in (client, viewer, stranger):
        await one.aclose()


async def test_a_host_that_refuses_is_a_host_that_answers() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await answers("127.0.0.1", port)
    server.close()
    await server.wait_closed()
    assert await answers("127.0.0.1", port)
    assert not await answers("nobody.invalid", port)


async def test_what_a_device_tells_is_an_alarm_before_the_next_look_is_due(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what is told wakes it.
    monkeypatch.setattr(watch_module, "INTERVAL_S", 3600.0)
    told = asyncio.Event()
    with site.watch.listening(lambda _: told.set()):
        judging = asyncio.create_task(site.watch.judge(site.county.services.rows))
        event = {
            "id": "dev_1", "platform_id": "plf_1", "camera_id": site.cameras[0], "channel": "1",
            "kind": "tamper", "source": "", "state": "pulse", "begin_us": now_us(),
            "end_us": now_us(), "count": 1, "detail": {},
        }  # fmt: skip
        await site.county.write("device_events.store", new=[event], changed=[])
        async with asyncio.timeout(10):
            await told.wait()
        judging.cancel()
        await asyncio.gather(judging, return_exceptions=True)
    (row,) = site.rows()
    assert row.kind == "tamper"
