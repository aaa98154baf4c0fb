"""What a shard tells of its variants: all of them, then what changes, and what it gives away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from camera_adapters.stream import Stream, Variant
from gateway.shard.report import Report
from gateway.shard.sessions import LiveSessions
from gateway.shard.told import RELEASED
from gateway.tickets import TicketSigner
from tests.gateway.shard.conftest import CAMERA, World

_SUB = "gate/sub"


def report_of(world: World) -> Report:
    sessions = LiveSessions(TicketSigner(b"k" * 32), lambda _: None, lambda _: None)
    return Report(world.shard, sessions)


async def told(updates: AsyncIterator[dict[str, Any]]) -> dict[str, str]:
    """Variant → state, of the next message."""
    update = await asyncio.wait_for(anext(updates), 30)
    return {state["variant"]: state["state"] for state in update["states"]}


async def test_a_variant_that_is_given_away_is_said_to_be_released(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name=_SUB))
    report = report_of(world)
    async with aclosing(report.watch()) as updates:
        assert await told(updates) == {"sub": "idle"}
        feed = world.shard.feeds[world.source(Variant.SUB).source_id]
        await world.hold()
        report.changed(feed.desired.camera_id, feed.desired.variant)
        assert await told(updates) == {"sub": RELEASED}


async def test_the_shard_itself_says_so_when_it_gives_a_variant_away(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name=_SUB))
    world.states.clear()
    await world.hold()
    assert world.shard.feeds == {}
    assert world.states == [("idle", None)]


async def test_who_watches_on_other_shards_is_counted_by_the_cameras_own(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name=_SUB))
    sessions = LiveSessions(TicketSigner(b"k" * 32), lambda _: None, lambda _: None)
    report = Report(world.shard, sessions, lambda: Counter({(CAMERA, Variant.SUB): 3}))
    (camera,) = await report.cameras()
    assert camera["states"]["sub"]["viewers"] == 3


async def test_a_camera_that_another_shard_relays_is_that_ones_to_tell(world: World) -> None:
    relayed = Stream("cam_elsewhere", Variant.MAIN)
    made = world.shard.derived.get(relayed, Variant.OPUS)
    assert not made.closed
    await world.hold(world.source(Variant.SUB, recorded=False, name=_SUB))
    report = report_of(world)
    async with aclosing(report.watch()) as updates:
        await told(updates)
        report.changed("cam_elsewhere", Variant.OPUS)
        await world.hold()
        report.changed(CAMERA, Variant.SUB)
        assert await told(updates) == {"sub": RELEASED}, "and nothing of the other"
