"""The shard holds what it should: through reconnects, changes, idleness, and its own accidents."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from itertools import pairwise

import pytest

from camera_adapters.stream import GapCause, Interruption, Variant
from tests.gateway.shard.conftest import CAMERA, World


async def test_a_recorded_camera_is_pulled_without_a_viewer(world: World) -> None:
    await world.hold(world.source())
    await world.until_state("live")
    viewer = world.watch()
    await viewer.sees(25)
    writer = world.shard.feeds[f"{CAMERA}/main"].writer
    assert writer is not None
    assert writer.recording
    assert writer.counters.fragments >= 1


async def test_a_camera_that_goes_and_comes_keeps_viewer_and_recorder(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(25)
    await world.cameras.stop()
    await viewer.until(lambda: bool(viewer.interruptions))
    assert viewer.interruptions[-1].cause is GapCause.CAMERA_OFFLINE
    assert viewer.interruptions[-1].detail
    await world.cameras.start()
    await viewer.until(lambda: viewer.runs == 2)
    await viewer.sees(25)
    assert not viewer.closed
    await world.shard.close()
    assert await world.recorder.uploader.drain(10)
    rows = await world.gap_rows()
    assert [cause for cause, _, _ in rows] == ["camera_offline", "gateway_stopped"]
    _, gap_start, gap_end = rows[0]
    first, second = world.span_rows()
    # The hole between the two spans is the gap, exactly: nothing is missing without a cause.
    assert first[1] == gap_start
    assert gap_end == second[0]


async def test_a_flapping_camera_leaves_no_hole_without_a_cause(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    for run in (1, 2):
        await viewer.until(lambda run=run: viewer.runs >= run)
        await viewer.sees(15)
        world.cameras.cut("gate")
    await viewer.until(lambda: viewer.runs >= 3)
    await viewer.sees(15)
    await world.shard.close()
    assert await world.recorder.uploader.drain(10)
    explained = [(start, end) for _, start, end in await world.gap_rows()]
    spans = world.span_rows()
    for (_, end), (start, _) in pairwise(spans):
        assert any(gap[0] <= end and gap[1] is not None and gap[1] >= start for gap in explained)


async def test_a_camera_that_is_silent_is_said_to_be_silent(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(15)
    for replay in world.cameras._replays:
        replay.silent = True
    await viewer.until(lambda: bool(viewer.interruptions))
    assert viewer.interruptions[-1].cause is GapCause.CAMERA_SILENT
    for replay in world.cameras._replays:
        replay.silent = False
    await viewer.until(lambda: viewer.runs >= 2)
    await viewer.sees(5)
    assert not viewer.closed


async def test_an_unrecorded_source_is_pulled_on_demand_and_closed_when_idle(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name="gate/sub"))
    feed = world.shard.feeds[f"{CAMERA}/sub"]
    assert feed.source is None
    viewer = world.watch(Variant.SUB)
    await viewer.sees(5)
    assert world.cameras.session_count == 1
    feed.stream.detach(viewer)
    await world.until_state("idle")
    assert feed.source is None
    assert not feed.stream.running
    again = world.watch(Variant.SUB)
    await again.sees(5)
    assert again.interruptions[0].cause is GapCause.NOT_SCHEDULED


async def test_a_viewer_who_comes_back_in_time_keeps_the_source(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name="gate/sub"))
    feed = world.shard.feeds[f"{CAMERA}/sub"]
    first = world.watch(Variant.SUB)
    await first.sees(5)
    source = feed.source
    feed.stream.detach(first)
    second = world.watch(Variant.SUB)
    await second.sees(10)
    assert feed.source is source
    assert second.interruptions == []


async def test_another_address_is_connected_to_and_the_viewer_stays(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(5)
    await world.hold(replace(world.source(), url=world.cameras.url("gate/sub")))
    await viewer.until(lambda: viewer.runs == 2)
    await viewer.sees(5)
    assert not viewer.closed


async def test_recording_is_switched_off_and_on_while_a_viewer_watches(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(25)
    await world.hold(world.source(recorded=False))
    assert world.shard.feeds[f"{CAMERA}/main"].writer is None
    await viewer.sees(5)
    assert viewer.interruptions == []
    assert [cause for cause, _, _ in await world.gap_rows()] == ["not_scheduled"]
    await world.hold(world.source())
    await viewer.sees(45)
    rows = await world.gap_rows()
    assert [cause for cause, _, _ in rows] == ["not_scheduled"]
    _, gap_start, gap_end = rows[0]
    await world.shard.close()
    assert await world.recorder.uploader.drain(10)
    # What was recorded before is not recorded again under another time.
    assert [(gap_start, gap_end)] == [
        (end, start) for (_, end), (start, _) in pairwise(world.span_rows())
    ]


async def test_a_recorder_that_came_off_is_put_back(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(5)
    feed = world.shard.feeds[f"{CAMERA}/main"]
    assert feed.writer is not None
    feed.stream.detach(feed.writer)
    await world.hold(world.source())
    assert feed.writer in feed.stream.sinks
    assert world.shard.recorders_refastened == 1


async def test_a_camera_that_is_taken_away_ends_its_viewers(world: World) -> None:
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(5)
    await world.hold()
    assert viewer.closed
    assert world.shard.feeds == {}
    with pytest.raises(LookupError):
        world.shard.stream(CAMERA, Variant.MAIN)
    assert world.cameras.session_count == 0


async def test_one_camera_that_cannot_be_reached_harms_no_other(world: World) -> None:
    dead = replace(
        world.source(), source_id="cam_dead/main", camera_id="cam_dead", url="rtsp://127.0.0.1:1/x"
    )
    broken = replace(dead, source_id="cam_odd/main", camera_id="cam_odd", url="not an address")
    await world.hold(dead, broken, world.source())
    viewer = world.watch()
    await viewer.sees(15)
    assert viewer.interruptions == []
    for source_id in ("cam_dead/main", "cam_odd/main"):
        state = world.shard.feeds[source_id].state
        assert state is not None
        assert state.state == "offline"
        assert state.detail


async def test_a_sink_that_fails_harms_no_other(world: World) -> None:
    class Broken:
        def on_run_started(self, tracks: object) -> None:
            return

        def on_access_unit(self, unit: object) -> None:
            raise RuntimeError("broken")

        def on_interrupted(self, interruption: Interruption) -> None:
            return

        def on_closed(self) -> None:
            return

    await world.hold(world.source())
    viewer = world.watch()
    world.shard.stream(CAMERA, Variant.MAIN).attach(Broken())
    await viewer.sees(15)
    writer = world.shard.feeds[f"{CAMERA}/main"].writer
    assert writer is not None
    assert writer.recording


async def test_reconciling_twice_at_once_makes_one_feed(world: World) -> None:
    source = world.source()
    await asyncio.gather(world.hold(source), world.hold(source))
    viewer = world.watch()
    await viewer.sees(3)
    assert world.cameras.session_count == 1


async def test_a_disk_that_stands_still_does_not_touch_live_view(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    write = os.writev

    def stuck(descriptor: int, buffers: list[bytes]) -> int:
        assert free.wait(60)
        return write(descriptor, buffers)

    monkeypatch.setattr(os, "writev", stuck)
    monkeypatch.setattr(world.recorder.spool, "has_memory_for", lambda size: free.is_set())
    await world.hold(world.source())
    viewer = world.watch()
    await viewer.sees(40)
    assert viewer.interruptions == []
    walls = [unit.wall_us for unit in viewer.units]
    assert {round((after - before) / 100_000) for before, after in pairwise(walls)} == {1}
    free.set()
    await viewer.sees(60)
    await world.shard.close()
    assert await world.recorder.uploader.drain(10)
    assert [cause for cause, _, _ in await world.gap_rows()] == ["disk_slow", "gateway_stopped"]
    assert len(world.span_rows()) == 1
