"""Steering carried out: on record first, in order, stopped whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.database.operating_tables import ptz_holdings
from gateway.platforms.operations import DeviceOperations, DeviceRefused, SteerCommand
from gateway.platforms.patrolling import Patrolling
from gateway.platforms.ptz import Held, Holder
from gateway.platforms.steering import CameraSteering
from recorder.rows import RowWriter
from tests.gateway.api.conftest import County, county  # noqa: F401

MOVE, STOP = SteerCommand("move", pan=0.5), SteerCommand("stop")
WANG = Holder("person", "usr_wang", "wang", "王", 50, user_id="usr_wang", address="10.0.0.7")
CHIEF = Holder("person", "usr_chief", "chief", "长", 80)


@dataclass
class Device:
    """Takes commands; as slow, deaf or broken as it is told to be."""

    commands: list[SteerCommand] = field(default_factory=list)
    refusals: list[DeviceRefused] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def steer(self, channel: str, command: SteerCommand) -> None:
        await self.gate.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        self.commands.append(command)
        self.news.set()

    async def until(self, action: str) -> None:
        async with asyncio.timeout(20):
            while not self.commands or self.commands[-1].action != action:
                self.news.clear()
                await self.news.wait()

    @property
    def actions(self) -> list[str]:
        return [one.action for one in self.commands]


class Rows:
    """The county's writer, that can be away."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self.away = False

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        if self.away:
            raise ConnectionError("the writer is away")
        return await self._rows.write(operation, **arguments)


@dataclass
class Desk:
    steering: CameraSteering
    device: Device
    rows: Rows
    county: County
    camera: str

    def records(self) -> list[tuple[str, str | None, dict[str, Any]]]:
        engine: sa.Engine = self.county.services.rows._engine  # type: ignore[attr-defined]
        with engine.connect() as connection:
            rows = connection.execute(
                sa.select(audit_log).where(audit_log.c.action.startswith("ptz."))
            ).all()
        return [(row.action, row.user_name, json.loads(row.detail)) for row in rows]

    def holdings(self) -> list[Any]:
        engine: sa.Engine = self.county.services.rows._engine  # type: ignore[attr-defined]
        with engine.connect() as connection:
            return list(connection.execute(sa.select(ptz_holdings)).all())


def make(county: County, device: Device, rows: Rows, **times: float) -> CameraSteering:  # noqa: F811
    async def device_of(camera_id: str) -> tuple[DeviceOperations, str]:
        return cast("DeviceOperations", device), "1"

    times = {"idle_s": 60.0, "move_timeout_s": 10.0, **times}
    return CameraSteering(rows, county.services.reader, device_of, **times)


@pytest.fixture
async def desk(county: County) -> AsyncIterator[Desk]:  # noqa: F811
    device, rows = Device(), Rows(county.services.rows)
    device.gate.set()
    steering = make(county, device, rows)
    yield Desk(steering, device, rows, county, county.camera)
    await steering.close()


async def test_a_holding_is_on_record_with_its_camera_and_person(desk: Desk) -> None:
    await desk.steering.command(desk.camera, WANG, MOVE)
    assert desk.records() == [
        ("ptz.hold", "wang", {"holder": "person", "holder_id": "usr_wang", "priority": 50})
    ]
    assert len(desk.holdings()) == 1
    await desk.steering.command(desk.camera, WANG, MOVE)
    await desk.steering.release(desk.camera, WANG)
    assert [action for action, _, _ in desk.records()] == ["ptz.hold", "ptz.released"]
    assert desk.device.actions == ["move", "move", "stop"]
    assert desk.holdings() == []


async def test_what_cannot_be_put_on_record_is_not_done(desk: Desk) -> None:
    desk.rows.away = True
    with pytest.raises(ConnectionError):
        await desk.steering.command(desk.camera, WANG, MOVE)
    assert desk.device.commands == []
    assert desk.steering.holding(desk.camera) is None
    desk.rows.away = False
    await desk.steering.command(desk.camera, CHIEF, MOVE)
    assert desk.device.actions == ["move"]


async def test_letting_go_stops_the_camera_though_the_register_is_away(desk: Desk) -> None:
    await desk.steering.command(desk.camera, WANG, MOVE)
    desk.rows.away = True
    await desk.steering.release(desk.camera, WANG)
    assert desk.device.actions == ["move", "stop"]
    assert desk.steering.holding(desk.camera) is None
    assert len(desk.holdings()) == 1  # its end is written when the register is back


async def test_who_has_signed_in_again_is_not_let_go_with_the_old_sign_in(desk: Desk) -> None:
    await desk.steering.command(desk.camera, replace(WANG, token_hash="old"), MOVE)
    await desk.steering.command(desk.camera, replace(WANG, token_hash="new"), MOVE)
    await desk.steering.end(desk.camera, "withdrawn", token_hash="old")
    assert desk.steering.holding(desk.camera) is not None
    await desk.steering.end(desk.camera, "withdrawn", token_hash="new")
    assert desk.steering.holding(desk.camera) is None


async def test_a_joystick_is_no_news_five_times_a_second(desk: Desk) -> None:
    told: list[str] = []
    with desk.steering._listening(told.append):
        for _ in range(20):
            await desk.steering.command(desk.camera, WANG, MOVE)
        assert 1 <= len(told) <= 4
        told.clear()
        await desk.steering.command(desk.camera, WANG, STOP)
        assert told == [desk.camera]


async def test_refusals_are_on_record_and_a_flood_of_them_is_one(desk: Desk) -> None:
    await desk.steering.command(desk.camera, CHIEF, MOVE)
    for _ in range(5):
        with pytest.raises(Held):
            await desk.steering.command(desk.camera, WANG, MOVE)
    refused = [detail for action, _, detail in desk.records() if action == "ptz.refused"]
    assert len(refused) == 1
    assert refused[0]["held_by"] == "chief"


async def test_a_device_that_cannot_be_stopped_is_no_reason_to_keep_the_next_away(
    desk: Desk,
) -> None:
    await desk.steering.command(desk.camera, WANG, MOVE)
    desk.device.refusals = [DeviceRefused("timed_out", "no answer")]
    await desk.steering.command(desk.camera, CHIEF, SteerCommand("goto_preset", preset="1"))
    assert desk.device.actions == ["move", "goto_preset"]
    holding = desk.steering.holding(desk.camera)
    assert holding is not None
    assert holding.holder == CHIEF


async def test_a_stop_that_did_not_arrive_is_sent_again(desk: Desk) -> None:
    await desk.steering.command(desk.camera, WANG, MOVE)
    desk.device.refusals = [DeviceRefused("timed_out", "no answer")] * 2
    with pytest.raises(DeviceRefused):
        await desk.steering.command(desk.camera, WANG, STOP)
    await desk.device.until("stop")
    assert desk.device.actions == ["move", "stop"]


async def test_a_slow_device_follows_the_joystick_and_not_its_history(desk: Desk) -> None:
    desk.device.gate.clear()
    moves = [SteerCommand("move", pan=number / 10) for number in range(10)]
    sent = [asyncio.create_task(desk.steering.command(desk.camera, WANG, one)) for one in moves]
    while desk.steering.holding(desk.camera) is None:  # noqa: ASYNC110 - of what runs
        await asyncio.sleep(0)
    stop = asyncio.create_task(desk.steering.command(desk.camera, WANG, STOP))
    await asyncio.sleep(0)
    desk.device.gate.set()
    await asyncio.gather(*sent, stop)
    assert desk.device.actions[-1] == "stop"
    assert len(desk.device.commands) <= 3


async def test_a_movement_that_is_not_renewed_is_stopped_and_an_idle_camera_let_go(
    county: County,  # noqa: F811
) -> None:
    device, rows = Device(), Rows(county.services.rows)
    device.gate.set()
    steering = make(county, device, rows, idle_s=0.6, move_timeout_s=0.2)
    running = asyncio.create_task(steering.run())
    await steering.command(county.camera, WANG, MOVE)
    changes = steering.changes()
    await device.until("stop")
    async with asyncio.timeout(20):
        while steering.holding(county.camera) is not None:
            await anext(changes)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_a_killed_process_held_is_stopped_and_ended(desk: Desk) -> None:
    await desk.steering.command(desk.camera, WANG, MOVE)
    # Another process begins; the first did not get to end anything.
    device, rows = Device(), desk.rows
    device.gate.set()
    again = make(desk.county, device, rows)
    running = asyncio.create_task(again.run())
    await device.until("stop")
    async with asyncio.timeout(20):
        while desk.holdings():  # noqa: ASYNC110 - seen from outside, in the database
            await asyncio.sleep(0.01)
    action, name, detail = desk.records()[-1]
    assert (action, name) == ("ptz.released", "wang")
    assert (detail["cause"], detail["estimated"]) == ("restarted", True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _patrol(desk: Desk, **columns: Any) -> str:
    steps = [{"preset": one, "dwell_s": 10, "speed": 0.5} for one in ("1", "2")]
    row = {"name": "巡", "steps": steps, "schedule": [], "utc_offset_minutes": 480, **columns}
    return str(await desk.county.write("patrols.create", camera_id=desk.camera, columns=row))


S = 1_000_000


async def test_a_patrol_goes_round_gives_way_and_goes_on(desk: Desk) -> None:
    patrol = await _patrol(desk)
    patrolling = Patrolling(desk.steering, desk.county.services.reader)
    await desk.county.write("patrols.start", patrol_id=patrol, by="wang")
    await patrolling.read()

    async def turn() -> None:
        await patrolling.turn(2**60)
        await asyncio.gather(*patrolling._busy.values())

    await turn()
    await turn()
    assert [one.preset for one in desk.device.commands] == ["1", "2"]
    await desk.steering.command(desk.camera, WANG, MOVE)
    await turn()
    state = patrolling.state(desk.camera)
    assert state is not None
    assert (state["state"], state["preset"]) == ("waiting", "2")
    await desk.steering.release(desk.camera, WANG)
    await turn()
    assert desk.device.commands[-1].preset == "2"
    await desk.county.write("patrols.stop", patrol_id=patrol)
    await patrolling.read()
    await turn()
    assert patrolling.state(desk.camera) is None
    assert desk.steering.holding(desk.camera) is None


async def test_a_deleted_camera_patrols_no_more(desk: Desk) -> None:
    patrol = await _patrol(desk)
    patrolling = Patrolling(desk.steering, desk.county.services.reader)
    await desk.county.write("patrols.start", patrol_id=patrol, by="wang")
    await patrolling.read()
    await patrolling.turn(2**60)
    await asyncio.gather(*patrolling._busy.values())
    assert desk.steering.holding(desk.camera) is not None
    await desk.county.write("cameras.delete", camera_id=desk.camera)
    await patrolling.read()
    await patrolling.turn(2**60)
    assert patrolling.runs == {}
    assert desk.steering.holding(desk.camera) is None


async def test_nobody_holds_what_cannot_be_steered(county: County) -> None:  # noqa: F811
    async def device_of(camera_id: str) -> tuple[DeviceOperations, str]:
        raise DeviceRefused("unsupported", "this camera is known by its stream alone")

    services = county.services
    steering = CameraSteering(
        services.rows, services.reader, device_of, idle_s=60, move_timeout_s=10
    )
    for work in (
        steering.command(county.camera, WANG, MOVE),
        steering.take(county.camera, WANG),
    ):
        with pytest.raises(DeviceRefused):
            await work
    assert steering.holding(county.camera) is None


async def test_a_camera_goes_home_once_when_it_was_let_go(desk: Desk) -> None:
    await desk.county.write("ptz.home", camera_id=desk.camera, preset="7", after_s=60)
    patrolling = Patrolling(desk.steering, desk.county.services.reader)
    await patrolling.read()

    async def turn(at_us: int) -> None:
        await patrolling.turn(at_us)
        await asyncio.gather(*patrolling._busy.values())

    await turn(2**60)
    assert desk.device.commands == []  # nobody has moved it
    await desk.steering.command(desk.camera, WANG, MOVE)
    await desk.steering.release(desk.camera, WANG)
    let_go_us = desk.steering.let_go_us[desk.camera]
    await turn(let_go_us + 59 * S)
    assert desk.device.actions == ["move", "stop"]
    for _ in range(3):
        await turn(let_go_us + 61 * S)
    assert [one.preset for one in desk.device.commands[2:]] == ["7"]
    assert desk.steering.holding(desk.camera) is None
