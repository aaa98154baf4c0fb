"""What is asked of a device that is registered, and what it tells on its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from camera_adapters.device_events import DeviceEvent, DeviceEventKind, DeviceEventState
from camera_adapters.gb28181 import catalog, catalog_assembly, xml_bodies
from camera_adapters.gb28181.alarm import Alarm
from camera_adapters.gb28181.catalog import (
    CatalogEvent,
    CatalogItem,
    CatalogNotification,
)
from camera_adapters.gb28181.device_control import (
    DeviceControl,
    PrecisePosition,
    Restart,
    SendKeyframe,
    Steer,
)
from camera_adapters.gb28181.keepalive import Keepalive
from camera_adapters.gb28181.mobile_position import MobilePosition
from camera_adapters.gb28181.record_information import RecordItem
from camera_adapters.gb28181.steering import Auxiliary, Lens, Move, Preset
from camera_adapters.sip.endpoint import IncomingRequest
from gateway.geo.coordinates import gcj02_from_wgs84
from gateway.identifiers import now_us
from gateway.platforms.gb28181_below import fetching, queries
from gateway.platforms.operations import DeviceRefused, SteerCommand
from tests.gateway.platforms.gb28181_below.upper import CODE, Upper, upper_gateway
from tests.peers.gb28181_device import GbDevice

GATE = "34020000001310000001"
CAMERAS = [
    CatalogItem(f"3402000000131{number:07}", f"camera {number}", (CODE,)) for number in range(1, 8)
]
DAY_US = 1_700_006_400_000_000  # 2023-11-15 00:00 UTC
HOUR_US = 3_600_000_000


@dataclass
class Pair:
    upper: Upper
    device: GbDevice
    platform_id: str

    @property
    def operations(self) -> Any:
        return self.upper.kind.operations(self.platform_id)

    async def controlled(self) -> DeviceControl:
        return DeviceControl.read(await self.device.controls.get())

    async def event(self) -> DeviceEvent:
        while True:
            if self.upper.events:
                return self.upper.events.pop(0)[1]
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def registered(
    folder: Path, version: str = "", silent: set[str] | None = None, **options: Any
) -> AsyncIterator[Pair]:
    async with upper_gateway(folder) as upper:
        platform_id = await upper.add(**options)
        device = await upper.device(version=version, items=CAMERAS, silent=silent or set())
        assert (await device.register()).status == 200
        yield Pair(upper, device, platform_id)


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (SteerCommand("move", pan=1.0, tilt=-1.0), Steer(Move(pan=1.0, tilt=-1.0))),
        (SteerCommand("stop"), Steer(Move())),
        (SteerCommand("goto_preset", preset="7"), Steer(Preset("call", 7))),
        (SteerCommand("focus", zoom=-1.0), Steer(Lens(focus=-1.0))),
        (SteerCommand("iris", zoom=1.0), Steer(Lens(iris=1.0))),
        (SteerCommand("auxiliary", on=True), Steer(Auxiliary(1, True))),
    ],
)
async def test_steering_arrives_as_the_bytes_of_the_standard(
    tmp_path: Path, command: SteerCommand, sent: Steer
) -> None:
    async with registered(tmp_path) as pair:
        await pair.operations.steer(GATE, command)
        came = await pair.controlled()
        assert (came.device_id, came.control) == (GATE, sent)


async def test_absolute_places_are_for_devices_of_2022(tmp_path: Path) -> None:
    async with registered(tmp_path, version="3.0") as pair:
        await pair.operations.steer(GATE, SteerCommand("absolute", pan=0.5, tilt=-0.5))
        assert (await pair.controlled()).control == PrecisePosition(90.0, -45.0, None)


async def test_what_2016_cannot_is_unsupported(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        for command in (SteerCommand("absolute"), SteerCommand("home"), SteerCommand("relative")):
            with pytest.raises(DeviceRefused) as refused:
                await pair.operations.steer(GATE, command)
            assert refused.value.code == "unsupported"
        with pytest.raises(DeviceRefused, match="ONVIF"):
            await pair.operations.encoder(GATE)
        with pytest.raises(DeviceRefused, match="when it registers"):
            await pair.operations.set_time()
        with pytest.raises(DeviceRefused, match="1 to 255"):
            await pair.operations.steer(GATE, SteerCommand("goto_preset", preset="home"))


async def test_keyframe_and_restart(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        await pair.operations.keyframe(GATE, "main")
        assert (await pair.controlled()).control == SendKeyframe()
        await pair.operations.reboot()
        came = await pair.controlled()
        assert (came.device_id, came.control) == (CODE, Restart())


async def test_presets_are_listed_set_and_removed(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        found = await pair.operations.presets(GATE)
        assert [(one.token, one.name) for one in found] == [("1", "大门"), ("3", "路口")]
        made = await pair.operations.set_preset(GATE, None, "岗亭")
        assert made.token == "2"
        assert (await pair.controlled()).control == Steer(Preset("set", 2))
        await pair.operations.remove_preset(GATE, "3")
        assert (await pair.controlled()).control == Steer(Preset("delete", 3))


async def test_recordings_come_in_pages_and_are_clipped(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        pair.device.recordings = [
            RecordItem(
                GATE, DAY_US + hour * HOUR_US, DAY_US + (hour + 1) * HOUR_US, path=f"/{hour}"
            )
            for hour in range(5)
        ]
        found = await pair.operations.recordings(GATE, DAY_US + HOUR_US // 2, DAY_US + 4 * HOUR_US)
        assert [one.reference for one in found] == ["/0", "/1", "/2", "/3"]
        assert found[0].start_us == DAY_US + HOUR_US // 2
        assert found[-1].end_us == DAY_US + 4 * HOUR_US


async def test_time_of_the_device(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        told = await pair.operations.time()
        assert abs(told["device_us"] - 1_700_000_000_500_000) < 2_000_000
        assert told["zone"] == "Asia/Shanghai"


async def test_question_without_answer_times_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "ANSWER_TIMEOUT_S", 0.1)
    async with registered(tmp_path, silent={"PresetQuery"}) as pair:
        with pytest.raises(DeviceRefused) as refused:
            await pair.operations.presets(GATE)
        assert refused.value.code == "timed_out"
        assert not pair.upper.kind._queries._open or len(pair.upper.kind._queries) <= 2


async def test_open_questions_are_bounded(tmp_path: Path) -> None:
    async with registered(tmp_path, silent={"PresetQuery"}) as pair:
        await pair.upper.until(pair.platform_id, lambda s: s.catalog["state"] == "complete")
        asking = [asyncio.create_task(pair.operations.presets(GATE)) for _ in range(40)]
        done, _ = await asyncio.wait(asking, timeout=5, return_when=asyncio.FIRST_EXCEPTION)
        codes = {task.exception().code for task in done}  # type: ignore[union-attr]
        assert codes == {"busy"}
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(pair.upper.kind._queries) == 0


async def test_alarm_is_an_event_and_is_acknowledged(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        at_us = now_us() // 1_000_000 * 1_000_000
        assert (
            await pair.device.tell(Alarm(9, GATE, 1, 5, at_us, "有人", kind=6).to_element()) == 200
        )
        event = await pair.event()
        assert (event.kind, event.channel, event.at_us) == (
            DeviceEventKind.INTRUSION,
            GATE,
            at_us,
        )
        assert event.state is DeviceEventState.PULSE
        assert event.detail["description"] == "有人"
        answer = await pair.device.asked_for("Alarm")
        while answer.category != "Response":
            answer = await pair.device.asked_for("Alarm")
        assert answer.serial_number == 9


async def test_places_are_put_right_by_the_system_that_the_platform_is_said_to_tell_in(
    tmp_path: Path,
) -> None:
    async with registered(tmp_path, coordinates="gcj02", subscribe_alarm=False) as pair:
        longitude, latitude = gcj02_from_wgs84(112.59, 31.17)
        # As public maps of China show it: 500 m off.
        assert abs(longitude - 112.59) > 0.004
        alarm = Alarm(9, GATE, 1, 5, now_us(), longitude=longitude, latitude=latitude)
        position = MobilePosition(1, GATE, None, longitude, latitude)
        for notice in (alarm, position):
            await pair.device.tell(notice.to_element())
            event = await pair.event()
            place = event.detail["longitude"], event.detail["latitude"]
            assert place == ("112.590000", "31.170000")


async def test_time_of_a_wrong_clock_is_that_of_arrival(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        await pair.device.tell(Alarm(1, CODE, 1, 2, DAY_US, kind=2).to_element())
        event = await pair.event()
        assert abs(event.at_us - now_us()) < 60_000_000
        assert (event.kind, event.channel) == (DeviceEventKind.TAMPER, "")


async def test_subscriptions_bring_changes_alarms_and_positions(tmp_path: Path) -> None:
    async with registered(tmp_path, subscribe_position=True) as pair:
        device = pair.device
        await pair.upper.until(pair.platform_id, lambda s: s.catalog["state"] == "complete")
        while set(device.subscriptions) != {"Catalog", "Alarm", "MobilePosition"}:
            device.subscribed.clear()
            await device.subscribed.wait()

        off = CatalogEvent("OFF", CatalogItem(GATE))
        new = CatalogEvent("ADD", CatalogItem("34020000001310000099", "new", (CODE,)))
        notification = CatalogNotification(1, CODE, (off, new)).to_element()
        response = await device.subscriptions["Catalog"].request(
            "NOTIFY", headers=[("Event", "Catalog")], body=xml_bodies.to_bytes(notification)
        )
        assert response.status == 200
        while True:
            channels = await pair.upper.channels(pair.platform_id)
            if "34020000001310000099" in channels:
                break
            await asyncio.sleep(0.01)
        assert channels[GATE]["status"] == "off"

        position = MobilePosition(1, GATE, None, 117.2, 31.8, speed_kmh=40.0).to_element()
        await device.subscriptions["MobilePosition"].request(
            "NOTIFY", body=xml_bodies.to_bytes(position)
        )
        event = await pair.event()
        assert event.kind is DeviceEventKind.POSITION
        assert (event.detail["longitude"], event.detail["speed_kmh"]) == ("117.200000", "40")


async def test_keepalive_names_channels_that_do_not_work(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        await pair.upper.until(pair.platform_id, lambda s: s.catalog["state"] == "complete")
        assert (await pair.upper.channels(pair.platform_id))[GATE]["status"] == "on"
        await pair.device.tell(Keepalive(5, CODE, True, (GATE,)).to_element())
        assert (await pair.upper.channels(pair.platform_id))[GATE]["status"] == "off"


async def test_catalogue_that_stays_short_is_partial_and_takes_nothing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost page must not be read as cameras that are gone."""
    async with registered(tmp_path) as pair:
        await pair.upper.until(pair.platform_id, lambda s: s.catalog["state"] == "complete")
        short = [*catalog.pages(0, CODE, CAMERAS, 2)][:-1]

        def answers(asked: Any) -> list[Any]:
            if asked.command != catalog.COMMAND:
                return []
            return [
                catalog.CatalogPage(asked.serial_number, CODE, page.total, page.items).to_element()
                for page in short
            ]

        monkeypatch.setattr(pair.device, "_answers", answers)

        def hasty(*arguments: Any) -> catalog_assembly.CatalogAssembly:
            return catalog_assembly.CatalogAssembly(*arguments, timeout_s=0.2)

        monkeypatch.setattr(fetching, "CatalogAssembly", hasty)
        await pair.upper.kind._fetching.fetch_catalog(pair.upper.kind._devices[pair.platform_id])
        assert pair.upper.state(pair.platform_id).catalog["state"] == "partial"
        channels = await pair.upper.channels(pair.platform_id)
        assert [code for code, row in channels.items() if row["gone_us"] is not None] == []


async def test_catalogue_with_a_lost_page_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(*arguments: Any) -> catalog_assembly.CatalogAssembly:
        return catalog_assembly.CatalogAssembly(*arguments, timeout_s=0.2)

    monkeypatch.setattr(fetching, "CatalogAssembly", hasty)
    monkeypatch.setattr(fetching, "_TRY_AGAIN_S", 0.05)
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        whole = device._answers
        told: list[int] = []

        def answers(asked: Any) -> list[Any]:
            if asked.command != catalog.COMMAND or asked.category != "Query":
                return whole(asked)
            told.append(asked.serial_number)
            return whole(asked)[: -1 if len(told) == 1 else None]

        monkeypatch.setattr(device, "_answers", answers)
        await device.register()
        state = await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert state.catalog["received"] == len(CAMERAS)
        assert len(told) == 2


async def test_subscription_that_the_device_ends_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_SUBSCRIBE_PAUSE_S", 0.01)
    async with registered(tmp_path, subscribe_catalog=False) as pair:
        device = pair.device
        await device.subscribed.wait()
        first = device.subscriptions["Alarm"]
        device.subscribed.clear()
        await first.request("NOTIFY", headers=[("Subscription-State", "terminated")])
        await device.subscribed.wait()
        assert device.subscriptions["Alarm"] is not first


async def test_subscription_is_renewed_before_it_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_RENEW_S", 0.05)
    async with registered(tmp_path, subscribe_catalog=False) as pair:
        await pair.device.subscribed.wait()
        renewals: asyncio.Queue[IncomingRequest] = asyncio.Queue()
        pair.device.subscriptions["Alarm"].on_request = renewals.put_nowait
        for _ in range(2):
            incoming = await renewals.get()
            assert incoming.request.method == "SUBSCRIBE"
            assert incoming.request.headers.get("expires") == "3600"
            assert incoming.request.headers.get("event") == "presence"
            incoming.respond(200)
