"""A camera's clock that is off is told, stored and accepted; footage stays under our time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.rtp.clocks import SteadyClock
from gateway.identifiers import now_us
from gateway.shard.clock_watch import ClockWatch, _Deviation
from recorder.tables import clock_offsets, runs
from tests.gateway.shard.conftest import CAMERA, Viewer, World

SECOND = 1_000_000
EIGHT_HOURS = 8 * 3600 * SECOND
SOURCE = f"{CAMERA}/main"


async def none_accepted(source_id: str) -> int | None:
    return None


def watch_of(
    world: World,
    read_accepted: Callable[..., object] = none_accepted,
    clock: SteadyClock | None = None,
) -> ClockWatch:
    return ClockWatch(world.shard, world.recorder, clock or SteadyClock(), read_accepted)  # type: ignore[arg-type]


async def until(world: World, watch: ClockWatch, viewer: Viewer, offset_us: int) -> None:
    """Let pictures come until the camera is said to be off by this much."""
    async with asyncio.timeout(30):
        while abs(world.shard.feeds[SOURCE].clock_offset_us - offset_us) > 2 * SECOND:
            await viewer.sees(3)
            await watch.turn()


async def offset_rows(world: World) -> list[tuple[int, bool]]:
    await world.recorder.gaps.drain()
    with world.engine.connect() as connection:
        rows = connection.execute(sa.select(clock_offsets).order_by(clock_offsets.c.id)).all()
    return [(row.offset_us, row.accepted_us is not None) for row in rows]


async def test_a_camera_whose_clock_steps_is_told_and_its_footage_stays_under_our_time(
    world: World,
) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(15)
    watch = watch_of(world)
    await watch.turn()
    assert world.shard.feeds[SOURCE].clock_offset_us == 0
    world.cameras.step_clock(EIGHT_HOURS)
    await until(world, watch, viewer, EIGHT_HOURS)
    assert await offset_rows(world) == [(EIGHT_HOURS, False)]
    assert abs(viewer.units[-1].wall_us - now_us()) < 5 * SECOND
    assert viewer.interruptions == []  # nothing was lost for it


async def test_an_accepted_clock_begins_a_run_and_is_told_again_when_it_steps_again(
    world: World,
) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(15)
    watch = watch_of(world)
    world.cameras.step_clock(EIGHT_HOURS)
    await until(world, watch, viewer, EIGHT_HOURS)
    watch.accept(CAMERA)
    assert world.shard.feeds[SOURCE].clock_offset_us == 0
    await viewer.sees(25)
    await watch.turn()
    assert world.shard.feeds[SOURCE].clock_offset_us == 0
    assert await offset_rows(world) == [(EIGHT_HOURS, True)]
    world.cameras.step_clock(-EIGHT_HOURS)
    await until(world, watch, viewer, -EIGHT_HOURS)
    assert viewer.runs == 1  # who watches sees nothing of all this
    await world.shard.close()
    assert await world.recorder.uploader.drain(10)
    with world.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(runs)) == 2
    # The second run goes on where the first ended, in the same time.
    first, *rest = world.span_rows()
    for (_, end), (start, _) in zip([first, *rest], rest, strict=False):
        assert abs(start - end) < SECOND


async def test_what_was_accepted_before_a_restart_is_not_told_again(world: World) -> None:
    async def accepted(source_id: str) -> int | None:
        assert source_id == SOURCE
        return EIGHT_HOURS

    world.cameras.step_clock(EIGHT_HOURS)
    await world.hold(world.source())
    viewer = world.watch()
    watch = watch_of(world, accepted)
    feed = world.shard.feeds[SOURCE]
    async with asyncio.timeout(30):
        while feed.source is None or feed.source.counters.camera_clock_offset_us is None:
            await viewer.sees(3)
    await watch.turn()
    assert feed.clock_offset_us == 0
    assert await offset_rows(world) == []


async def test_nothing_to_accept_is_said(world: World) -> None:
    await world.hold(world.source())
    watch = watch_of(world)
    with pytest.raises(ValueError, match="not off"):
        watch.accept(CAMERA)
    with pytest.raises(LookupError):
        watch.accept("cam_elsewhere")


async def test_a_step_of_the_systems_clock_is_taken_over_with_new_runs(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(15)
    ahead_us = 0
    monotonic_us = 0
    clock = SteadyClock(lambda: now_us() + ahead_us, lambda: monotonic_us)
    watch = watch_of(world, clock=clock)
    ahead_us = EIGHT_HOURS
    monotonic_us += 2 * SECOND
    clock.now_us()
    world.cameras.step_clock(EIGHT_HOURS)
    await until(world, watch, viewer, EIGHT_HOURS)
    watch.accept(CAMERA)
    assert abs(clock.now_us() - now_us() - EIGHT_HOURS) < SECOND
    await viewer.until(lambda: viewer.runs == 2)
    assert str(viewer.interruptions[-1].cause) == "clock_step"


offsets = st.integers(min_value=-30 * 86_400 * SECOND, max_value=30 * 86_400 * SECOND)


@given(st.lists(offsets, min_size=1, max_size=30))
def test_what_is_told_is_true_within_two_seconds(measured: list[int]) -> None:
    deviation = _Deviation(measured[0])
    for one in measured:
        before = deviation.told_us
        assert deviation.measure(one) == (deviation.told_us != before)
        assert abs(deviation.told_us - one) <= 2 * SECOND
