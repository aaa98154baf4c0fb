"""Devices held: online, expanded to channels, steered, timed, told of, lost and found again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camera_adapters.device_events import DeviceEventKind, DeviceEventState
from camera_adapters.onvif import event_source
from camera_adapters.rtsp.replay_reference import ReplayReference
from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.onvif import held_device, kind
from gateway.platforms.operations import DeviceRefused, SteerCommand
from tests.gateway.platforms.onvif.held import Gateway, gateway
from tests.peers.onvif_device import NAMES, Habits, OnvifDevice


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths, so that a test takes milliseconds."""
    monkeypatch.setattr(held_device, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(held_device, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(kind, "_NOBODY_S", 0.01)
    monkeypatch.setattr(event_source, "PULL_S", 1.0)
    monkeypatch.setattr(event_source, "_LEAST_PULL_S", 0.05)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as made:
        yield made


async def test_a_recorder_s_channels_are_rows_with_main_and_sub_streams(held: Gateway) -> None:
    async with OnvifDevice(Habits(channels=4)) as device:
        platform_id = await held.add(device)
        state = await held.until(platform_id, lambda one: one.state == "online")
        assert state.facts["manufacturer"] == "海康"
        assert "ptz" in state.facts["capabilities"]
        assert state.catalog["received"] == 4
        rows = await held.channels(platform_id)
        assert [row.code for row in rows] == ["vs_1", "vs_2", "vs_3", "vs_4"]
        facts = rows[1].facts
        assert facts["main_url"] == "rtsp://127.0.0.1:554/ch2/main"
        assert facts["sub_url"] == "rtsp://127.0.0.1:554/ch2/sub"
        assert device.habits.password not in str(facts)


async def test_the_streams_once_chosen_are_kept(held: Gateway) -> None:
    async with OnvifDevice() as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        # Somebody makes the sub stream larger in the device: the camera does not change sides.
        device.encoders["enc_1_sub"].update(w=3840, h=2160)
        await held.kind.refresh(platform_id)
        (row,) = await held.channels(platform_id)
        assert row.facts["main_url"].endswith("/ch1/main")
        assert row.facts["main_profile"] == "prof_1_main"


async def test_a_wrong_password_is_tried_at_most_twice_and_then_it_waits(held: Gateway) -> None:
    async with OnvifDevice() as device:
        platform_id = await held.add(device, password="wrong")
        state = await held.until(platform_id, lambda one: one.state == "refused")
        assert state.fault == "refused"
        assert "next try in 30 minutes" in state.detail
        with pytest.raises(DeviceRefused) as caught:
            await held.kind.refresh(platform_id)
        assert caught.value.code == "refused"
        with pytest.raises(DeviceRefused):
            await held.kind.refresh(platform_id)
        assert device.wrong_passwords == 2
        # A person corrects it: the device is asked at once.
        sealed = held.sealed(platform_id, device.habits.password)
        await held.rows.write(
            "platforms.change", platform_id=platform_id, columns={"password_sealed": sealed}
        )
        await held.reconcile()
        await held.until(platform_id, lambda one: one.state == "online")


async def test_a_device_that_goes_away_is_offline_and_comes_back(held: Gateway) -> None:
    async with OnvifDevice(Habits(lifetime_s=4)) as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        port = device.port
    state = await held.until(platform_id, lambda one: one.state == "offline")
    assert state.fault in ("closed_port", "lost")
    await held.reporting.flush()
    assert [row.status for row in await held.channels(platform_id)] == ["off"]
    async with OnvifDevice(Habits(), port=port):
        await held.until(platform_id, lambda one: one.state == "online")
        assert [row.status for row in await held.channels(platform_id)] == ["on"]


async def test_a_device_that_is_asked_for_again_by_hand_is_held_at_once(
    held: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_device, "_FIRST_WAIT_S", 600.0)
    async with OnvifDevice() as device:
        port = device.port
    gone = OnvifDevice(port=port)
    platform_id = await held.add(gone)
    await held.until(platform_id, lambda one: one.state == "offline")
    async with gone:
        await held.kind.refresh(platform_id)
        assert held.reporting.states[platform_id].state == "online"
        await gone.until(lambda one: one.asked["PullMessages"])


async def test_another_name_does_not_interrupt_a_device(held: Gateway) -> None:
    async with OnvifDevice() as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        await device.until(lambda one: one.asked["PullMessages"])
        await held.rows.write("platforms.change", platform_id=platform_id, columns={"name": "桥头"})
        await held.reconcile()
        assert held.reporting.states[platform_id].state == "online"
        assert device.asked["CreatePullPointSubscription"] == 1
        # Another option is one: from now on it is asked for no events.
        options = {"events": False, "time_sync": None}
        await held.rows.write(
            "platforms.change", platform_id=platform_id, columns={"options": options}
        )
        await held.reconcile()
        await device.until(lambda one: one.asked["Unsubscribe"])


async def test_clocks_are_compared_again_and_again(
    held: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "CLOCK_ROUND_S", 0.05)
    async with OnvifDevice() as device:
        platform_id = await held.add(device, events=False)
        await held.online(platform_id)
        device.habits.skew_s = 3600
        await held.until(
            platform_id, lambda one: one.facts.get("clock_offset_us", 0) > 3500 * US_PER_S
        )


async def test_events_are_pulled_and_only_changes_are_told(held: Gateway) -> None:
    async with OnvifDevice(Habits(channels=2, skew_s=-3600)) as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        await device.until(lambda one: one.asked["PullMessages"])
        for state in ("true", "true", "false", "false"):
            device.fire(
                "tns1:RuleEngine/CellMotionDetector/Motion",
                source={"VideoSourceConfigurationToken": "vsc_2", "Rule": "MyMotion"},
                data={"IsMotion": state},
            )
        device.fire(
            "tns1:RuleEngine/LineDetector/Crossed",
            source={"VideoSource": "vs_1", "Rule": "东门"},
            data={"ObjectId": "7"},
            operation="",
        )
        _, crossed = await held.until_event(lambda one: one.kind is DeviceEventKind.LINE_CROSSING)
        assert (crossed.channel, crossed.state) == ("vs_1", DeviceEventState.PULSE)
        assert abs(crossed.at_us - now_us()) < 5 * US_PER_S
        told = [(one.kind, one.channel, one.state) for _, one in held.events if not one.initial]
        assert told[:2] == [
            (DeviceEventKind.MOTION, "vs_2", DeviceEventState.BEGIN),
            (DeviceEventKind.MOTION, "vs_2", DeviceEventState.END),
        ]
        assert len(told) == 3


async def test_subscriptions_are_renewed_and_given_back(tmp_path: Path) -> None:
    async with OnvifDevice(Habits(lifetime_s=2, reference_parameters=True)) as device:
        async with gateway(tmp_path) as held:
            platform_id = await held.add(device)
            await held.online(platform_id)
            await device.until(lambda one: one.asked["Renew"] >= 2)
            assert device.asked["CreatePullPointSubscription"] == 1
            device.fire("tns1:Device/Trigger/DigitalInput", data={"LogicalState": "true"})
            await held.until_event(lambda one: one.kind is DeviceEventKind.DIGITAL_INPUT)
        assert not device.subscriptions


async def test_a_subscription_that_the_device_forgot_is_made_anew(held: Gateway) -> None:
    async with OnvifDevice() as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        await device.until(lambda one: one.asked["PullMessages"])
        device.subscriptions.clear()
        await device.until(lambda one: one.asked["CreatePullPointSubscription"] >= 2)
        await device.until(lambda one: one.subscriptions)
        device.fire("tns1:VideoSource/GlobalSceneChange/ImagingService", data={"State": "true"})
        await held.until_event(lambda one: one.kind is DeviceEventKind.TAMPER)
        assert held.reporting.states[platform_id].state == "online"


async def test_what_ended_while_nobody_listened_is_asked_for(held: Gateway) -> None:
    async with OnvifDevice() as device:
        platform_id = await held.add(device)
        await held.online(platform_id)
        await device.until(lambda one: one.asked["PullMessages"])
        topic, source = "tns1:RuleEngine/TamperDetector/Tamper", {"Rule": "r"}
        device.fire(topic, source=source, data={"IsTamper": "true"})
        await held.until_event(lambda one: one.state is DeviceEventState.BEGIN)
        device.states = [device.notification(topic, source, {"IsTamper": "false"}, "Initialized")]
        device.subscriptions.clear()
        _, ended = await held.until_event(
            lambda one: one.state is DeviceEventState.END and one.kind is DeviceEventKind.TAMPER
        )
        assert (ended.kind, ended.channel) == (DeviceEventKind.TAMPER, "vs_1")


async def test_a_device_that_takes_short_pulls_alone_is_pulled_so(
    held: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_source, "PULL_S", 60.0)
    monkeypatch.setattr(event_source, "_SHORT_PULL_S", 1.0)
    async with OnvifDevice(Habits(pull_limit_s=5)) as device:
        platform_id = await held.add(device)
        await held.until(platform_id, lambda one: one.facts.get("events") == "pulled")
        device.fire("tns1:RuleEngine/TamperDetector/Tamper", data={"IsTamper": "true"})
        await held.until_event(lambda one: one.kind is DeviceEventKind.TAMPER)


async def test_a_device_without_pull_points_posts_its_events(tmp_path: Path) -> None:
    habits = Habits(pull_points=False, lifetime_s=2)
    async with (
        OnvifDevice(habits) as device,
        gateway(
            tmp_path, notification_url="http://127.0.0.1:18091", notification_port=18091
        ) as held,
    ):
        platform_id = await held.add(device)
        await held.online(platform_id)
        await device.until(lambda one: one.subscriptions)
        device.fire("tns1:RuleEngine/TamperDetector/Tamper", data={"IsTamper": "true"})
        _, event = await held.until_event(lambda one: one.kind is DeviceEventKind.TAMPER)
        assert event.channel == "vs_1"
        await held.until(platform_id, lambda one: one.facts.get("events") == "posted")
        await device.until(lambda one: one.asked["Renew"])


async def test_without_either_way_the_device_is_online_and_says_what_to_do(held: Gateway) -> None:
    async with OnvifDevice(Habits(pull_points=False)) as device:
        platform_id = await held.add(device)
        state = await held.until(platform_id, lambda one: one.facts.get("events_fault"))
        assert "onvif.notification_url" in state.facts["events_fault"]
        assert state.state == "online"


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (SteerCommand("move", pan=0.5, tilt=-0.25), "ContinuousMove PanTilt=0.5,-0.25 PT10S"),
        (SteerCommand("move", zoom=-1), "ContinuousMove Zoom=-1, PT10S"),
        (SteerCommand("absolute", pan=0.1, zoom=0.5, speed=1), "AbsoluteMove PanTilt=0.1,0"),
        (SteerCommand("relative", tilt=0.2), "RelativeMove PanTilt=0,0.2"),
        (SteerCommand("goto_preset", preset="2"), "GotoPreset 2"),
        (SteerCommand("home"), "GotoHomePosition"),
        (SteerCommand("auxiliary", number=1, on=False), "SendAuxiliaryCommand tt:Wiper|Off"),
        (SteerCommand("focus", zoom=-0.5), "Move -0.5"),
    ],
    ids=lambda value: value.action if isinstance(value, SteerCommand) else "",
)
async def test_steering(held: Gateway, command: SteerCommand, wire: str) -> None:
    async with OnvifDevice(Habits(channels=2)) as device:
        operations = await held.online(await held.add(device))
        await operations.steer("vs_2", command)
        assert device.moves[0].startswith(wire)
        await operations.steer("vs_2", SteerCommand("stop"))
        assert device.moves[1].startswith("Stop")


async def test_presets_are_listed_set_and_removed(held: Gateway) -> None:
    async with OnvifDevice() as device:
        operations = await held.online(await held.add(device))
        assert [(one.token, one.name) for one in await operations.presets("")] == [
            ("1", "大门"),
            ("2", "后院"),
        ]
        made = await operations.set_preset("", None, "<桥> & 河")
        assert device.presets[made.token] == "<桥> & 河"
        await operations.remove_preset("", made.token)
        assert made.token not in device.presets
        with pytest.raises(DeviceRefused) as caught:
            await operations.remove_preset("", "99")
        assert caught.value.code == "device_error"


@pytest.mark.parametrize(
    ("zone", "after"), [("CST-8", "CST-8"), ("GMT+08:00", "GMT+08:00"), ("UTC0", "CST-8")]
)
async def test_a_clock_is_set_in_utc_and_its_zone_is_the_county_s(
    held: Gateway, zone: str, after: str
) -> None:
    habits = Habits(skew_s=8 * 3600, zone=zone)
    async with OnvifDevice(habits) as device:
        platform_id = await held.add(device, time_sync=True)
        await held.online(platform_id)
        await held.until(
            platform_id, lambda one: abs(one.facts.get("clock_offset_us") or 9e9) < 2 * US_PER_S
        )
        (asked,) = device.set_times
        told = {
            name: int(asked.findtext(f".//tt:{name}", "", NAMES))
            for name in ("Year", "Month", "Day", "Hour")
        }
        utc = datetime.now(UTC)
        assert abs(told["Hour"] - utc.hour) in (0, 1, 23)
        assert habits.zone == after
        (said,) = await held.register("platform.set_time")
        assert said["user_name"] == "(gateway)"
        assert abs(said["detail"]["offset_us"] - 8 * 3600 * US_PER_S) < 3 * US_PER_S
        assert said["detail"]["name"] == "村口"
        assert said["area_path"]


async def test_a_clock_that_cannot_be_on_record_stays_as_it_is(
    held: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def append(*_: object) -> None:
        asked.set()
        raise ConnectionError("the writer is away")

    monkeypatch.setattr(held_device, "append", append)
    async with OnvifDevice(Habits(skew_s=3600)) as device:
        platform_id = await held.add(device, time_sync=True)
        await held.online(platform_id)
        await asyncio.wait_for(asked.wait(), 20)
        # By then the first comparison is over, and so is another.
        await held.kind.refresh(platform_id)
        assert device.set_times == []


async def test_a_device_service_may_be_elsewhere(held: Gateway) -> None:
    async with OnvifDevice(Habits(service_path="/cgi-bin/onvif")) as device:
        where = {"host": device.host, "port": device.port}
        account = {"username": device.habits.username, "password": device.habits.password}
        probe = held.kind.calls()["platforms.probe"]
        with pytest.raises(ControlError, match="speaks no ONVIF there"):
            await probe("onvif", **where, **account)
        found = await probe("onvif", **where, **account, service_path="/cgi-bin/onvif")
        assert found["facts"]["manufacturer"] == "海康"
        probe_many = held.kind.calls()["platforms.probe_many"]
        targets = [{**where, "service_path": "/cgi-bin/onvif"}]
        assert [one["type"] async for one in probe_many(targets, **account)] == ["probed"]
        await held.online(await held.add(device, service_path="/cgi-bin/onvif"))


async def test_a_clock_that_is_off_is_shown_and_left_alone_unless_asked(held: Gateway) -> None:
    async with OnvifDevice(Habits(skew_s=-90)) as device:
        platform_id = await held.add(device)
        operations = await held.online(platform_id)
        state = held.reporting.states[platform_id]
        assert abs(state.facts["clock_offset_us"] + 90 * US_PER_S) < 2 * US_PER_S
        assert not device.set_times
        told = await operations.time()
        assert told["zone"] == "CST-8"
        await operations.set_time()
        assert abs((await operations.time())["offset_us"]) < 2 * US_PER_S


async def test_keyframe_reboot_and_encoder(held: Gateway) -> None:
    async with OnvifDevice() as device:
        operations = await held.online(await held.add(device))
        await operations.keyframe("", "sub")
        assert device.keyframes == ["prof_1_sub"]
        await operations.reboot()
        assert device.rebooted == 1
        main, sub = await operations.encoder("")
        assert (main["variant"], main["width"], sub["height"]) == ("main", 2560, 576)
        await operations.set_encoder("", "main", {"bitrate_bps": 2_048_000})
        assert device.encoders["enc_1_main"]["kbps"] == 2048
        device.habits.broken["SetVideoEncoderConfiguration"] = (
            b"<Envelope><Body><SetVideoEncoderConfigurationResponse/></Body></Envelope>"
        )
        with pytest.raises(DeviceRefused, match="kept its own bitrate_bps"):
            await operations.set_encoder("", "main", {"bitrate_bps": 1_024_000})


@pytest.mark.parametrize("find_events", [True, False])
async def test_footage_on_the_device_is_told_by_our_clock(held: Gateway, find_events: bool) -> None:
    skew_us = 120 * US_PER_S
    base_us = 1_790_000_000 * US_PER_S
    # By the device's clock, which is two minutes fast.
    ranges = [
        (base_us + skew_us, base_us + 600 * US_PER_S + skew_us),
        (base_us + 900 * US_PER_S + skew_us, base_us + 1200 * US_PER_S + skew_us),
    ]
    habits = Habits(channels=2, skew_s=120, recordings={1: [(1, 2)], 2: ranges})
    habits.find_events = find_events
    async with OnvifDevice(habits) as device:
        operations = await held.online(await held.add(device))
        found = await operations.recordings(
            "vs_2", base_us + 300 * US_PER_S, base_us + 1000 * US_PER_S
        )
        seconds = [
            (round((one.start_us - base_us) / 1e6), round((one.end_us - base_us) / 1e6))
            for one in found
        ]
        wanted = [(300, 600), (900, 1000)] if find_events else [(300, 1000)]
        assert all(
            abs(have[0] - want[0]) <= 2 and abs(have[1] - want[1]) <= 2
            for have, want in zip(seconds, wanted, strict=True)
        )
        reference = ReplayReference.from_text(found[0].reference)
        assert reference.url == "rtsp://127.0.0.1:554/replay/rec_2"
        assert abs(reference.clock_offset_us - skew_us) < 2 * US_PER_S
        assert not device.searches
        assert await operations.recordings("vs_2", 0, 1000) == []


async def test_a_device_s_tours(held: Gateway) -> None:
    async with OnvifDevice() as device:
        operations = await held.online(await held.add(device))
        stops = [{"preset_token": "1", "stay_s": 5}, {"preset_token": "2", "stay_s": 8}]
        token = await operations.set_tour("", None, "夜间", stops)
        (tour,) = await operations.tours("")
        assert [one["preset_token"] for one in tour["stops"]] == ["1", "2"]
        await operations.operate_tour("", token, "Start")
        assert device.moves[-1] == "OperatePresetTour Start"
        await operations.remove_tour("", token)
        assert await operations.tours("") == []


async def test_one_account_for_many_stops_at_the_first_that_refuses_it(held: Gateway) -> None:
    async with OnvifDevice() as first, OnvifDevice() as second, OnvifDevice() as third:
        targets = [{"host": one.host, "port": one.port} for one in (first, second, third)]
        probe_many = held.kind.calls()["platforms.probe_many"]
        told = [one async for one in probe_many(targets, "admin", "wrong")]
        assert [one["type"] for one in told] == ["refused", "stopped"]
        assert told[1]["left"] == 2
        assert (first.wrong_passwords, second.wrong_passwords, third.wrong_passwords) == (1, 0, 0)
        third.habits.password = "another"
        password = first.habits.password
        told = [one async for one in probe_many(targets, "admin", password)]
        assert told[0]["port"] == first.port
        assert sorted((one["type"], one["port"]) for one in told[1:]) == [
            ("probed", second.port),
            ("refused", third.port),
        ]
        for _ in range(4):
            async for _ in probe_many(targets, "admin", password):
                pass
        assert third.wrong_passwords == 2


async def test_a_single_device_that_refuses_the_account_of_all_stops_nothing(
    held: Gateway,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(OnvifDevice()) for _ in range(12)]
        devices[5].habits.password = "another"
        targets = [{"host": one.host, "port": one.port} for one in devices]
        targets.insert(0, {"host": "127.0.0.1", "port": 1})
        probe_many = held.kind.calls()["platforms.probe_many"]
        told = [one async for one in probe_many(targets, "admin", devices[0].habits.password)]
        assert (told[0]["type"], told[0]["code"]) == ("refused", "offline")
        assert (told[1]["type"], told[1]["port"]) == ("probed", devices[0].port)
        assert [one["port"] for one in told[1:] if one["type"] == "refused"] == [devices[5].port]
        assert len(told) == 13


async def test_two_refusals_in_a_row_end_the_tries_of_one_account(held: Gateway) -> None:
    async with contextlib.AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(OnvifDevice()) for _ in range(12)]
        for one in devices[1:]:
            one.habits.password = "another"
        targets = [{"host": one.host, "port": one.port} for one in devices]
        probe_many = held.kind.calls()["platforms.probe_many"]
        told = [one async for one in probe_many(targets, "admin", devices[0].habits.password)]
        assert told[-1]["type"] == "stopped"
        tried = sum(one.wrong_passwords > 0 for one in devices)
        # Two, and those that were under way meanwhile.
        assert 2 <= tried <= 5
        assert told[-1]["left"] == 11 - tried


async def test_many_devices_are_asked_a_few_at_a_time(tmp_path: Path) -> None:
    async with gateway(tmp_path, sessions=4) as held, OnvifDevice() as device:
        ids = [await held.add(device) for _ in range(30)]
        for platform_id in ids:
            await held.until(platform_id, lambda one: one.state == "online")
        figures = held.kind.figures()
        assert (figures["onvif_devices"], figures["onvif_devices_online"]) == (30, 30)
        assert len(asyncio.all_tasks()) < 200
