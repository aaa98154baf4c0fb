from __future__ import annotations

import io

import av
import numpy as np
import pytest

from gateway.footage.media_file import RunStarted, read_media_file
from tests.gateway.footage.conftest import START_US
from tests.gateway.footage.media import make_b_frames, pictures, psnr

# Above the lines that name camera and viewer, and where they are.
ABOVE, BELOW = slice(0, 500), slice(500, 576)


def shown(jpeg: bytes) -> np.ndarray:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as opened:
        return next(opened.decode(video=0)).to_ndarray(format="gray").astype(np.float64)


@pytest.mark.parametrize("clip_name", ["h264", "h265"])
async def test_frame_jpg_is_the_picture_of_that_instant(world, request, clip_name) -> None:
    clip = request.getfixturevalue(clip_name)
    await world.record(clip.tracks, clip.units[:300])
    await world.open()
    originals = pictures(clip.path, 300)
    for at_us, number in ((0, 0), (99_999, 0), (100_000, 1), (7_777_000, 77), (20_000_000, 200)):
        answer = await world.get(f"/frame.jpg?at_us={START_US + at_us}")
        assert answer.headers["content-type"] == "image/jpeg"
        picture = shown(answer.content)
        errors = [np.mean((picture - original)[ABOVE] ** 2) for original in originals]
        assert int(np.argmin(errors)) == number
        assert psnr(picture[ABOVE], originals[number][ABOVE]) > 30
        assert psnr(picture[BELOW], originals[number][BELOW]) < 25


async def test_the_fast_one_is_the_keyframe_before(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:300])
    await world.open()
    originals = pictures(h264.path, 300)
    answer = await world.get(f"/frame.jpg?at_us={START_US + 7_777_000}&exact=false&width=384")
    picture = shown(answer.content)
    assert picture.shape == (288, 384)
    whole = shown((await world.get(f"/frame.jpg?at_us={START_US + 7_777_000}&exact=false")).content)
    assert psnr(whole[ABOVE], originals[60][ABOVE]) > 30


async def test_with_b_frames_it_is_still_the_right_one(world, tmp_path) -> None:
    source = tmp_path / "b.mp4"
    make_b_frames(source)
    items = list(read_media_file(source))
    assert isinstance(items[0], RunStarted)
    units = [item for item in items if not isinstance(item, RunStarted)]
    await world.record(items[0].tracks, units)
    await world.open()
    first_us = START_US + min(unit.pts_90k for unit in units) * 100 // 9
    originals = pictures(source)
    # Around the keyframes at 2 s and 4 s, where decoding and showing order differ most.
    for number in (0, 47, 48, 49, 50, 51, 99, 100, 101, 130):
        at_us = first_us + number * 40_000 + 10_000
        picture = shown((await world.get(f"/frame.jpg?at_us={at_us}")).content)
        errors = [np.mean((picture - original)[ABOVE] ** 2) for original in originals]
        assert int(np.argmin(errors)) == number


async def test_what_is_being_recorded_has_pictures_too(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:60], finish=False)
    await world.open()
    answer = await world.get(f"/frame.jpg?at_us={START_US + 3_000_000}")
    original = pictures(h264.path, 31)[30]
    assert psnr(shown(answer.content)[ABOVE], original[ABOVE]) > 30


async def test_undecodable_footage_is_an_error_of_its_own(world, h264) -> None:
    from dataclasses import replace

    units = [replace(u, payload=b"\0\0\0\x05\x65abcd") for u in h264.units[:100]]
    await world.record(h264.tracks, units)
    await world.open()
    answer = await world.get(f"/frame.jpg?at_us={START_US + 1_000_000}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "undecodable")
