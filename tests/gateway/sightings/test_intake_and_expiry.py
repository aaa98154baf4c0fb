"""A pass's life: store, row, answer; and its end: row, object, count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camera_adapters.gat1400.objects import BY_KIND, Sighting, read_sighting
from gateway.database.audit_tables import audit_log
from gateway.database.sighting_tables import (
    sighting_deletions,
    sighting_leftovers,
    sighting_plates,
    sightings,
)
from gateway.identifiers import now_us
from gateway.shard.housekeeping import Housekeeping
from gateway.sightings.check import check_sightings
from gateway.sightings.expiry import SightingExpiry
from gateway.sightings.intake import Intake
from gateway.sightings.keys import own_key, store_key
from recorder.check import check
from recorder.retention import DAY_US
from recorder.stores import StoreError
from tests.gateway.api.conftest import County, county  # noqa: F401
from tests.gateway.sightings.making import a_platform, link, told
from tests.peers.gat1400_device import CHECKPOINT, PASSED_US, jpeg, local_time, motor_vehicle

DAYS_LATER_US = PASSED_US + 31 * DAY_US


async def rows(made: County, table: sa.Table) -> list[Any]:
    async with made.services.reader.connect() as connection:
        return list((await connection.execute(sa.select(table))).all())


def expiry(made: County) -> SightingExpiry:
    services = made.services
    return SightingExpiry(services.settings, services.reader, services.rows, services.storage.store)


async def objects(made: County) -> list[str]:
    return [one.key async for one in made.services.storage.store.list("sightings/")]


def a_pass(number: int = 1, **more: Any) -> Sighting:
    return read_sighting(
        BY_KIND["vehicle"], motor_vehicle(number, **more), "x", utc_offset_minutes=480
    )


@pytest.fixture
async def platform(county: County) -> str:  # noqa: F811
    return await a_platform(county, county.town)


async def test_what_is_old_goes_with_its_pictures_and_is_counted(
    county: County,  # noqa: F811
    platform: str,
) -> None:
    await told(county, platform, motor_vehicle(1), motor_vehicle(2, PlateNo="鄂H99999"))
    assert len(await objects(county)) == 2
    assert await expiry(county).run(PASSED_US + 29 * DAY_US) == 0
    assert await expiry(county).run(DAYS_LATER_US) == 2
    assert await objects(county) == []
    for table in (sightings, sighting_plates, sighting_leftovers):
        assert await rows(county, table) == []
    (counted,) = await rows(county, sighting_deletions)
    assert (counted.sightings, counted.cause) == (2, "retention")
    assert counted.size_bytes == 2 * len(jpeg() + jpeg(20, 8))
    # A day later it is in the register.
    await county.write("sightings.record_deletions", today=now_us() // DAY_US + 1)
    await county.write("sightings.record_deletions", today=now_us() // DAY_US + 1)
    found = [one for one in await rows(county, audit_log) if one.action == "sighting.deleted"]
    assert [json.loads(one.detail)["sightings"] for one in found] == [2]


async def test_a_hold_keeps_what_its_camera_saw(county: County, platform: str) -> None:  # noqa: F811
    await told(county, platform, motor_vehicle(1))
    await link(county, platform, CHECKPOINT, county.camera)
    hold = {"hold_id": "h", "camera_id": county.camera,
            "start_us": PASSED_US - 1, "end_us": PASSED_US + 1}  # fmt: skip
    await county.write("recorder.add_hold", **hold)
    assert await expiry(county).run(DAYS_LATER_US) == 0
    assert len(await objects(county)) == 1
    await county.write("recorder.drop_hold", hold_id="h")
    assert await expiry(county).run(DAYS_LATER_US) == 1


async def test_a_camera_s_own_days_count(county: County, platform: str) -> None:  # noqa: F811
    longer = await county.add_camera("卡口", county.town, retention_days=90)
    await told(county, platform, motor_vehicle(1))
    await link(county, platform, CHECKPOINT, longer)
    assert await expiry(county).run(DAYS_LATER_US) == 0
    assert await expiry(county).run(PASSED_US + 91 * DAY_US) == 1


async def test_a_deletion_that_was_cut_off_is_finished(
    county: County,  # noqa: F811
    platform: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await told(county, platform, motor_vehicle(1))
    store = county.services.storage.store
    delete = store.delete

    async def down(keys: list[str]) -> None:
        raise StoreError("unreachable", "away")

    monkeypatch.setattr(store, "delete", down)
    with pytest.raises(StoreError):
        await expiry(county).run(DAYS_LATER_US)
    # Nobody finds it any more, nothing counts as deleted yet, and its object is remembered.
    assert await rows(county, sightings) == []
    assert await rows(county, sighting_deletions) == []
    assert len(await rows(county, sighting_leftovers)) == 1
    monkeypatch.setattr(store, "delete", delete)
    assert await expiry(county).run(DAYS_LATER_US) == 1
    assert await objects(county) == []


async def test_pictures_without_a_row_are_taken_away_at_the_next_start(
    county: County,  # noqa: F811
    platform: str,
    tmp_path: Path,
) -> None:
    services = county.services

    class Dead:
        async def write(self, operation: str, /, **arguments: Any) -> Any:
            raise ConnectionError("the writer is away")

    staging = tmp_path / "staging"
    cut_off = Intake(services.reader, Dead(), services.storage.store, staging)
    await cut_off.open()
    with pytest.raises(ConnectionError):
        await cut_off.take(platform, [a_pass(1)], CHECKPOINT, now_us())
    await told(county, platform, motor_vehicle(2))
    assert len(await objects(county)) == 2
    differences = [one async for one in check_sightings(services.reader, services.storage.store)]
    assert [one.kind for one in differences] == ["object_unindexed"]

    again = Intake(services.reader, services.rows, services.storage.store, staging)
    await again.open()
    key = own_key(platform, "vehicle", a_pass(2).id)
    assert await objects(county) == [store_key(platform, PASSED_US, key)]
    assert list(staging.iterdir()) == []
    assert [one async for one in check_sightings(services.reader, services.storage.store)] == []


async def test_what_was_told_again_after_a_failure_survives_the_next_start(
    county: County,  # noqa: F811
    platform: str,
    tmp_path: Path,
) -> None:
    services = county.services
    staging = tmp_path / "staging"
    staging.mkdir()
    key = own_key(platform, "vehicle", a_pass(1).id)
    # As a killed process leaves it: named, and told again since.
    (staging / f"{platform}~{PASSED_US}~{key.hex()}~00000000").touch()
    await told(county, platform, motor_vehicle(1))
    await Intake(services.reader, services.rows, services.storage.store, staging).open()
    assert len(await objects(county)) == 1


async def test_housekeeping_takes_away_what_is_too_old(
    county: County,  # noqa: F811
    platform: str,
) -> None:
    services = county.services
    old = local_time(-31 * 86_400)
    await told(county, platform, motor_vehicle(1, PassTime=old), motor_vehicle(2))
    keeping = Housekeeping(
        services.settings, services.reader, services.rows, services.storage.store
    )
    await keeping.turn()
    assert [row.facts["own_id"][-5:] for row in await rows(county, sightings)] == ["00002"]


async def test_the_recorder_s_check_leaves_them_to_this_one(
    county: County,  # noqa: F811
    platform: str,
) -> None:
    await told(county, platform, motor_vehicle(1))
    services = county.services

    async def differences(*others: str) -> list[str]:
        found = check(services.reader, services.storage.store, now_us=now_us(), others=others)
        return [one.kind async for one in found]

    assert await differences() == ["object_foreign"]
    assert await differences("sightings/") == []


async def test_missing_pictures_are_named(county: County, platform: str) -> None:  # noqa: F811
    await told(county, platform, motor_vehicle(1))
    store = county.services.storage.store
    await store.delete(await objects(county))
    found = [one async for one in check_sightings(county.services.reader, store)]
    assert [one.kind for one in found] == ["object_missing"]


async def test_a_device_becomes_a_camera_when_it_is_taken_over(
    county: County,  # noqa: F811
    platform: str,
) -> None:
    from gateway.database.sighting_tables import sighting_places

    await told(county, platform, motor_vehicle(1))
    channel = {"code": CHECKPOINT, "kind": "camera", "name": "东门", "status": "on", "facts": {}}
    await county.write(
        "platforms.channels", platform_id=platform, channels=[channel], at_us=1, complete=False
    )
    assert await county.write("sightings.link_places") == 0
    engine = county.services.rows._engine  # type: ignore[attr-defined]
    from gateway.database.platform_tables import platform_channels

    with engine.begin() as connection:
        connection.execute(sa.update(platform_channels).values(camera_id=county.camera))
    assert await county.write("sightings.link_places") == 1
    (place,) = await rows(county, sighting_places)
    assert place.camera_id == county.camera


async def test_a_platform_cannot_speak_for_a_camera_of_another_area(
    county: County,  # noqa: F811
    platform: str,
) -> None:
    from gateway.database.platform_tables import platform_channels
    from gateway.database.sighting_tables import sighting_places

    other = await a_platform(county, county.other_town)
    channel = {"code": CHECKPOINT, "kind": "camera", "name": "桥头", "status": "on", "facts": {}}
    await county.write(
        "platforms.channels", platform_id=other, channels=[channel], at_us=1, complete=False
    )
    engine = county.services.rows._engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.update(platform_channels).values(camera_id=county.other_camera))
    await told(county, platform, motor_vehicle(1))
    (place,) = await rows(county, sighting_places)
    assert place.camera_id is None
