"""Events as rows: with their camera, written later if they cannot be now, gone in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from camera_adapters.device_events import DeviceEvent, DeviceEventKind, DeviceEventState
from gateway.database.operating_tables import alarms, device_events
from gateway.identifiers import now_us
from gateway.platforms.event_storing import EventStoring
from gateway.platforms.operations import PlatformState
from gateway.retention_report import derived_overdue
from recorder.retention import DAY_US
from tests.gateway.api.conftest import County, county  # noqa: F401
from tests.gateway.platforms.test_steering import Rows

BEGIN, END, PULSE = DeviceEventState.BEGIN, DeviceEventState.END, DeviceEventState.PULSE
PLATFORM = "plf_1"


def event(
    state: DeviceEventState, at_us: int, channel: str = "1", kind: DeviceEventKind | None = None
) -> DeviceEvent:
    return DeviceEvent(kind or DeviceEventKind.MOTION, channel, at_us, state, "rule")


@pytest.fixture
async def platform(county: County) -> str:  # noqa: F811
    await county.write(
        "platforms.create",
        columns={
            "id": PLATFORM,
            "kind": "onvif",
            "direction": "below",
            "name": "球机",
            "code": None,
            "host": "127.0.0.1",
            "area_id": county.village,
            "options": {},
            "enabled": True,
        },
    )
    return PLATFORM


@pytest.fixture
async def camera(county: County, platform: str) -> str:  # noqa: F811
    return await county.add_camera("球机一", county.village, platform_id=platform, channel="1")


def stored(county: County) -> list[dict[str, Any]]:  # noqa: F811
    engine: sa.Engine = county.services.rows._engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        rows = connection.execute(sa.select(device_events).order_by(device_events.c.begin_us))
        return [dict(row) for row in rows.mappings()]


def storing(county: County, rows: Any = None) -> EventStoring:  # noqa: F811
    return EventStoring(rows or county.services.rows, county.services.reader, default_days=30)


async def test_an_event_has_the_camera_of_its_channel(county: County, camera: str) -> None:  # noqa: F811
    made = storing(county)
    made.take(PLATFORM, event(BEGIN, 5))
    made.take(PLATFORM, event(PULSE, 6, "nobody's"))
    made.take(PLATFORM, event(PULSE, 7, ""))  # of itself: the device has one camera
    await made.flush()
    assert [(row["camera_id"], row["state"]) for row in stored(county)] == [
        (camera, "open"),
        (None, "pulse"),
        (camera, "pulse"),
    ]
    made.take(PLATFORM, event(END, 9))
    await made.flush()
    first = stored(county)[0]
    assert (first["state"], first["begin_us"], first["end_us"]) == ("ended", 5, 9)


async def test_after_a_restart_an_end_finds_its_begin(county: County, camera: str) -> None:  # noqa: F811
    made = storing(county)
    made.take(PLATFORM, event(BEGIN, 5))
    await made.flush()
    again = storing(county)
    await again._know_open()
    again.take(PLATFORM, event(END, 9))
    await again.flush()
    (row,) = stored(county)
    assert (row["id"], row["state"], row["end_us"]) == (row["id"], "ended", 9)


HOUR_US = 3600 * 1_000_000


@pytest.mark.parametrize(
    ("state", "seen_us", "expected"),
    [
        ("online", 5, ("open", None)),
        ("offline", HOUR_US, ("open", None)),
        ("offline", HOUR_US - 1, ("ended", HOUR_US - 1)),
        ("refused", HOUR_US - 1, ("ended", HOUR_US - 1)),
    ],
)
async def test_what_lasts_at_a_device_that_fell_silent_is_given_up_after_an_hour(
    county: County,  # noqa: F811
    camera: str,
    state: str,
    seen_us: int,
    expected: tuple[str, int | None],
) -> None:
    told = PlatformState(state, since_us=6, seen_us=seen_us)  # type: ignore[arg-type]
    await county.write("platforms.lease", owner="s", platform_ids=[PLATFORM], now_us=1)
    await county.write("platforms.states", owner="s", states={PLATFORM: told.to_message()})
    before = storing(county)
    before.take(PLATFORM, event(BEGIN, 5))
    await before.flush()
    made = storing(county)
    await made._know_open()
    await made.give_up_silent(2 * HOUR_US)
    await made.flush()
    (row,) = stored(county)
    assert (row["state"], row["end_us"]) == expected
    if row["state"] == "ended":
        assert row["detail"] == {"end": "not_told"}
        # It is back, and it lasts still: from now on, as far as is known.
        made.take(PLATFORM, event(BEGIN, 3 * HOUR_US))
        await made.flush()
        assert [one["state"] for one in stored(county)] == ["ended", "open"]


async def test_what_cannot_be_written_is_written_later_and_once(
    county: County,  # noqa: F811
    camera: str,
) -> None:
    rows = Rows(county.services.rows)
    rows.away = True
    made = storing(county, rows)
    made.take(PLATFORM, event(BEGIN, 5))
    with pytest.raises(ConnectionError):
        await made.flush()
    made.take(PLATFORM, event(END, 8))
    rows.away = False
    await made.flush()
    (row,) = stored(county)
    assert (row["state"], row["end_us"]) == ("ended", 8)


async def test_a_write_whose_answer_was_lost_may_be_repeated(county: County, camera: str) -> None:  # noqa: F811
    made = storing(county)
    made.take(PLATFORM, event(BEGIN, 5))
    (row,) = made.intake.take_waiting(10)
    columns = row.to_columns()
    await county.write("device_events.store", new=[columns], changed=[])
    await county.write(
        "device_events.store", new=[{**columns, "state": "ended", "end_us": 9}], changed=[]
    )
    (found,) = stored(county)
    assert (found["state"], found["end_us"]) == ("ended", 9)


async def test_watchers_are_told_what_is_stored(county: County, camera: str) -> None:  # noqa: F811
    made = storing(county)
    watching = made.watch()
    told = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    made.take(PLATFORM, event(BEGIN, 5))
    await made.flush()
    update = await told
    assert [row["camera_id"] for row in update["events"]] == [camera]


async def test_events_go_with_the_footage_of_their_camera_and_alarms_after_a_year(
    county: County,  # noqa: F811
    camera: str,
) -> None:
    at_us = now_us()
    await county.write("cameras.change", camera_id=camera, columns={"retention_days": 60})
    made = storing(county)
    for days in (31, 59, 61):
        made.take(PLATFORM, event(PULSE, at_us - days * DAY_US))
        made.take(PLATFORM, event(PULSE, at_us - days * DAY_US, "nobody's"))
    await made.flush()
    for number, days in enumerate((399, 401)):
        row = {
            "id": f"alm_{number}",
            "kind": "camera_offline",
            "subject": "camera:x",
            "begin_us": at_us - (days + 1) * DAY_US,
            "area_id": county.village,
            "folded_into": None,
            "detail": {},
        }
        ended = {"id": row["id"], "end_us": at_us - days * DAY_US}
        await county.write("alarms.apply", opened=[row], changed=[], closed=[ended])
    async with county.services.reader.connect() as connection:
        overdue = await derived_overdue(connection, 30, at_us)
    assert {"kind": "device_events_without_footage", "overdue": 4} in overdue
    while await county.write("device_events.expire", default_days=30, at_us=at_us):
        pass
    left = [(row["channel"], round((at_us - row["begin_us"]) / DAY_US)) for row in stored(county)]
    assert sorted(left) == [("1", 31), ("1", 59)]
    engine: sa.Engine = county.services.rows._engine  # type: ignore[attr-defined]
    with engine.connect() as connection:
        assert list(connection.scalars(sa.select(alarms.c.id))) == ["alm_0"]
