"""Devices register with our upper platform: over real sockets on loopback, on a real database."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from camera_adapters.gb28181.catalog import CatalogItem
from camera_adapters.gb28181.local_time import CHINA
from camera_adapters.sip.admission import Admission, AdmissionLimits, Budget
from camera_adapters.sip.peer import Transport
from gateway.cluster.child import ConfigurationError
from gateway.identifiers import now_us
from gateway.platforms.gb28181_below.kind import Gb28181Below
from gateway.platforms.operations import DeviceRefused
from gateway.settings import Gb28181Settings
from tests.gateway.platforms.gb28181_below.upper import CODE, PASSWORD, Upper, upper_gateway

GATE = "34020000001310000001"
CAMERAS = [
    CatalogItem(GATE, "大门", (CODE,), facts={"PTZType": "1", "Manufacturer": "海康"}),
    CatalogItem("34020000001310000002", "后院", (CODE,), online=False),
    CatalogItem("34020000001310000003", "路口", (CODE,)),
]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_device_registers_and_is_asked_for_what_it_has(
    tmp_path: Path, transport: Transport
) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        assert upper.state(platform_id).fault == "not_registered"
        device = await upper.device(items=CAMERAS, transport=transport)
        response = await device.register()
        assert response.status == 200
        assert response.headers.get("expires") == "3600"

        state = await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert (state.state, state.fault, state.transport) == ("online", "", transport)
        assert state.facts["manufacturer"] == "海康威视"
        assert state.facts["clock_offset_us"] < -1_000_000
        assert state.catalog["received"] == 3
        channels = await upper.channels(platform_id)
        assert {code: (row["name"], row["status"]) for code, row in channels.items()} == {
            GATE: ("大门", "on"),
            "34020000001310000002": ("后院", "off"),
            "34020000001310000003": ("路口", "on"),
        }


async def test_answer_has_the_countys_time_not_utc(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        await upper.add()
        device = await upper.device()
        date = (await device.register()).headers.get("date")
        told = datetime.fromisoformat(date).replace(tzinfo=CHINA)
        assert abs(datetime.now(CHINA) - told) < timedelta(seconds=30)
        assert len(date) == len("2026-11-22T15:00:00.123")


async def test_wrong_password_is_shown_and_leaves_the_device_out(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(password="guess")
        assert (await device.register()).status == 403
        state = upper.state(platform_id)
        assert (state.state, state.fault) == ("refused", "wrong_password")
        assert await device.keepalive() == 403
        device.password = PASSWORD
        assert (await device.register()).status == 200
        assert upper.state(platform_id).fault == ""


async def test_guess_by_another_does_not_touch_the_registered_device(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device()
        await device.register()
        stranger = await upper.device(password="guess", host="127.0.0.2")
        assert (await stranger.register()).status == 403
        assert upper.state(platform_id).state == "online"
        assert upper.state(platform_id).host == "127.0.0.1"
        assert await device.keepalive() == 200


async def test_unknown_device_wants_to_join_and_is_not_let_in(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path, password="county") as upper:
        knows = await upper.device("34020000001320000008", "county")
        guesses = await upper.device("34020000001320000009", "guess", host="127.0.0.2")
        assert (await knows.register()).status == 403
        assert (await guesses.register()).status == 403
        found = {row["code"]: row["knows_password"] for row in await upper.applicants()}
        assert found == {"34020000001320000008": True, "34020000001320000009": False}
        assert upper.kind.figures()["gb28181_devices_online"] == 0


async def test_device_entered_without_a_password_has_the_countys(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path, password="county") as upper:
        platform_id = await upper.add(password=None)
        device = await upper.device(password="county")
        assert (await device.register()).status == 200
        assert upper.state(platform_id).state == "online"


async def test_without_any_password_nobody_comes_in(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add(password=None)
        device = await upper.device()
        assert (await device.register()).status == 403
        assert upper.state(platform_id).fault == "no_password"


async def test_signing_off_takes_the_channels_along(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert (await device.register(0)).status == 200
        state = upper.state(platform_id)
        assert (state.state, state.fault) == ("offline", "unregistered")
        while True:
            rows = (await upper.channels(platform_id)).values()
            if all(row["status"] == "off" for row in rows):
                break
            await asyncio.sleep(0.02)


async def test_three_missed_keepalives_are_offline_and_one_brings_it_back(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path, keepalive_s=5) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        registration = upper.kind._registrar.get(CODE)
        assert registration is not None
        registration.heard_s -= 14.0
        upper.kind._registrar.poll(asyncio.get_running_loop().time())
        upper.kind._handle_events()
        assert upper.state(platform_id).state == "online"
        registration.heard_s -= 2.0
        state = await upper.until(platform_id, lambda s: s.state == "offline")
        assert state.fault == "silent"
        with pytest.raises(DeviceRefused, match="not registered"):
            await upper.kind.operations(platform_id).keyframe(GATE, "main")
        assert await device.keepalive() == 200
        assert upper.state(platform_id).state == "online"


async def until_channels(upper: Upper, platform_id: str, wanted: set[str]) -> None:
    """Every channel of the device has one of these states."""
    while True:
        rows = (await upper.channels(platform_id)).values()
        if {row["status"] for row in rows} == wanted:
            return
        await asyncio.sleep(0.02)


def silence(upper: Upper, by_s: float) -> None:
    """Nothing was heard of the device for so much longer."""
    registration = upper.kind._registrar.get(CODE)
    assert registration is not None
    registration.heard_s -= by_s
    upper.kind._look(asyncio.get_running_loop().time())


async def test_silence_takes_the_channels_along_and_one_word_brings_them_back(
    tmp_path: Path,
) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        await until_channels(upper, platform_id, {"on", "off"})
        silence(upper, 181)
        assert upper.state(platform_id).fault == "silent"
        await until_channels(upper, platform_id, {"off"})
        assert await device.keepalive() == 200
        await until_channels(upper, platform_id, {"on", "off"})


async def test_device_that_never_comes_back_after_a_restart_is_silent(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        await device.close()
        await upper.restart(killed=True)
        assert upper.state(platform_id).state == "online"
        silence(upper, 181)
        assert (upper.state(platform_id).state, upper.state(platform_id).fault) == (
            "offline",
            "silent",
        )
        await until_channels(upper, platform_id, {"off"})


async def test_registration_that_ran_out_while_nobody_looked_is_offline(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert upper.running is not None
        await upper.running.reporting.flush()
        ended_us = now_us() - 1
        state = {**upper.state(platform_id).to_message(), "expires_us": ended_us}
        await upper.rows.write("platforms.states", owner="signalling", states={platform_id: state})
        await upper.restart(killed=True)
        found = upper.state(platform_id)
        assert (found.state, found.fault, found.since_us) == ("offline", "expired", ended_us)
        await until_channels(upper, platform_id, {"off"})


async def test_channels_follow_a_state_that_was_written_before_them(tmp_path: Path) -> None:
    """Killed between the two: the device is offline, its channels are on."""
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        await device.register(0)
        await until_channels(upper, platform_id, {"off"})
        await upper.rows.write(
            "platforms.channel_status", platform_id=platform_id, status={GATE: "on"}
        )
        await upper.restart(killed=True)
        assert upper.state(platform_id).fault == "unregistered"
        await until_channels(upper, platform_id, {"off"})


async def test_after_a_restart_the_first_word_has_the_device_asked_for_all(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await device.subscribed.wait()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        await upper.restart(killed=True)
        device.subscriptions.clear()
        device.subscribed.clear()
        device.items = CAMERAS[:2]
        assert await device.keepalive() == 200
        await device.subscribed.wait()
        await upper.until(platform_id, lambda s: s.catalog.get("received") == 2)


async def test_second_device_by_the_same_code_is_refused_and_shown(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        first = await upper.device()
        await first.register()
        second = await upper.device(host="127.0.0.2")
        assert (await second.register()).status == 403
        state = upper.state(platform_id)
        assert (state.state, state.fault, state.host) == ("online", "duplicate_code", "127.0.0.1")
        assert "127.0.0.2" in state.detail
        assert await second.keepalive() == 403
        assert await first.keepalive() == 200


async def test_new_port_of_a_nat_is_followed_at_the_next_word(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device()
        await device.register()
        await device.endpoint.close()
        again = await upper.device()
        assert await again.keepalive() == 200
        assert upper.state(platform_id).port == again.endpoint.port


async def test_redirected_device_is_told_where_to_go(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add(redirect_to="sip:34020000002000000002@10.0.0.9:5060")
        device = await upper.device(version="3.0")
        response = await device.register()
        assert response.status == 302
        assert response.headers.get("contact") == "<sip:34020000002000000002@10.0.0.9:5060>"
        assert response.headers.get("x-gb-ver") == "3.0"
        assert upper.state(platform_id).state == "offline"


async def test_registration_survives_a_kill_of_signalling(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        await upper.restart(killed=True)
        assert upper.state(platform_id).state == "online"
        # At once: nothing came from the device yet.
        async with upper.session(platform_id, channel=GATE) as session:
            assert (await anext(session))["type"] == "answer"


async def test_changed_password_takes_the_registration_away(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device()
        await device.register()
        await upper.rows.write(
            "platforms.change", platform_id=platform_id, columns={"password_sealed": None}
        )
        assert upper.running is not None
        await upper.running.held.reconcile()
        assert upper.state(platform_id).state == "offline"
        assert await device.keepalive() == 403


async def test_catalogue_in_one_huge_page_is_read_beside_the_loop(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        cameras = [
            CatalogItem(f"3402000000131{number:07}", f"第{number}路", (CODE,))
            for number in range(1, 501)
        ]
        device = await upper.device(items=cameras, items_per_page=500, transport="tcp")
        await device.register()
        state = await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert state.catalog["received"] == 500
        large = b"<?xml version='1.0'?><Response>" + b"<a/>" * 30_000
        assert await device.tell_bytes(large) == 400
        assert upper.state(platform_id).fault == "bad_document"


async def test_unreadable_document_is_a_state_of_its_device(tmp_path: Path) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "xxxxxxxx">]><Notify>&b;</Notify>'
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device()
        await device.register()
        assert await device.tell_bytes(bomb) == 400
        assert upper.state(platform_id).fault == "bad_document"
        assert upper.state(platform_id).state == "online"


async def test_flood_of_a_device_is_a_state_of_it_and_harms_no_other(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        # Little a second, so that it is a flood however slowly it is sent.
        limits = AdmissionLimits(known=Budget(2000, 1))
        upper.kind.endpoint._ports.admission = Admission(limits)
        platform_id = await upper.add()
        other_id = await upper.add("34020000001320000002")
        device = await upper.device()
        other = await upper.device("34020000001320000002", host="127.0.0.2")
        await device.register()
        await other.register()
        for number in range(4000):
            device.endpoint._ports._udp.send(  # type: ignore[union-attr]
                b"\r\n\r\n" if number % 2 else b"garbage\r\n\r\n", device.platform
            )
            if number % 200 == 0:
                await asyncio.sleep(0)
        state = await upper.until(platform_id, lambda s: s.fault == "flooding")
        assert state.state == "online"
        assert await other.keepalive() == 200
        assert upper.state(other_id).fault == ""


async def test_message_of_a_hundred_megabytes_is_cut_off_and_shown(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add()
        device = await upper.device(transport="tcp")
        await device.register()
        (connection,) = device.endpoint._ports._tcp._connections.values()  # type: ignore[union-attr]
        connection.send(b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 104857600\r\n\r\n<xml>")
        state = await upper.until(platform_id, lambda s: s.fault == "bad_message")
        assert "104857600" in state.detail


async def test_changed_subscriptions_are_made_and_ended(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path) as upper:
        platform_id = await upper.add(subscribe_catalog=False, subscribe_alarm=False)
        device = await upper.device(items=CAMERAS)
        await device.register()
        await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
        assert device.subscriptions == {}
        options = {"subscribe_catalog": False, "subscribe_alarm": True}
        await upper.rows.write(
            "platforms.change", platform_id=platform_id, columns={"options": options}
        )
        assert upper.running is not None
        await upper.running.held.reconcile()
        await device.subscribed.wait()
        assert set(device.subscriptions) == {"Alarm"}


async def test_port_that_is_taken_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    async with upper_gateway(tmp_path / "one") as upper:
        taken = Gb28181Settings(code="34020000002000000001", port=upper.port)
        settings = upper.settings.model_copy(update={"gb28181": taken})
        other = Gb28181Below(dataclasses.replace(upper.kind._context, settings=settings))
        with pytest.raises(ConfigurationError, match=r"gb28181\.port"):
            await other.start()
