"""Snapshots: made once for all who ask within a second, from the newest keyframe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from gateway.live import snapshot
from gateway.live.snapshot import Caption, Keyframe, Snapshots, newest_keyframe
from gateway.masks import Polygons
from gateway.transcoder.errors import TranscodeError

TRACK = Track("video", Codec.H264, 90000, (b"\x67\x4d\x40\x1f\x01", b"\x68\xe8\x01"))


def unit(number: int, *, keyframe: bool) -> AccessUnit:
    return AccessUnit(0, b"%d" % number, number, number, keyframe, number)


class Transcoder:
    """Counts; a JPEG is its picture's payload and the width."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    async def picture(
        self,
        track: Track,
        units: Iterable[AccessUnit],
        *,
        width: int | None,
        masks: Polygons,
        lines: list[str],
    ) -> bytes:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise TranscodeError("unavailable", "the transcoder is away")
        (one,) = units
        assert lines[1] == "Chen (chen)"
        return one.payload + b"@%d" % (width or 0) + b" masked" * len(masks)


def test_the_newest_keyframe_is_that_of_the_gop_under_way() -> None:
    stream = Stream("cam", Variant.MAIN)
    assert newest_keyframe(stream) is None
    stream.start_run((TRACK,))
    for number in range(25):
        stream.publish(unit(number, keyframe=number % 10 == 0))
    found = newest_keyframe(stream)
    assert found is not None
    assert found.unit.payload == b"20"
    assert Keyframe.from_message(found.to_message()) == found


SEVENTH = Keyframe(TRACK, unit(7, keyframe=True))
CHEN = Caption("gate", "Chen (chen)")
MASKS: Polygons = (((0, 0), (1, 0), (1, 1)),)


async def test_one_picture_serves_all_who_ask_at_once() -> None:
    transcoder, stream = Transcoder(), Stream("cam", Variant.MAIN)
    snapshots = Snapshots(transcoder)  # type: ignore[arg-type]

    made = await asyncio.gather(*(snapshots.jpeg(stream, SEVENTH, 320, (), CHEN) for _ in range(9)))
    assert set(made) == {b"7@320"}
    assert transcoder.asked == 1
    assert await snapshots.jpeg(stream, SEVENTH, 640, (), CHEN) == b"7@640"
    assert transcoder.asked == 2


async def test_who_may_not_see_beneath_masks_never_gets_the_picture_of_who_may() -> None:
    transcoder, stream = Transcoder(), Stream("cam", Variant.MAIN)
    snapshots = Snapshots(transcoder)  # type: ignore[arg-type]

    assert await snapshots.jpeg(stream, SEVENTH, 320, (), CHEN) == b"7@320"
    assert await snapshots.jpeg(stream, SEVENTH, 320, MASKS, CHEN) == b"7@320 masked"


async def test_a_failure_is_told_and_not_kept() -> None:
    transcoder, stream = Transcoder(), Stream("cam", Variant.MAIN)
    snapshots = Snapshots(transcoder)  # type: ignore[arg-type]

    transcoder.fails = True
    with pytest.raises(TranscodeError):
        await snapshots.jpeg(stream, SEVENTH, None, (), CHEN)
    transcoder.fails = False
    assert await snapshots.jpeg(stream, SEVENTH, None, (), CHEN) == b"7@0"


async def test_no_picture_is_kept_for_longer_than_it_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transcoder, now_s = Transcoder(), 100.0
    snapshots = Snapshots(transcoder)  # type: ignore[arg-type]
    monkeypatch.setattr(snapshot, "time", SimpleNamespace(monotonic=lambda: now_s))
    for number in range(5):
        stream = Stream(f"cam_{number}", Variant.MAIN)
        await snapshots.jpeg(stream, SEVENTH, None, (), CHEN)
    now_s += 2
    newest = Keyframe(TRACK, unit(8, keyframe=True))
    assert await snapshots.jpeg(stream, newest, None, (), CHEN) == b"8@0"
    assert len(snapshots._entries) == 1
