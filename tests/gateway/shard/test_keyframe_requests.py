"""Asking a camera for a keyframe: seldom, one at a time, and not who cannot be asked."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from gateway.control.channel import ControlClient, ControlError
from gateway.shard.desired import DesiredSource
from gateway.shard.keyframe_requests import KeyframeRequests

SOURCE = DesiredSource(
    "cam_1/main", "cam_1", Variant.MAIN, "rtsp://127.0.0.1/", None, None, "tcp", True, 1, "plf_1"
)
VIDEO = Track("video", Codec.H264, 90000)


class Signalling:
    """Answers ``device.keyframe`` as told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusal: Exception | None = None

    async def call(self, name: str, **arguments: Any) -> None:
        assert name == "device.keyframe"
        self.asked.append(arguments)
        if self.refusal is not None:
            raise self.refusal


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def settle(requests: KeyframeRequests) -> None:
    while (asking := requests._asking) is not None:
        await asyncio.wait([asking])


def make() -> tuple[KeyframeRequests, Signalling, Clock]:
    signalling, clock = Signalling(), Clock()
    return KeyframeRequests(cast("ControlClient", signalling), clock), signalling, clock


async def test_a_camera_is_asked_once_a_second_at_most() -> None:
    requests, signalling, clock = make()
    for _ in range(50):
        requests.want(SOURCE)
    await settle(requests)
    assert signalling.asked == [{"camera_id": "cam_1", "variant": "main"}]
    clock.now_s += 0.9
    requests.want(SOURCE)
    clock.now_s += 0.2
    requests.want(SOURCE)
    await settle(requests)
    assert len(signalling.asked) == 2


async def test_who_cannot_be_asked_is_left_alone_until_another_device_is_there() -> None:
    requests, signalling, clock = make()
    signalling.refusal = ControlError("unsupported", "this camera cannot")
    requests.want(SOURCE)
    await settle(requests)
    clock.now_s += 300
    requests.want(SOURCE)
    await settle(requests)
    assert len(signalling.asked) == 1
    requests.changed()
    requests.want(SOURCE)
    await settle(requests)
    assert len(signalling.asked) == 2


async def test_a_camera_without_a_device_is_never_asked() -> None:
    requests, signalling, _ = make()
    alone = DesiredSource("c/main", "c", Variant.MAIN, "rtsp://h/", None, None, "tcp", True, 1)
    requests.want(alone)
    await settle(requests)
    assert signalling.asked == []


class Looking:
    """A sink that looks."""

    def on_run_started(self, tracks: tuple[Track, ...]) -> None: ...
    def on_access_unit(self, unit: AccessUnit) -> None: ...
    def on_interrupted(self, interruption: Any) -> None: ...
    def on_closed(self) -> None: ...


def test_a_viewer_asks_only_where_there_is_no_picture_to_begin_with() -> None:
    asked: list[Stream] = []
    stream = Stream("cam_1", Variant.MAIN, gop_bytes_limit=10)
    stream.on_keyframe_wanted = asked.append
    stream.attach(Looking())
    assert asked == []  # nothing runs: the first picture is a keyframe anyway
    stream.start_run((VIDEO,))
    stream.publish(AccessUnit(0, b"12345", 0, 0, True, 0))
    stream.attach(Looking())
    assert asked == []
    stream.publish(AccessUnit(0, b"123456", 3600, 3600, False, 0))  # the GOP outgrows its limit
    stream.attach(Looking())
    assert asked == [stream]
    stream.attach(Looking(), replay_gop=False)  # a recorder, that wants none
    assert asked == [stream]
