"""What browsers get where they cannot play what was recorded: AAC for G.711, H.264 for H.265."""

from __future__ import annotations

import asyncio

import av
import numpy as np

from camera_adapters.stream import Codec
from tests.gateway.footage.conftest import PCMA, START_US, g711_tone, together
from tests.gateway.footage.media import decode_everything, pictures, probe, psnr


async def test_g711_comes_as_aac_fragment_by_fragment(world, h264, tmp_path) -> None:
    units = together(h264.units[:250], g711_tone(Codec.PCMA, 25.0))
    await world.record((h264.track, PCMA), units)
    await world.open()
    index = await world.index()
    assert index["runs"][0]["mime"] == 'video/mp4; codecs="avc1.64001f,mp4a.40.2"'
    assert index["runs"][0]["has_audio"]
    path = tmp_path / "sound.mp4"
    path.write_bytes(await world.media(index))
    assert [stream["codec_name"] for stream in probe(path)["streams"]] == ["h264", "aac"]
    assert decode_everything(path) == ""
    with av.open(str(path)) as opened:
        frames = list(opened.decode(audio=0))
    times = [frame.time for frame in frames]
    assert set(np.round(np.diff(times), 6)) == {0.128}
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])[4000:-4000]
    blocks = [np.sqrt(np.mean(sound[at : at + 400] ** 2)) for at in range(0, len(sound) - 400, 400)]
    assert min(blocks) > 0.9 * max(blocks)


async def test_the_same_fragment_is_the_same_bytes_however_often(world, h264) -> None:
    units = together(h264.units[:100], g711_tone(Codec.PCMA, 10.0))
    await world.record((h264.track, PCMA), units)
    await world.open()
    segment = (await world.index())["fragments"]["segment_id"][0]
    first = await world.get(f"/segments/{segment}/fragments/1-2.m4s")
    world.server.fragments._converted._items.clear()
    second = await world.get(f"/segments/{segment}/fragments/1-2.m4s")
    assert first.content == second.content


async def test_h265_is_given_as_it_is_to_browsers_that_play_it(world, h265) -> None:
    await world.record(h265.tracks, h265.units[:50])
    await world.open()
    run = (await world.index())["runs"][0]
    assert run["mime"].startswith('video/mp4; codecs="hvc1.')
    assert not run["transcode"]


async def test_h265_is_transcoded_for_those_that_cannot(world, h265, tmp_path) -> None:
    units = together(h265.units[:200], g711_tone(Codec.PCMA, 20.0))
    await world.record((h265.track, PCMA), units)
    await world.open(variant="h264")
    index = await world.index()
    run = index["runs"][0]
    assert run["transcode"]
    assert run["mime"] == 'video/mp4; codecs="avc1.42c01f,mp4a.40.2"'
    path = tmp_path / "transcoded.mp4"
    path.write_bytes(await world.media(index, "/transcode"))
    names = [stream["codec_name"] for stream in probe(path)["streams"]]
    assert names == ["h264", "aac"]
    assert decode_everything(path) == ""
    shown = pictures(path)
    assert len(shown) == 200
    originals = pictures(h265.path, 200)
    assert min(map(psnr, shown, originals)) > 28


async def test_a_transcoded_keyframe_alone(world, h265, tmp_path) -> None:
    await world.record(h265.tracks, h265.units[:100])
    await world.open(variant="h264")
    index = await world.index()
    init = await world.get(f"/transcode/runs/{index['runs'][0]['run_id']}/init.mp4")
    segment = index["fragments"]["segment_id"][0]
    media = await world.get(f"/transcode/segments/{segment}/keyframes/2.m4s")
    path = tmp_path / "keyframe.mp4"
    path.write_bytes(init.content + media.content)
    (shown,) = pictures(path)
    assert psnr(shown, pictures(h265.path, 41)[40]) > 28


async def test_who_waits_for_a_place_is_told_where(world, h265, monkeypatch) -> None:
    await world.record(h265.tracks, h265.units[:100])
    await world.open(variant="h264", session_id="ses_a")
    segment = (await world.index())["fragments"]["segment_id"][0]
    path = f"/transcode/segments/{segment}/fragments/0-0.m4s"
    assert (await world.get(path)).status_code == 200
    world.http.cookies.clear()
    await world.open(variant="h264", session_id="ses_b")
    monkeypatch.setattr("gateway.footage.transcoding.PATIENCE_S", 0.2)
    monkeypatch.setattr("gateway.footage.transcoding.IDLE_S", 60.0)
    waiting = await world.get(path)
    assert waiting.status_code == 503
    error = waiting.json()["error"]
    assert (error["code"], error["detail"]) == ("queued", {"position": 1, "length": 1})
    # The first viewer goes away: the place comes free.
    await world.server.revoke(["ses_a"])
    monkeypatch.setattr("gateway.footage.transcoding.PATIENCE_S", 60.0)
    assert (await world.get(path)).status_code == 200


async def test_an_abandoned_request_does_not_spoil_the_next(world, h265) -> None:
    await world.record(h265.tracks, h265.units[:100])
    await world.open(variant="h264")
    segment = (await world.index())["fragments"]["segment_id"][0]
    good = (await world.get(f"/transcode/segments/{segment}/fragments/2-2.m4s")).content
    located = await world.server.reader.segment("cam_one", "main", segment)
    viewer = ("ses_1", "cam_one")
    for _ in range(3):
        task = asyncio.ensure_future(world.server.transcoding.fragments(viewer, located, 0, 3))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    again = await world.server.transcoding.fragments(viewer, located, 2, 2)
    assert len(again) == len(good)


async def test_a_fragment_in_the_middle_of_a_gop_is_transcoded_from_its_keyframe(
    world, h265, tmp_path
) -> None:
    from dataclasses import replace

    # One GOP of 30 s: fragments are cut every 2 s all the same.
    sparse = [
        replace(unit, pts_90k=unit.pts_90k * 10, dts_90k=unit.dts_90k * 10)
        for unit in h265.units[:20]
    ]
    await world.record(h265.tracks, sparse)
    await world.open(variant="h264")
    index = await world.index()
    assert not all(index["fragments"]["keyframe"])
    number = index["fragments"]["keyframe"].index(False) + 2
    segment = index["fragments"]["segment_id"][number]
    init = await world.get(f"/transcode/runs/{index['runs'][0]['run_id']}/init.mp4")
    local = index["fragments"]["number"][number]
    media = await world.get(f"/transcode/segments/{segment}/fragments/{local}-{local}.m4s")
    path = tmp_path / "middle.mp4"
    path.write_bytes(init.content + media.content)
    shown = pictures(path)
    at_s = (index["fragments"]["start_us"][number] - START_US) / 1e6
    first = round(at_s)
    assert psnr(shown[0], pictures(h265.path, first + 1)[first]) > 28
