"""Recorded footage for who must not see beneath masks: transcoded, downloads too, or not at all."""

from __future__ import annotations

import io
from typing import Any

import av
import httpx
import pytest

from gateway.masks import MaskReader, covering, mask_history
from tests.gateway.footage.conftest import CAMERA, START_US, World, download_breaks_off
from tests.peers.masked_pictures import LEFT_HALF, decode, hides_left_half

HOUR_US = 3_600_000_000


async def draw(world: World, masks: list[dict[str, Any]], version: int = 0) -> int:
    made: int = await world.rows.write(
        "masks.put",
        camera_id=CAMERA,
        version=version,
        masks=masks,
        user_id="usr_1",
        user_name="wang",
    )
    world.server.privacy.changed(CAMERA)
    return made


def at(path: str, version: int = 1) -> str:
    return f"/masked/{version}/{CAMERA}{path}"


async def get(world: World, path: str) -> httpx.Response:
    return await world.http.get(f"{world.base}{path}")


async def test_a_download_is_masked_and_begins_at_zero(world: World, h264) -> None:
    await world.record(h264.tracks, h264.units[:300])
    await draw(world, [LEFT_HALF])
    await world.open()
    times = f"start_us={START_US + 12_000_000}&end_us={START_US + 18_000_000}"
    answer = await get(world, at(f"/mp4?{times}"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    pictures = decode(answer.content)
    assert 60 <= len(pictures) <= 100
    assert all(map(hides_left_half, pictures))
    with av.open(io.BytesIO(answer.content)) as opened:
        first = next(opened.demux(video=0))
        assert first.pts == 0


async def test_a_download_breaks_off_when_a_mask_is_drawn(
    world: World, h264, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.record(h264.tracks, h264.units[:300])
    await world.open()
    await download_breaks_off(world, monkeypatch, lambda: draw(world, [LEFT_HALF]))


async def test_who_may_lift_masks_gets_what_was_recorded(world: World, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await draw(world, [LEFT_HALF])
    await world.open(may_lift_masks=True)
    index = await world.index()
    assert index["runs"][0]["transcode"] is False
    assert not any(map(hides_left_half, decode(await world.media(index))))


async def test_masks_cover_what_was_recorded_under_them_and_before(world: World, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await draw(world, [LEFT_HALF])
    await draw(world, [], version=1)
    async with world.engine.connect() as connection:
        newest, first = await mask_history(connection, CAMERA)
    # A mask covers the past while it is in force; taken away, it covers what it covered then.
    assert covering([first], 0, 1) == ()
    assert covering([newest, first], first.from_us + 1, first.from_us + 2) == first.polygons
    # What is shown of the moment after may be the keyframe before.
    assert covering([newest, first], newest.from_us + 1, newest.from_us + 2) == first.polygons
    later_us = newest.from_us + 60_000_001
    assert covering([newest, first], later_us, later_us + 1) == ()
    reader = MaskReader(world.engine)
    assert await reader.covering(CAMERA, START_US, START_US + HOUR_US) == ()
    await draw(world, [LEFT_HALF], version=2)
    reader.forget(CAMERA)
    assert await reader.covering(CAMERA, START_US, START_US + HOUR_US) == first.polygons


async def test_without_a_transcoder_there_is_nothing_to_see(world: World, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await draw(world, [LEFT_HALF])
    await world.open()
    index = await world.index()
    run, segment = index["runs"][0]["run_id"], index["fragments"]["segment_id"][0]
    world.pool.places = 0
    transcoded = await get(world, at(f"/transcode/segments/{segment}/fragments/0-0.m4s"))
    assert transcoded.status_code == 503
    assert transcoded.json()["error"]["code"] == "masked_unavailable"
    for path in (
        f"/runs/{run}/init.mp4",
        f"/segments/{segment}/fragments/0-0.m4s",
        f"/segments/{segment}/keyframes/0.m4s",
        f"/segments/{segment}/segment.mp4",
    ):
        for root in (at(""), f"/playback/{CAMERA}"):
            answer = await get(world, root + path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "masked"), path
