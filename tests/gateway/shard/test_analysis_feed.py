"""What a shard gives to whoever detects objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from camera_adapters.stream import GapCause, Interruption, Variant
from gateway.control.channel import ControlError
from gateway.shard import analysis_tap
from gateway.shard.analysis_feed import analysis_calls
from gateway.transcoder.wire import track_from_wire, units_from_wire
from search.sampling.sampler import FrameSampler
from tests.gateway.shard.conftest import CAMERA, World


class Wishes:
    """What the other side says."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def say(self, wish: Mapping[str, Any]) -> None:
        self._said.put_nowait(wish)

    def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        return await self._said.get()


def opened(world: World, *, patience_s: float = 15, wishes: Wishes | None = None) -> Any:
    call = analysis_calls(world.shard, patience_s=patience_s)["analysis.units"]
    return aclosing(call(camera_id=CAMERA, incoming=wishes or Wishes()))


async def test_an_unknown_camera_is_refused(world: World) -> None:
    async with opened(world) as messages:
        with pytest.raises(ControlError, match="not held here"):
            await anext(messages)


async def test_the_sub_stream_of_a_crossing_can_be_sampled(world: World) -> None:
    await world.hold(world.source(), world.source(Variant.SUB, recorded=False, name="gate/sub"))
    sampler = FrameSampler("cam", gated=True)
    frames = []
    async with asyncio.timeout(30), opened(world) as messages:
        async for message in messages:
            if message["type"] == "run":
                assert message["variant"] == "sub"
                sampler.start(tuple(track_from_wire(track) for track in message["tracks"]))
            if message["type"] == "units":
                for unit in units_from_wire(message["units"]):
                    frames += sampler.push(unit)
            if len(frames) >= 8:
                break
    assert sampler.counters.damaged == 0
    # The reader has gone: the sub-stream, on demand, is not pulled for it any more.
    await world.until_state("idle")


async def test_without_the_sub_stream_the_main_one_is_looked_at(world: World) -> None:
    sub = world.source(Variant.SUB, recorded=False, name="not/there")
    await world.hold(world.source(), sub)
    main = world.watch()
    await main.sees(1)
    async with asyncio.timeout(30), opened(world, patience_s=0.1) as messages:
        async for message in messages:
            if message["type"] == "units":
                break
            if message["type"] == "run":
                assert message["variant"] == "main"


async def test_a_slow_reader_is_told_what_it_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_tap, "_WAITING_UNITS_LIMIT", 12)
    await world.hold(world.source())
    wishes = Wishes()
    async with asyncio.timeout(30), opened(world, wishes=wishes) as messages:
        assert (await anext(messages))["type"] in ("run", "interrupted")
        wishes.say({"open_until_us": 1 << 62})
        viewer = world.watch()
        await viewer.sees(40)
        kinds, skipped = [], {}
        async for message in messages:
            kinds.append(message["type"])
            if kinds[-1] == "skipped":
                skipped = message
            if kinds[-2:] == ["skipped", "units"]:
                first = units_from_wire(message["units"])[0]
                assert first.keyframe and first.wall_us == skipped["end_us"]
                assert skipped["units"] > 0 and skipped["start_us"] < skipped["end_us"]
                break
            if kinds[-1] == "units":
                assert len(message["units"]) <= 12


async def test_an_interruption_is_told(world: World) -> None:
    await world.hold(world.source())
    async with asyncio.timeout(30), opened(world) as messages:
        async for message in messages:
            if message["type"] == "units":
                stream = world.shard.stream(CAMERA, Variant.MAIN)
                stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "gone"))
            if message["type"] == "interrupted" and message["detail"] == "gone":
                assert message["cause"] == "camera_offline"
                break


async def test_a_wish_opens_the_gate_and_another_closes_it(world: World) -> None:
    await world.hold(world.source())
    wishes = Wishes()
    between = 0
    async with asyncio.timeout(30), opened(world, wishes=wishes) as messages:
        wishes.say({"open_until_us": 1 << 62})
        wishes.say({"settle": True})
        async for message in messages:
            if message["type"] == "units":
                between += sum(not unit.keyframe for unit in units_from_wire(message["units"]))
            if between > 30:  # three seconds, settled or not: a wish to see all counts more
                break
