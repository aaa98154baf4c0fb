"""The storage forecast over HTTP: of each day, by area, as a sheet, for who keeps footage there."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import openpyxl
import pytest
import sqlalchemy as sa

from gateway.alarms.storage_conditions import FOOTAGE, FULL_SOON, SHORT
from gateway.capacity.daily_watch import DailyForecast
from gateway.database.capacity_tables import forecast_camera_days, forecast_days
from gateway.database.engine import create_writer_engine
from gateway.identifiers import now_us
from recorder.forecast import Forecast
from recorder.retention import DAY_US
from recorder.stores import StoreError
from recorder.tables import daily_usage, sources, spans
from tests.gateway.api.conftest import County

GB = 10**9
TODAY = now_us() // DAY_US


class _Told:
    """The part of a store that is asked: what is free, as it is told."""

    def __init__(self, free_bytes: int | None) -> None:
        self.told = free_bytes

    async def free_bytes(self) -> int | None:
        if self.told == -1:
            raise StoreError("unavailable", "away")
        return self.told


def _record(county: County, camera_id: str, days: int, rates: dict[int, int], rate: int) -> None:
    """Footage of the last whole days, ``rate`` bytes each; ``rates``: otherwise, by days ago."""
    source_id = f"{camera_id}/main"
    engine = create_writer_engine(county.services.settings)
    with engine.begin() as connection:
        connection.execute(
            sa.insert(sources).values(
                id=source_id, kind="camera", camera_id=camera_id, variant="main", created_us=0
            )
        )
        connection.execute(
            sa.insert(spans).values(
                source_id=source_id, start_us=(TODAY - days) * DAY_US, end_us=TODAY * DAY_US
            )
        )
        connection.execute(
            sa.insert(daily_usage),
            [
                {
                    "source_id": source_id,
                    "day": TODAY - ago,
                    "size_bytes": rates.get(ago, rate),
                    "segments": 1440,
                }
                for ago in range(1, days + 1)
            ],
        )
    engine.dispose()


async def recorded(
    county: County, camera_id: str, days: int = 30, *, late: int | None = None, rate: int = GB
) -> None:
    rates = {} if late is None else dict.fromkeys(range(1, 8), late)
    await asyncio.to_thread(_record, county, camera_id, days, rates, rate)


async def keep(county: County, free_bytes: int | None, at_us: int | None = None) -> Forecast:
    services = county.services
    store: Any = _Told(free_bytes)
    watch = DailyForecast(services.settings, services.reader, services.rows, store)
    return await watch.keep(TODAY * DAY_US + 60_000_000 if at_us is None else at_us)


async def read(client: httpx.AsyncClient, path: str = "", **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/forecast{path}", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_before_the_first_day_there_is_nothing_and_no_fault(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    found = await read(client)
    assert (found["day"], found["cameras"], found["sums"]["cameras"]) == (None, [], 0)
    assert (await read(client, "/days"))["days"] == []
    assert (await client.get("/api/forecast.csv")).status_code == 200


async def test_the_worst_stand_first_with_what_they_keep_and_why(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    await recorded(county, county.camera, 10)
    await keep(county, 5 * GB)
    found = await read(client)
    short, empty = found["cameras"]
    assert (short["camera_id"], short["state"], short["cause"]) == (county.camera, "short", "space")
    assert short["kept_days"] == pytest.approx(10, abs=0.01)
    assert short["reach_days"] == pytest.approx(15, abs=0.01)
    assert short["short_from_us"] == found["full_at_us"]
    assert short["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    assert (empty["camera_id"], empty["state"]) == (county.other_camera, "empty")
    assert found["sums"]["short"] == found["sums"]["empty"] == 1
    assert found["store"]["free_bytes"] == 5 * GB
    assert found["store"]["projected_bytes"][:2] == [10 * GB, 11 * GB]
    # Page by page, and only of a state.
    first = await read(client, limit=1)
    [second] = (await read(client, limit=1, cursor=first["next_cursor"]))["cameras"]
    assert second["camera_id"] == county.other_camera
    [only] = (await read(client, state="empty"))["cameras"]
    assert only["camera_id"] == county.other_camera


async def test_everybody_sees_their_own_areas_alone(county: County) -> None:
    await county.user("auditor", "auditor")
    await county.user("keeper", "area_admin", county.town)
    await county.user("viewer", "viewer")
    await recorded(county, county.camera)
    await recorded(county, county.other_camera)
    await keep(county, 1000 * GB)
    auditor, keeper = await county.sign_in("auditor"), await county.sign_in("keeper")
    every = await read(auditor)
    assert {one["area_id"] for one in every["areas"]} == {county.town, county.other_town}
    own = await read(keeper)
    assert [one["camera_id"] for one in own["cameras"]] == [county.camera]
    assert own["sums"]["cameras"] == 1
    assert [one["area_id"] for one in own["areas"]] == [county.village]
    # How large the county's store is, is the county's business; when it is full, everybody's.
    assert own["store"] is None
    [day] = (await read(keeper, "/days"))["days"]
    assert (day["cameras"], day["store_used_bytes"]) == (1, None)
    [whole] = (await read(auditor, "/days"))["days"]
    assert (whole["cameras"], whole["store_used_bytes"]) == (2, 60 * GB)
    assert len((await read(keeper, f"/cameras/{county.camera}"))["days"]) == 1
    for path in (f"/cameras/{county.other_camera}", "", "/days", ".csv"):
        query = {} if path.startswith("/cameras") else {"area_id": county.other_town}
        answer = await keeper.get(f"/api/forecast{path}", params=query)
        assert answer.status_code == 404
    nobody = await county.sign_in("viewer")
    for path in ("", "/days", ".csv", ".xlsx", f"/cameras/{county.camera}"):
        assert (await nobody.get(f"/api/forecast{path}")).status_code == 403


async def test_a_camera_whose_bitrate_rose_is_named(county: County) -> None:
    await county.user("auditor", "auditor")
    await recorded(county, county.camera, 30, late=3 * GB)
    await recorded(county, county.other_camera, 30)
    await keep(county, None)
    found = await read(await county.sign_in("auditor"))
    [risen] = found["risen"]
    assert risen["camera_id"] == county.camera
    assert risen["bitrate_bps"] == pytest.approx(3 * risen["before_bps"], rel=0.01)
    assert risen["risen_bytes_per_day"] == pytest.approx(2 * GB, rel=0.01)


async def test_days_are_kept_and_today_is_renewed(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    await recorded(county, county.camera, 10)
    await keep(county, 100 * GB, (TODAY - 1) * DAY_US)
    await keep(county, 100 * GB)
    await keep(county, 3 * GB, TODAY * DAY_US + 7200_000_000)
    days = (await read(client, "/days"))["days"]
    assert [(one["day"] - TODAY, one["store_free_bytes"]) for one in days] == [
        (-1, 100 * GB),
        (0, 3 * GB),
    ]
    own = (await read(client, f"/cameras/{county.camera}"))["days"]
    assert [one["day"] - TODAY for one in own] == [-1, 0]
    assert (await read(client))["sums"]["short"] == 1


async def test_a_day_is_whole_or_not_there(county: County) -> None:
    await county.user("auditor", "auditor")
    client = await county.sign_in("auditor")
    await recorded(county, county.camera, 10)
    services = county.services
    write = services.rows.write

    class Dying:
        async def write(self, operation: str, /, **arguments: Any) -> Any:
            if operation == "capacity.keep_day":
                raise ConnectionError("the writer is gone")
            return await write(operation, **arguments)

    watch = DailyForecast(services.settings, services.reader, Dying(), services.storage.store)
    services.settings.store_directory.mkdir()
    with pytest.raises(ConnectionError):
        await watch.keep(TODAY * DAY_US)
    assert (await read(client))["day"] is None
    assert (await read(client, f"/cameras/{county.camera}"))["days"] == []
    # The next look finishes it, and what has gone since does not stay in it.
    await county.write("cameras.delete", camera_id=county.other_camera)
    await keep(county, GB)
    async with services.reader.connect() as connection:
        kept = (await connection.execute(sa.select(forecast_camera_days.c.camera_id))).scalars()
        assert list(kept) == [county.camera]


async def test_half_a_forecast_is_none(county: County) -> None:
    with pytest.raises(StoreError):
        await keep(county, -1)
    async with county.services.reader.connect() as connection:
        assert (await connection.execute(sa.select(forecast_days))).all() == []


async def test_old_days_go(county: County) -> None:
    await recorded(county, county.camera, 10)
    for ago in (800, 200, 0):
        await keep(county, GB, (TODAY - ago) * DAY_US)
    async with county.services.reader.connect() as connection:
        days = (await connection.execute(sa.select(forecast_days.c.day))).scalars()
        assert sorted(TODAY - day for day in days) == [0, 200]
        cameras = (await connection.execute(sa.select(forecast_camera_days.c.day))).scalars()
        assert {TODAY - day for day in cameras} == {0}


async def test_the_sheets_are_safe_and_whole(county: County) -> None:
    await county.user("auditor", "auditor")
    await county.add_camera("=HYPERLINK(1)", county.village)
    await recorded(county, county.camera, 10)
    await keep(county, 5 * GB)
    client = await county.sign_in("auditor")
    sheet = await client.get("/api/forecast.csv")
    lines = sheet.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("camera_id,name,area,state,cause,required_days")
    assert len(lines) == 4 and "'=HYPERLINK(1)" in sheet.text
    book = openpyxl.load_workbook(
        io.BytesIO((await client.get("/api/forecast.xlsx?state=short")).content)
    )
    assert book.active is not None
    heading, row = book.active.iter_rows(values_only=True)
    assert dict(zip(heading, row, strict=True))["reach_days"] == "15.0"
    assert (await client.get("/api/forecast.pdf")).status_code == 422


async def test_the_alarm_stands_seven_days_ahead_in_the_list_of_alarms(county: County) -> None:
    await county.user("watcher", "system_admin")
    services = county.services
    await recorded(county, county.camera, 10)
    store: Any = _Told(5 * GB)
    services.storage.store = store
    await services.storage.look()
    at_us = now_us()
    await services.alarm_watch.look(at_us)
    client = await county.sign_in("watcher")
    found = {one["kind"]: one for one in (await client.get("/api/alarms")).json()["items"]}
    assert set(found) == {FULL_SOON, SHORT}
    when_us = found[FULL_SOON]["detail"]["when_us"]
    assert when_us == pytest.approx(at_us + 5 * DAY_US, abs=DAY_US // 2)
    # It does not end because the store does not answer, but because there is more space.
    store.told = -1
    await services.storage.look()
    await services.alarm_watch.look(at_us + 60_000_000)
    await services.alarm_watch.look(at_us + 120_000_000)
    assert len((await client.get("/api/alarms")).json()["items"]) == 2
    assert services.alarm_watch.further_unknown[0]() >= {FOOTAGE}
    store.told = 1000 * GB
    await services.storage.look()
    await services.alarm_watch.look(at_us + 180_000_000)
    await services.alarm_watch.look(at_us + 240_000_000)
    open_now = (await client.get("/api/alarms", params={"state": "open"})).json()["items"]
    assert open_now == []
