"""A foreign checkpoint below: it registers by its own digest, and tells what passes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.database.platform_tables import platform_channels
from gateway.database.sighting_tables import sighting_places, sighting_plates, sightings
from gateway.platforms.gat1400.bounds import ROWS_LIMIT
from gateway.sightings.keys import store_key
from recorder.stores import StoreError
from tests.gateway.platforms.gat1400.conftest import Side, open_side, until
from tests.peers.gat1400_device import (
    CHECKPOINT,
    PASSED,
    PASSED_US,
    PASSWORD,
    Device,
    jpeg,
    motor_vehicle,
    sub_image,
    vehicles,
)


async def test_what_passes_is_stored_before_it_is_acknowledged(side: Side) -> None:
    platform = await side.add("below", CHECKPOINT, password=PASSWORD)
    assert side.state(platform).fault == "not_registered"
    async with Device(side.url) as device:
        assert await device.register() == 200
        assert side.state(platform).state == "online"
        statuses = await device.post("MotorVehicles", vehicles(motor_vehicle()))
    assert [one["StatusCode"] for one in statuses] == [0]
    (row,) = await side.rows(sightings)
    assert (row.kind, row.plate, row.plate_color, row.color) == ("vehicle", "鄂H12345", 5, 2)
    assert row.vehicle_type == "van"
    assert row.facts["lane"] == 2
    assert row.facts["speed_kmh"] == 54.0
    assert row.at_us == PASSED_US
    assert "somebody" not in json.dumps(row.facts)
    (place,) = await side.rows(sighting_places)
    assert (place.code, place.camera_id) == (CHECKPOINT, None)
    data = await side.hub.store.read(store_key(platform.id, row.at_us, row.own_key), 0, 10**6)
    assert data == jpeg() + jpeg(20, 8)
    assert [one[0] for one in row.pictures] == ["01", "02"]
    assert [one.plate for one in await side.rows(sighting_plates)] == ["鄂H12345"]
    assert not list((side.settings.data_directory / "sightings.incoming").iterdir())


async def test_what_is_told_again_is_stored_once(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    async with Device(side.url) as device:
        await device.register()
        body = vehicles(motor_vehicle(1), motor_vehicle(2))
        for _ in range(2):
            statuses = await device.post("MotorVehicles", body)
            assert [one["StatusCode"] for one in statuses] == [0, 0]
        both = await asyncio.gather(
            *(device.post("MotorVehicles", vehicles(motor_vehicle(3))) for _ in range(4))
        )
        assert all(one[0]["StatusCode"] == 0 for one in both)
    assert len(await side.rows(sightings)) == 3


async def test_nothing_is_acknowledged_that_the_store_did_not_take(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    put = side.hub.store.put

    async def full(key: str, path: Path) -> None:
        raise StoreError("full", "the store's directory is full")

    async with Device(side.url) as device:
        await device.register()
        monkeypatch.setattr(side.hub.store, "put", full)
        status, answer = await device.send("POST", "/VIID/MotorVehicles", vehicles(motor_vehicle()))
        assert status == 503
        assert answer["ResponseStatusObject"]["StatusCode"] == 2
        assert await side.rows(sightings) == []
        monkeypatch.setattr(side.hub.store, "put", put)
        (told,) = await device.post("MotorVehicles", vehicles(motor_vehicle()))
        assert told["StatusCode"] == 0
    assert len(await side.rows(sightings)) == 1


async def test_a_wrong_password_is_refused_and_shown(side: Side) -> None:
    platform = await side.add("below", CHECKPOINT, password=PASSWORD)
    async with Device(side.url, password="guess") as device:
        assert await device.register() == 401
        assert await device.keepalive() == 401
    assert side.state(platform).state == "refused"
    assert side.state(platform).fault == "wrong_password"


async def test_guessing_is_stopped(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    for number in range(5):
        async with Device(side.url, password=f"guess {number}") as device:
            assert await device.register() == 401
    async with Device(side.url) as device:
        assert await device.register() == 403


async def test_unknown_devices_are_shown_and_not_let_in(side: Side) -> None:
    async with Device(side.url) as device:
        assert await device.register() == 403
        status, _ = await device.send("POST", "/VIID/MotorVehicles", vehicles(motor_vehicle()))
        assert status in (401, 403)
    await side.reporting.flush()
    from gateway.database.platform_tables import platform_applicants

    (applicant,) = await side.rows(platform_applicants)
    assert (applicant.kind, applicant.code, applicant.host) == ("gat1400", CHECKPOINT, "127.0.0.1")
    assert await side.rows(sightings) == []


async def test_two_devices_of_one_code(side: Side) -> None:
    platform = await side.add("below", CHECKPOINT, password=PASSWORD)
    async with (
        Device(side.url) as first,
        Device(side.url, host="127.0.0.2") as second,
        Device(side.url, host="127.0.0.3", password="?") as liar,
    ):
        assert await first.register() == 200
        assert await liar.register() == 401
        assert await liar.keepalive() == 401
        assert (side.state(platform).state, side.state(platform).fault) == ("online", "")
        assert await second.register() == 403
        assert side.state(platform).fault == "double_code"
        assert "127.0.0.2" in side.state(platform).detail
        # The first is not disturbed, and the second cannot speak in its name.
        assert await first.keepalive() == 200
        assert await second.keepalive() == 401
        # When the first is gone, its successor gets in.
        body = {"UnRegisterObject": {"DeviceID": CHECKPOINT}}
        assert (await first.send("POST", "/VIID/System/UnRegister", body))[0] == 200
        assert side.state(platform).fault == "unregistered"
        assert await second.register() == 200


async def test_who_falls_silent_is_offline_and_must_register_anew(tmp_path: Path) -> None:
    async with open_side(tmp_path / "data", keepalive_s=5, keepalives_missed=1) as side:
        platform = await side.add("below", CHECKPOINT, password=PASSWORD)
        side.hub.below.silent_s = 0.2
        async with Device(side.url) as device:
            assert await device.register() == 200
            await until(lambda: side.state(platform).fault == "silent")
            assert await device.keepalive() == 401
            assert await device.register() == 200


async def test_a_restart_of_signalling_forgets_no_registration(tmp_path: Path) -> None:
    async with open_side(tmp_path / "data") as side:
        platform = await side.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(side.url) as device:
            assert await device.register() == 200
        await side.reporting.flush()
        again = type(side.below)(side.hub)
        side.hub.below.unregister(CHECKPOINT)
        await again.reconcile({platform.id: platform})
        async with Device(side.url) as device:
            assert await device.keepalive() == 200


async def test_faces_are_refused_and_never_stored(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    face = {"FaceID": "F1", "SubImageList": {"SubImageInfoObject": [sub_image("11", jpeg())]}}
    async with Device(side.url) as device:
        await device.register()
        (status,) = await device.post("Faces", {"FaceListObject": {"FaceObject": [face]}})
        assert (status["StatusCode"], status["Id"]) == (4, "F1")
        assert "faces are not taken" in status["StatusString"]
        # Nor by way of a vehicle: the driver's face is left out, the pass is kept.
        driver = sub_image("04", jpeg(30, 30))
        told = motor_vehicle(SubImageList={"SubImageInfoObject": [driver, sub_image("01", jpeg())]})
        (status,) = await device.post("MotorVehicles", vehicles(told))
        assert status["StatusCode"] == 0
        assert "faces" in status["StatusString"]
        (status,) = await device.post("Dispositions", {"DispositionListObject": {}})
        assert status["StatusCode"] == 4
    (row,) = await side.rows(sightings)
    assert [one[0] for one in row.pictures] == ["01"]


async def test_persons_are_kept_by_their_clothes_alone(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    person = {
        "PersonID": "P1", "DeviceID": CHECKPOINT, "LocationMarkTime": PASSED,
        "Name": "张三", "IDNumber": "420881199001010000", "EthicCode": "01", "GenderCode": "1",
        "IsSuspectedTerrorist": 1, "CoatColor": "4", "TrousersColor": "1", "CoatStyle": "2",
        "SubImageList": {"SubImageInfoObject": [sub_image("10", jpeg()), sub_image("11", jpeg())]},
    }  # fmt: skip
    async with Device(side.url) as device:
        await device.register()
        (status,) = await device.post("Persons", {"PersonListObject": {"PersonObject": person}})
    assert status["StatusCode"] == 0
    (row,) = await side.rows(sightings)
    assert (row.kind, row.color, row.lower_color) == ("person", 4, 1)
    kept = json.dumps(row.facts, ensure_ascii=False)
    assert not any(
        word in kept for word in ("张三", "420881199001010000", "ethic", "gender", "terror")
    )
    assert [one[0] for one in row.pictures] == ["10"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<MotorVehicleListObject/>", 5),
        (b"{", 7),
        (b"\xff\xfe", 7),
        (b"[]", 8),
        (b'{"MotorVehicleListObject": 5}', 8),
        (b"[" * 100_000, 8),
        (b'{"a": NaN}', 7),
        (json.dumps(vehicles(*[{}] * 201)).encode(), 8),
    ],
)
async def test_bad_bodies_get_an_answer_that_says_so(side: Side, body: bytes, status: int) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    async with Device(side.url) as device:
        await device.register()
        code, answer = await device.send("POST", "/VIID/MotorVehicles", body)
        assert code == 400
        assert answer["ResponseStatusObject"]["StatusCode"] == status
        # And the device goes on.
        (told,) = await device.post("MotorVehicles", vehicles(motor_vehicle()))
        assert told["StatusCode"] == 0


async def test_one_bad_object_harms_no_other(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    torn = motor_vehicle(3, SubImageList={"SubImageInfoObject": [sub_image("01", b"not a jpeg")]})
    async with Device(side.url) as device:
        await device.register()
        body = vehicles(motor_vehicle(1), {"PlateNo": "鄂H1"}, torn)
        statuses = await device.post("MotorVehicles", body)
    assert sorted(one["StatusCode"] for one in statuses) == [0, 0, 8]
    assert any("not a JPEG" in one["StatusString"] for one in statuses)
    rows = await side.rows(sightings)
    assert sorted(len(row.pictures) for row in rows) == [0, 2]


async def test_a_body_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    async with open_side(tmp_path / "data", body_bytes_limit=65_536) as side:
        await side.add("below", CHECKPOINT, password=PASSWORD)
        async with Device(side.url) as device:
            await device.register()
            code, _ = await device.send("POST", "/VIID/MotorVehicles", b" " * 70_000)
            assert code == 413
            assert await device.keepalive() == 200


async def test_who_sends_too_much_is_told_to_come_again_and_nobody_else_suffers(
    tmp_path: Path,
) -> None:
    async with open_side(tmp_path / "data", requests_per_s=1) as side:
        await side.add("below", CHECKPOINT, password=PASSWORD)
        other_code = "42088100001190000002"
        await side.add("below", other_code, password=PASSWORD)
        async with Device(side.url) as device, Device(side.url, other_code) as other:
            await device.register()
            await other.register()
            statuses = [await device.keepalive() for _ in range(8)]
            assert 503 in statuses
            assert await other.keepalive() == 200


async def test_a_clock_that_cannot_be_right_is_put_right_and_shown(side: Side) -> None:
    platform = await side.add("below", CHECKPOINT, password=PASSWORD)
    async with Device(side.url) as device:
        await device.register()
        await device.post("MotorVehicles", vehicles(motor_vehicle(PassTime="19700101080001")))
    (row,) = await side.rows(sightings)
    assert row.at_us == row.received_us
    assert row.facts["clock_doubtful"] is True
    assert side.state(platform).facts["clock_offset_us"] < 0


async def test_curl_registers_by_its_own_digest(side: Side) -> None:
    await side.add("below", CHECKPOINT, password=PASSWORD)
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "--digest", "-u", f"{CHECKPOINT}:{PASSWORD}",
        "-H", f"User-Identify: {CHECKPOINT}", "-H", "Content-Type: application/VIID+JSON",
        "-d", json.dumps({"RegisterObject": {"DeviceID": CHECKPOINT}}),
        f"{side.url}/VIID/System/Register",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert json.loads(output)["ResponseStatusObject"]["StatusCode"] == 0
    assert side.hub.below.alive(CHECKPOINT) is not None


async def test_the_time_is_told_as_devices_read_it(side: Side) -> None:
    async with Device(side.url) as device:
        status, answer = await device.send("GET", "/VIID/System/Time")
    assert status == 200
    told = answer["SystemTimeObject"]
    assert len(told["LocalTime"]) == 14
    assert told["TimeZone"] == "+08:00"


async def test_catalogues_name_channels(side: Side) -> None:
    from gateway.database.platform_tables import platform_channels

    await side.add("below", CHECKPOINT, password=PASSWORD)
    async with Device(side.url) as device:
        await device.register()
        ape = {"ApeID": CHECKPOINT, "Name": "东门卡口", "Longitude": 112.6, "Latitude": 31.2,
               "IsOnline": "1", "Password": "secret"}  # fmt: skip
        (status,) = await device.post("APEs", {"APEListObject": {"APEObject": [ape]}})
    assert status["StatusCode"] == 0
    (channel,) = await side.rows(platform_channels)
    assert (channel.code, channel.name, channel.status) == (CHECKPOINT, "东门卡口", "on")
    assert "secret" not in str(channel)


async def count(side: Side, table: sa.Table) -> int:
    async with side.reader.connect() as connection:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


async def test_a_platform_has_so_many_devices_and_no_more(side: Side) -> None:
    platform = await side.add("below", CHECKPOINT, password=PASSWORD)
    with side.engine.begin() as connection:
        connection.execute(
            sa.insert(platform_channels),
            [
                {"platform_id": platform.id, "code": f"c{n}", "kind": "camera", "name": "x",
                 "status": "on", "facts": {}, "seen_us": 1}
                for n in range(ROWS_LIMIT - 1)
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(sighting_places),
            [
                {"platform_id": platform.id, "code": f"p{n}", "created_us": 1}
                for n in range(ROWS_LIMIT - 1)
            ],
        )
    apes = [{"ApeID": f"4208810000119000000{n}", "Name": "x"} for n in (1, 2)]
    known = {"ApeID": "c1", "Name": "y"}
    passes = [motor_vehicle(n, DeviceID=f"4208810000119000000{n}") for n in (1, 2)]
    async with Device(side.url) as device:
        await device.register()
        told = await device.post("APEs", {"APEListObject": {"APEObject": [*apes, known]}})
        assert [one["StatusCode"] for one in told] == [0, 4, 0]
        assert "20000" in told[1]["StatusString"]
        told = await device.post("MotorVehicles", vehicles(*passes))
        assert sorted(one["StatusCode"] for one in told) == [0, 4]

        async def are_told() -> bool:
            return await count(side, platform_channels) == ROWS_LIMIT

        await until(are_told)
    assert await count(side, sighting_places) == ROWS_LIMIT
    (row,) = await side.rows(sightings)
    assert row.facts["own_id"] == passes[0]["MotorVehicleID"]
