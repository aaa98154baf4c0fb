"""Our upper platform against SIPp as a device."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from camera_adapters.gb28181.local_time import CHINA
from gateway.platforms.operations import SteerCommand
from tests.gateway.platforms.gb28181_below.upper import CODE, PASSWORD, Upper, upper_gateway
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE
from tests.peers.sipp_device import (
    errors,
    free_udp_port,
    logged,
    logs,
    needs_sipp,
    run_sipp,
    sipp,
)

pytestmark = needs_sipp

GATE = "34020000001310000001"


@contextlib.asynccontextmanager
async def entered(folder: Path) -> AsyncIterator[tuple[Upper, str, Path]]:
    """A gateway that knows the device, and a folder for what SIPp writes."""
    (folder / "gateway").mkdir()
    (folder / "sipp").mkdir()
    async with upper_gateway(folder / "gateway") as upper:
        platform_id = await upper.add(subscribe_catalog=False, subscribe_alarm=False)
        yield upper, platform_id, folder / "sipp"


async def register(
    upper: Upper, folder: Path, port: int, *arguments: str, password: str = PASSWORD
) -> None:
    scenario = "register" if password == PASSWORD else "wrong_password"
    account = ("-au", CODE, "-ap", password, "-s", PLATFORM_CODE)
    keys = {"device": CODE, "domain": DOMAIN, "expires": "3600"}
    await run_sipp(folder, scenario, upper.port, port, *account, *arguments, **keys)


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_registers_with_digest(tmp_path: Path, transport: str) -> None:
    async with entered(tmp_path) as (upper, platform_id, folder):
        await register(upper, folder, free_udp_port(), "-t", transport)
        assert upper.state(platform_id).state == "online"
        told = datetime.fromisoformat(logs(folder).split("date ")[1].split()[0])
        assert abs(datetime.now(CHINA) - told.replace(tzinfo=CHINA)) < timedelta(seconds=30)


async def test_wrong_password_is_forbidden(tmp_path: Path) -> None:
    async with entered(tmp_path) as (upper, platform_id, folder):
        await register(upper, folder, free_udp_port(), password="guess")
        assert upper.state(platform_id).fault == "wrong_password"


async def test_keepalives_are_taken_in_long_and_compact_form(tmp_path: Path) -> None:
    async with entered(tmp_path) as (upper, _, folder):
        port = free_udp_port()
        await register(upper, folder, port)
        before = upper.kind._registrar.get(CODE)
        assert before is not None
        before.heard_s -= 100.0
        was = before.heard_s
        keys = {"device": CODE, "domain": DOMAIN}
        await run_sipp(folder, "keepalive", upper.port, port, "-s", PLATFORM_CODE, **keys)
        assert before.heard_s > was + 90.0


async def test_catalogue_in_pages_steering_and_an_invitation(tmp_path: Path) -> None:
    async with entered(tmp_path) as (upper, platform_id, folder):
        port = free_udp_port()
        await register(upper, folder, port)
        keys = {"device": CODE, "domain": DOMAIN}
        async with sipp(folder, "device", upper.port, port, "-s", PLATFORM_CODE, **keys):
            state = await upper.until(platform_id, lambda s: s.catalog["state"] == "complete")
            assert state.facts["manufacturer"] == "SIPp"
            channels = await upper.channels(platform_id)
            assert sorted(row["name"] for row in channels.values()) == ["Gate", "Road", "Yard"]

            operations = upper.kind.operations(platform_id)
            await operations.steer(GATE, SteerCommand("move", pan=1.0, speed=1.0))

            async with upper.session(platform_id, channel=GATE) as session:
                answer = await anext(session)
                assert answer["port"] == 15_060
            assert f"invited {answer['ssrc']:010}" in await logged(folder, "A50F")
        assert not errors(folder)
