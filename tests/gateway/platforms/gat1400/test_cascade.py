"""Two of our own, one below the other: registration, subscription, notification; and what a
platform above may not have.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.database.cascade_tables import platform_shares
from gateway.database.platform_tables import platform_channels
from gateway.database.privacy_tables import camera_masks
from gateway.database.sighting_tables import sighting_subscriptions, sightings
from gateway.database.tables import cameras, users
from gateway.platforms.operations import DesiredPlatform
from gateway.sightings.keys import store_key
from tests.gateway.platforms.gat1400.conftest import Side, insert_missing, open_side, until
from tests.peers.gat1400_device import (
    CHECKPOINT,
    PASSED_US,
    PASSWORD,
    Device,
    jpeg,
    motor_vehicle,
    vehicles,
)

UPPER_CODE = "42080000002000000001"
LOWER_CODE = "42088100002000000001"
SECRET = "cascade 9"


def share(side: Side, platform: DesiredPlatform, area_id: str = "town") -> None:
    with side.engine.begin() as connection:
        insert_missing(
            connection,
            users,
            {"id": "u", "name": "u", "name_key": "u", "display_name": "u", "password_hash": "",
             "must_change_password": False, "enabled": True, "created_us": 1,
             "password_changed_us": 1},
        )  # fmt: skip
        connection.execute(
            sa.insert(platform_shares).values(
                id=f"share {area_id}", platform_id=platform.id, area_id=area_id, created_us=1,
                user_id="u", user_name="u",
            )
        )  # fmt: skip


@asynccontextmanager
async def pair(folder: Path, **upper_options: Any) -> AsyncIterator[tuple[Side, Side]]:
    async with (
        open_side(folder / "upper", UPPER_CODE, **upper_options) as upper,
        open_side(folder / "lower", LOWER_CODE) as lower,
    ):
        yield upper, lower


async def join(upper: Side, lower: Side) -> tuple[DesiredPlatform, DesiredPlatform]:
    """The upper side's row of the lower one, and the other way round."""
    below = await upper.add(
        "below", LOWER_CODE, host="127.0.0.1", port=lower.hub.port, password=SECRET,
        options={"subscribe": ["motor_vehicles", "persons"]},
    )  # fmt: skip
    above = await lower.add(
        "above", UPPER_CODE, host="127.0.0.1", port=upper.hub.port, username=LOWER_CODE,
        password=SECRET,
    )  # fmt: skip
    await until(lambda: lower.state(above).state == "online")

    async def is_subscribed() -> bool:
        return len(await lower.rows(sighting_subscriptions)) == 1

    await until(is_subscribed)
    return below, above


async def arrived(side: Side, count: int) -> list[sa.Row[Any]]:
    async def are_there() -> bool:
        return len(await side.rows(sightings)) >= count

    await until(are_there)
    return await side.rows(sightings)


async def test_a_pass_goes_up_with_its_pictures_once_it_is_shared(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        _, above = await join(upper, lower)
        await lower.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(lower.url) as device:
            await device.register()
            # Nothing is shared yet: what passes now is not told, now or later.
            await device.post("MotorVehicles", vehicles(motor_vehicle(1)))

            async def is_passed_over() -> bool:
                (held,) = await lower.rows(sighting_subscriptions)
                return bool(held.told_id == 1)

            await until(is_passed_over)
            share(lower, above)
            await device.post("MotorVehicles", vehicles(motor_vehicle(2), motor_vehicle(3)))
        rows = await arrived(upper, 2)
    numbers = [row.facts["own_id"][-5:] for row in rows]
    assert numbers == ["00002", "00003"]
    first = rows[0]
    assert (first.plate, first.color, first.vehicle_type) == ("鄂H12345", 2, "van")
    assert first.at_us == PASSED_US
    assert first.facts["lane"] == 2
    assert [one[0] for one in first.pictures] == ["01", "02"]


async def test_the_picture_arrives_byte_for_byte_and_is_on_record_below(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        below, above = await join(upper, lower)
        share(lower, above)
        await lower.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(lower.url) as device:
            await device.register()
            await device.post("MotorVehicles", vehicles(motor_vehicle(1)))
        (row,) = await arrived(upper, 1)
        key = store_key(below.id, row.at_us, row.own_key)
        assert await upper.hub.store.read(key, 0, 10**6) == jpeg() + jpeg(20, 8)
        actions = [one.action for one in await lower.rows(audit_log)]
        assert actions.count("cascade.subscribe") == 1
        assert actions.count("cascade.sightings") == 1
        (record,) = [
            one for one in await lower.rows(audit_log) if one.action == "cascade.sightings"
        ]
        assert '"pictures": 2' in record.detail


async def test_pictures_of_masked_cameras_stay_below(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        _, above = await join(upper, lower)
        share(lower, above)
        checkpoint = await lower.add("below", CHECKPOINT, password=PASSWORD)
        with lower.engine.begin() as connection:
            connection.execute(
                sa.insert(cameras).values(
                    id="cam", area_id="town", name="东门卡口", main_url="rtsp://127.0.0.1:1/",
                    transport="tcp", record="off", enabled=True, created_us=1, changed_us=1,
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(platform_channels).values(
                    platform_id=checkpoint.id, code=CHECKPOINT, kind="camera", name="x",
                    status="on", facts={}, seen_us=1, camera_id="cam",
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(camera_masks).values(
                    camera_id="cam", version=1, from_us=1, until_us=None, user_id="u",
                    user_name="u",
                    masks=[{"name": "窗", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}],
                )
            )  # fmt: skip
        async with Device(lower.url) as device:
            await device.register()
            await device.post("MotorVehicles", vehicles(motor_vehicle(1)))
        (row,) = await arrived(upper, 1)
    assert row.plate == "鄂H12345"
    assert row.pictures == []


async def test_what_passed_while_the_upper_one_was_away_is_told_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with open_side(tmp_path / "lower", LOWER_CODE) as lower:
        async with open_side(tmp_path / "upper", UPPER_CODE) as upper:
            port = upper.hub.port
            _, above = await join(upper, lower)
            share(lower, above)
            kept = dict(upper.desired)
        await lower.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(lower.url) as device:
            await device.register()
            await device.post("MotorVehicles", vehicles(motor_vehicle(1)))
        await until(lambda: lower.hub.figures["gat1400_told_again"] > 0)
        # The same database and the same port: it was only restarted.
        async with reopened(tmp_path / "upper", port) as again:
            again.desired.update(kept)
            await again.reconcile()
            (row,) = await arrived(again, 1)
            assert row.facts["own_id"].endswith("00001")


@asynccontextmanager
async def reopened(folder: Path, port: int) -> AsyncIterator[Side]:
    from gateway.settings import Gat1400Settings

    default = Gat1400Settings.model_fields["port"].default
    assert default != port
    async with open_side(folder, UPPER_CODE, port=port) as side:
        yield side


async def test_who_is_not_above_gets_nothing(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        _, above = await join(upper, lower)
        share(lower, above)
        await lower.add("below", CHECKPOINT, password=PASSWORD)
        async with (
            Device(lower.url, UPPER_CODE, "guess", host="127.0.0.9") as liar,
            Device(lower.url) as checkpoint,
        ):
            await checkpoint.register()
            await checkpoint.post("MotorVehicles", vehicles(motor_vehicle(1)))
            for method, path in (
                ("GET", "/VIID/MotorVehicles"),
                ("GET", "/VIID/Subscribes"),
                ("DELETE", "/VIID/Subscribes?IDList=x"),
            ):
                assert (await liar.send(method, path, digest=True))[0] == 401
                assert (await checkpoint.send(method, path))[0] == 401
        assert len(await lower.rows(sighting_subscriptions)) == 1


async def test_queries_from_above(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        _, above = await join(upper, lower)
        await lower.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(lower.url) as device, Device(lower.url, UPPER_CODE, SECRET) as upper_one:
            asker = Proving(upper_one)
            await device.register()
            told = [motor_vehicle(n, PlateNo=f"鄂H1234{n}", PassTime=None, MarkTime=None)
                    for n in range(1, 6)]  # fmt: skip
            await device.post("MotorVehicles", vehicles(*told))
            path = "/VIID/MotorVehicles?(MotorVehicle.PlateNo like 鄂H*3)"
            assert found(await asker.send("GET", path)) == []
            share(lower, above)
            assert found(await asker.send("GET", path)) == ["鄂H12343"]
            paged = (
                "/VIID/MotorVehicles?RecordStartNo=2&PageRecordNum=2&MotorVehicle.VehicleColor=2"
            )
            assert len(found(await asker.send("GET", paged))) == 2
            one = f"/VIID/MotorVehicles/{told[0]['MotorVehicleID']}"
            assert found(await asker.send("GET", one)) == ["鄂H12341"]
            status, _ = await asker.send("GET", "/VIID/MotorVehicles?Secret=1")
            assert status == 400
        searches = [one for one in await lower.rows(audit_log) if one.action == "cascade.search"]
        assert len(searches) == 4


@dataclass
class Proving:
    """A platform above that answers the challenge of each request."""

    device: Device

    async def send(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        return await self.device.send(method, path, digest=True)


async def test_the_address_of_the_one_above_proves_nothing_unless_it_is_trusted(
    side: Side,
) -> None:
    above = await side.add("above", UPPER_CODE, host="127.0.0.1", port=1, password=SECRET)
    await until(lambda: above.id in side.hub.above_addresses)
    wanted = {
        "SubscribeID": "420800000000032026112215040500001", "Title": "x", "SubscribeDetail": "13",
        "ResourceURI": LOWER_CODE, "ReceiveAddr": "http://127.0.0.1:9/VIID/SubscribeNotifications",
    }  # fmt: skip
    body = {"SubscribeListObject": {"SubscribeObject": [wanted]}}
    async with Device(side.url, UPPER_CODE, "guess") as neighbour:
        assert (await neighbour.send("GET", "/VIID/MotorVehicles"))[0] == 401
        assert (await neighbour.send("POST", "/VIID/Subscribes", body))[0] == 401
        assert (await neighbour.send("GET", "/VIID/MotorVehicles", digest=True))[0] == 401
        assert await side.rows(sighting_subscriptions) == []
        side.desired[above.id] = replace(above, options={"trust_address": True})
        await side.reconcile()
        await until(lambda: above.id in side.hub.above_addresses)
        assert (await neighbour.send("GET", "/VIID/MotorVehicles"))[0] == 200


def found(answer: tuple[int, dict[str, Any]]) -> list[str]:
    status, document = answer
    assert status == 200, document
    return [one["PlateNo"] for one in document["MotorVehicleListObject"]["MotorVehicleObject"]]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"SubscribeDetail": "12"}, 4, "faces"),
        ({"SubscribeDetail": "1,2"}, 4, "11, 13 and 14"),
        ({"ReceiveAddr": "http://10.9.9.9/VIID/SubscribeNotifications"}, 8, "own address"),
        ({"ReceiveAddr": "file:///etc/passwd"}, 8, "http://"),
        ({"SubscribeID": ""}, 8, "SubscribeID"),
    ],
)
async def test_subscriptions_that_are_not_taken(
    side: Side, more: dict[str, Any], code: int, said: str
) -> None:
    await side.add("above", UPPER_CODE, host="127.0.0.1", port=1, password=SECRET)
    wanted = {
        "SubscribeID": "420800000000032026112215040500001", "Title": "x", "SubscribeDetail": "13",
        "ResourceURI": LOWER_CODE, "ReceiveAddr": "http://127.0.0.1:9/VIID/SubscribeNotifications",
        **more,
    }  # fmt: skip
    async with Device(side.url, UPPER_CODE, SECRET) as upper:
        body = {"SubscribeListObject": {"SubscribeObject": [wanted]}}
        _, answer = await upper.send("POST", "/VIID/Subscribes", body, digest=True)
    listed = answer.get("ResponseStatusListObject", answer)["ResponseStatusObject"]
    status = listed[0] if isinstance(listed, list) else listed
    assert status["StatusCode"] == code
    assert said in status["StatusString"]
    assert await side.rows(sighting_subscriptions) == []


async def test_a_subscription_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    async with pair(tmp_path) as (upper, lower):
        below, above = await join(upper, lower)
        share(lower, above)
        (taken,) = await upper.rows(sighting_subscriptions)
        assert taken.direction == "taken"
        upper.desired[below.id] = replace(below, options={"subscribe": []})
        await upper.reconcile()

        async def is_ended() -> bool:
            return await lower.rows(sighting_subscriptions) == []

        await until(is_ended)
        assert await upper.rows(sighting_subscriptions) == []


async def test_notifications_that_we_did_not_ask_for_are_refused(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    notification = {
        "NotificationID": "N1", "SubscribeID": "S1", "Title": "x",
        "MotorVehicleObjectList": {"MotorVehicleObject": [motor_vehicle()]},
    }  # fmt: skip
    async with Device(side.url) as device:
        await device.register()
        (status,) = await device.post(
            "SubscribeNotifications",
            {"SubscribeNotificationListObject": {"SubscribeNotificationObject": [notification]}},
        )
    assert status["StatusCode"] == 4
    assert await side.rows(sightings) == []
