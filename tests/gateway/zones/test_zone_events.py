"""What happened in zones on its way into rows: each once, each begin with an end, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import sqlalchemy as sa

from gateway.alarms.watch import AlarmWatch
from gateway.database.operating_tables import alarms, device_events
from gateway.settings import AlarmSettings
from gateway.zones import zone_events
from gateway.zones.zone_events import ZoneEvents
from gateway.zones.zone_reader import ZonesOfCameras
from tests.gateway.alarms.test_watch import States
from tests.gateway.api.conftest import County, county  # noqa: F401

S = 1_000_000
AT_US = 1_790_000_000 * S


def happening(state: str, at_us: int = AT_US, number: str = "1", **changes: Any) -> dict[str, Any]:
    return {
        "camera_id": "cam_1",
        "id": number,
        "zone_id": "zon_1",
        "kind": "intrusion",
        "state": state,
        "at_us": at_us,
        "passage_id": "77",
        "class": "person",
        "box": [0.1, 0.2, 0.3, 0.4],
        "detail": {},
        **changes,
    }


def rows(county: County, table: sa.Table = device_events) -> list[Any]:  # noqa: F811
    engine: sa.Engine = county.services.rows._engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.begin_us)))


def events(county: County) -> ZoneEvents:  # noqa: F811
    return ZoneEvents(county.services.rows, {"zon_1": "院子"}.get)  # type: ignore[arg-type]


async def test_a_begin_is_open_until_its_end(county: County) -> None:  # noqa: F811
    telling = events(county)
    telling.take([happening("begin", camera_id=county.camera)])
    await telling.flush()
    (row,) = rows(county)
    assert (row.state, row.end_us, row.kind, row.source) == (
        "open", None, "intrusion", "zone:zon_1",
    )  # fmt: skip
    assert row.detail == {
        "zone_name": "院子", "passage_id": "77", "class": "person", "box": [0.1, 0.2, 0.3, 0.4],
    }  # fmt: skip
    telling.take([happening("end", AT_US + 5 * S, camera_id=county.camera)])
    await telling.flush()
    (row,) = rows(county)
    assert (row.state, row.begin_us, row.end_us) == ("ended", AT_US, AT_US + 5 * S)


async def test_a_begin_and_its_end_in_one_batch_are_one_row(county: County) -> None:  # noqa: F811
    telling = events(county)
    telling.take([happening("begin"), happening("end", AT_US + S), happening("pulse", number="2")])
    await telling.flush()
    assert [(row.state, row.begin_us, row.end_us) for row in rows(county)] == [
        ("ended", AT_US, AT_US + S),
        ("pulse", AT_US, AT_US),
    ]


async def test_nothing_is_lost_while_the_database_is_away(county: County) -> None:  # noqa: F811
    written = county.services.rows.write
    telling = events(county)

    async def away(*arguments: Any, **further: Any) -> Any:
        raise ConnectionError("the writer is away")

    county.services.rows.write = away  # type: ignore[method-assign]
    telling.take([happening("begin")])
    with contextlib.suppress(ConnectionError):
        await telling.flush()
    assert telling.waiting == 1
    county.services.rows.write = written  # type: ignore[method-assign]
    telling.take([happening("end", AT_US + S)])
    await telling.flush()
    assert [row.state for row in rows(county)] == ["ended"]


async def test_what_waits_is_bounded_and_the_oldest_is_counted(
    county: County,  # noqa: F811
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(zone_events, "WAITING_LIMIT", 3)
    telling = events(county)
    telling.take(happening("pulse", AT_US + n, str(n)) for n in range(5))
    assert (telling.waiting, telling.dropped) == (3, 2)
    await telling.flush()
    assert [row.begin_us - AT_US for row in rows(county)] == [2, 3, 4]


async def test_what_a_killed_process_left_open_ends_when_the_next_begins(
    county: County,  # noqa: F811
) -> None:
    before = events(county)
    before.take([happening("begin")])
    await before.flush()
    device = {
        "id": "dev_1", "platform_id": "plf_1", "camera_id": county.camera, "channel": "1",
        "kind": "tamper", "source": "", "state": "open", "begin_us": AT_US + 1, "end_us": None,
        "count": 1, "detail": {},
    }  # fmt: skip
    await county.write("device_events.store", new=[device], changed=[])
    after = events(county)
    after.take([happening("begin", 2**60, "2")])
    running = asyncio.create_task(after.run())
    await asyncio.sleep(0)
    await after.flush()
    running.cancel()
    states = {row.id: row.state for row in rows(county)}
    assert states == {"zev_1": "ended", "zev_2": "open", "dev_1": "open"}


async def test_what_nobody_watches_any_more_is_over(county: County) -> None:  # noqa: F811
    telling = events(county)
    telling.take(
        [happening("begin", camera_id="cam_1"), happening("begin", camera_id="cam_2", number="2")]
    )
    telling.unwatched(["cam_2"])
    await telling.flush()
    assert [(row.camera_id, row.state) for row in rows(county)] == [
        ("cam_1", "open"),
        ("cam_2", "ended"),
    ]


async def test_each_zone_has_an_alarm_of_its_own_that_ends_with_it(
    county: County,  # noqa: F811
) -> None:
    telling = events(county)
    both = [
        happening("begin", camera_id=county.camera),
        happening("begin", AT_US + 1, "2", camera_id=county.camera, zone_id="zon_2"),
        happening("begin", AT_US + 2, "3", camera_id=county.camera),
    ]
    telling.take(both)
    await telling.flush()
    services = county.services
    watch = AlarmWatch(AlarmSettings(), services.reader, services.rows, States())
    await watch.look(AT_US + 4 * S)
    first, second = rows(county, alarms)
    assert [first.subject, second.subject] == ["zone:zon_1", "zone:zon_2"]
    assert (first.kind, first.camera_id, first.platform_id, first.area_id) == (
        "intrusion", county.camera, None, county.village,
    )  # fmt: skip
    assert first.detail["zone_name"] == "院子"
    telling.take({**one, "state": "end", "at_us": AT_US + 5 * S} for one in both)
    await telling.flush()
    for after_s in range(6, 40, 2):
        await watch.look(AT_US + after_s * S)
    assert all(row.end_us is not None for row in rows(county, alarms))


async def test_zones_are_read_anew_when_they_changed(county: County) -> None:  # noqa: F811
    known = ZonesOfCameras(county.services.reader)
    await known.read()
    assert known.of([county.camera]) == {}
    zone = {"id": "zon_1", "name": "门"}
    author = {"user_id": "u", "user_name": "li"}
    await county.write("zones.put", camera_id=county.camera, version=0, zones=[zone], **author)
    await known.read()
    assert known.of([county.camera]) == {county.camera: {"version": 1, "zones": [zone]}}
    assert known.name("zon_1") == "门"
    await county.write("zones.put", camera_id=county.camera, version=1, zones=[], **author)
    await known.read()
    assert known.of([county.camera])[county.camera]["zones"] == []
