"""Cameras that push: ffmpeg on the other side, the door in front."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from camera_adapters import pushed
from camera_adapters.pushed import PushedSource
from camera_adapters.rtmp.listener import RtmpListener
from camera_adapters.stream import Codec, GapCause, Variant
from gateway.shard.desired import DesiredSource
from gateway.sources.push_door import ATTEMPTS, PAUSE_S, PushDoor
from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, ffmpeg
from tests.peers.recorded_stream import RecordedStream

KEY = "k3y-of-the-gate"


def desired(name: str = "gate", password: str | None = KEY) -> DesiredSource:
    return DesiredSource(
        f"cam_{name}/main", f"cam_{name}", Variant.MAIN, f"push://{name}", None, password,
        "auto", True, 1,
    )  # fmt: skip


class Place:
    """A door with one camera, and a listener in front of it."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str]] = []
        self.now_s = 0.0
        self.door = PushDoor(lambda why, who: self.refusals.append((why, who)), lambda: self.now_s)
        self.door.permit([desired()])
        self.listener = RtmpListener(self.door.admit)
        self.sink = RecordedStream()
        self.source = PushedSource(self.door.slot(desired()), self.sink.stream)

    def push(self, *arguments: str, key: str = KEY, name: str = "gate") -> tuple[str, ...]:
        url = f"rtmp://127.0.0.1:{self.listener.port}/push/{name}?key={key}"
        return (*PICTURES, *TONE, *(arguments or H264), *AAC, "-f", "flv", url)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    one = Place()
    await one.listener.start("127.0.0.1", 0)
    yield one
    await one.source.stop()
    await one.listener.stop()


async def test_what_is_pushed_is_shown(place: Place) -> None:
    place.source.start()
    assert place.source.state.fault == "waiting"
    async with ffmpeg(*place.push()):
        await place.sink.until(lambda: len(place.sink.pictures) >= 30 and bool(place.sink.sound))
        assert place.source.state.state == "live"
        assert place.source.counters.packets >= 30
    assert [track.codec for track in place.sink.runs[-1]] == [Codec.H264, Codec.AAC]


async def test_who_watches_later_sees_what_was_there_already(place: Place) -> None:
    async with ffmpeg(*place.push()):
        slot = place.door.slot(desired())
        async with asyncio.timeout(20):
            while slot.publication is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        place.source.start()
        await place.sink.until(lambda: len(place.sink.pictures) >= 10)
        await place.source.stop()
        assert slot.publication is not None


async def test_a_short_absence_is_a_gap_and_no_interruption(place: Place) -> None:
    place.source.start()
    async with ffmpeg(*place.push()):
        await place.sink.until(lambda: len(place.sink.pictures) >= 10)
    interruptions = len(place.sink.interruptions)
    async with ffmpeg(*place.push()):
        await place.sink.until(lambda: len(place.sink.runs) >= 2)
        count = len(place.sink.pictures)
        await place.sink.until(lambda: len(place.sink.pictures) >= count + 5)
    assert len(place.sink.interruptions) == interruptions
    walls = [unit.wall_us for unit in place.sink.pictures]
    assert walls == sorted(set(walls))


async def test_a_long_absence_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushed, "GRACE_S", 0.01)
    place.source.start()
    async with ffmpeg(*place.push()):
        await place.sink.until(lambda: len(place.sink.pictures) >= 5)
    await place.sink.until(lambda: not place.sink.stream.running)
    assert place.sink.interruptions[-1].cause is GapCause.CAMERA_OFFLINE
    assert place.source.state.fault == "waiting"


async def test_the_newer_publisher_wins_with_the_right_key_only(place: Place) -> None:
    place.source.start()
    async with ffmpeg(*place.push()) as first:
        await place.sink.until(lambda: len(place.sink.pictures) >= 5)
        async with ffmpeg(*place.push(key="wrong")) as second:
            assert await asyncio.wait_for(second.wait(), 30) != 0
        assert first.returncode is None
        async with ffmpeg(*place.push("-s", "160x120", *H264)):
            await place.sink.until(lambda: place.sink.runs[-1][0].width == 160)
            assert await asyncio.wait_for(first.wait(), 30) is not None
    assert place.refusals == [("a wrong name or key for pushing", "127.0.0.1")]


async def test_guessing_is_stopped_and_unknown_names_get_the_same_answer(place: Place) -> None:
    said = set()
    for number in range(ATTEMPTS):
        with pytest.raises(PermissionError) as refused:
            place.door.admit("push", "gate" if number % 2 else "nowhere", "guess", "10.0.0.9")
        said.add(str(refused.value))
    assert len(said) == 1
    with pytest.raises(PermissionError, match="wait"):
        place.door.admit("push", "gate", KEY, "10.0.0.9")
    place.door.admit("push", "gate", KEY, "10.0.0.8")
    place.now_s += PAUSE_S + 1
    place.door.admit("push", "gate", KEY, "10.0.0.9")


async def test_a_camera_without_a_password_takes_nobody(place: Place) -> None:
    place.door.permit([desired(), desired("open", None)])
    with pytest.raises(PermissionError):
        place.door.admit("push", "open", "", "10.0.0.9")


async def test_who_publishes_with_an_old_key_is_disconnected(place: Place) -> None:
    place.source.start()
    async with ffmpeg(*place.push()) as publisher:
        await place.sink.until(lambda: len(place.sink.pictures) >= 5)
        place.door.permit([desired(password="a new key")])
        await asyncio.wait_for(publisher.wait(), 30)
    assert place.listener.connections == set()


async def test_a_name_twice_and_a_missing_key_are_said(place: Place) -> None:
    twin = dataclasses.replace(desired(), source_id="cam_twin/main", camera_id="cam_twin")
    place.door.permit([desired(), twin, desired("open", None)])
    for source, says in ((twin, "another camera"), (desired("open", None), "no password")):
        waiting = PushedSource(place.door.slot(source), RecordedStream().stream)
        waiting.start()
        assert says in waiting.state.detail
        await waiting.stop()
