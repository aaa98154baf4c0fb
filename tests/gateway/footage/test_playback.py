from __future__ import annotations

import itertools
from dataclasses import replace

from tests.gateway.footage.conftest import START_US
from tests.gateway.footage.media import decode_everything, pictures, probe, psnr


async def test_the_index_leads_to_every_picture(world, h264, tmp_path) -> None:
    await world.record(h264.tracks, h264.units)
    await world.open()
    index = await world.index()
    assert [run["mime"] for run in index["runs"]] == ['video/mp4; codecs="avc1.64001f"']
    assert index["next_us"] is None
    assert index["gaps"] == [] or index["gaps"][0]["start_us"] >= START_US + 79_000_000
    fragments = index["fragments"]
    assert all(fragments["keyframe"])
    assert fragments["start_us"][0] == START_US
    assert sum(fragments["duration_us"]) == 79_500_000
    path = tmp_path / "all.mp4"
    path.write_bytes(await world.media(index))
    assert probe(path)["streams"][0]["nb_read_packets"] == "795"
    assert decode_everything(path) == ""
    assert psnr(pictures(path, 1)[0], pictures(h264.path, 1)[0]) > 60


async def test_several_fragments_at_once_are_the_same_bytes(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:200])
    await world.open()
    fragments = (await world.index())["fragments"]
    segment = fragments["segment_id"][0]
    numbers = [
        n for n, s in zip(fragments["number"], fragments["segment_id"], strict=True) if s == segment
    ]
    apart = [
        (await world.get(f"/segments/{segment}/fragments/{n}-{n}.m4s")).content for n in numbers
    ]
    together = await world.get(f"/segments/{segment}/fragments/0-{numbers[-1]}.m4s")
    assert together.content == b"".join(apart)
    assert together.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = await world.get(
        f"/segments/{segment}/fragments/0-{numbers[-1]}.m4s",
        headers={"if-none-match": together.headers["etag"]},
    )
    assert again.status_code == 304


async def test_an_hour_is_a_page(world, h264) -> None:
    for minute in (0, 90):
        await world.record(h264.tracks, h264.units[:100], start_us=START_US + minute * 60_000_000)
    await world.open(end_us=START_US + 7_200_000_000)
    first = await world.index(end_us=START_US + 7_200_000_000)
    assert first["next_us"] == START_US + 3_600_000_000
    second = await world.index(first["next_us"], START_US + 7_200_000_000)
    assert second["next_us"] is None
    assert second["fragments"]["start_us"][0] == START_US + 5_400_000_000


async def test_the_open_segment_plays(world, h264, tmp_path) -> None:
    await world.record(h264.tracks, h264.units[:150])
    before = len(h264.units[:150])
    await world.record(
        h264.tracks,
        h264.units[:60],
        start_us=START_US + before * 100_000,
        finish=False,
    )
    await world.open()
    index = await world.index()
    assert len(index["runs"]) == 2
    later = [
        s
        for s, run in zip(index["fragments"]["start_us"], index["fragments"]["run"], strict=True)
        if run == 1
    ]
    assert later[0] == START_US + 15_000_000
    run = index["runs"][1]
    init = await world.get(f"/runs/{run['run_id']}/init.mp4")
    at = index["fragments"]["run"].index(1)
    segment = index["fragments"]["segment_id"][at]
    media = await world.get(f"/segments/{segment}/fragments/0-1.m4s")
    path = tmp_path / "open.mp4"
    path.write_bytes(init.content + media.content)
    assert decode_everything(path) == ""
    assert len(pictures(path)) == 40
    # The owner is away: what is stored still plays.
    world.shard.away = True
    assert len((await world.index())["runs"]) == 1
    assert (await world.get(f"/segments/{segment}/fragments/0-0.m4s")).status_code == 404
    # It is stored meanwhile: the same URL goes on working.
    world.shard.away = False
    world.server.reader._away_until.clear()
    writer = world.recorder.writer("cam_one/main")
    writer.on_run_started(h264.tracks)
    assert await world.recorder.uploader.drain(30)
    again = await world.get(f"/segments/{segment}/fragments/0-1.m4s")
    assert again.content == media.content


async def test_keyframes_for_reverse_play(world, h264, tmp_path) -> None:
    await world.record(h264.tracks, h264.units)
    await world.open()
    answer = await world.get(f"/keyframes?start_us={START_US}&end_us={START_US + 79_000_000}")
    items = answer.json()["items"]
    assert [item["us"] for item in items] == [START_US + 2_000_000 * n for n in range(40)]
    few = await world.get(f"/keyframes?start_us={START_US}&end_us={START_US + 79_000_000}&limit=5")
    spread = [item["us"] for item in few.json()["items"]]
    assert len(spread) == 5
    assert spread[-1] - spread[0] > 40_000_000
    index = await world.index()
    init = await world.get(f"/runs/{index['runs'][0]['run_id']}/init.mp4")
    item = items[7]
    alone = await world.get(f"/segments/{item['segment_id']}/keyframes/{item['number']}.m4s")
    path = tmp_path / "keyframe.mp4"
    path.write_bytes(init.content + alone.content)
    (shown,) = pictures(path)
    assert psnr(shown, pictures(h264.path, 141)[140]) > 60


async def test_imports_fill_what_the_camera_did_not_record(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:200], start_us=START_US + 10_000_000)
    source = "cam_one/import-1"
    from recorder.spool_header import RecordedSource

    writer = await world.recorder.record(RecordedSource(source, "import", "cam_one", "main", 0))
    writer.on_run_started(h264.tracks)
    for unit in h264.units[:400]:
        writer.on_access_unit(replace(unit, wall_us=START_US + unit.pts_90k * 100 // 9))
    writer.on_run_started(h264.tracks)
    assert await world.recorder.uploader.drain(30)
    world.server.reader._sources.clear()
    await world.open()
    fragments = (await world.index())["fragments"]
    ends = [s + d for s, d in zip(fragments["start_us"], fragments["duration_us"], strict=True)]
    covered = list(zip(fragments["start_us"], ends, strict=True))
    assert covered == sorted(covered)
    assert sum(fragments["duration_us"]) == 40_000_000
    assert all(a_end <= b_start for (_, a_end), (b_start, _) in itertools.pairwise(covered))


async def test_other_requests_are_told_what_is_wrong(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    segment = (await world.index())["fragments"]["segment_id"][0]
    for path, status, code in (
        ("/index?start_us=x&end_us=1", 422, "invalid"),
        ("/index?end_us=1", 422, "invalid"),
        (f"/index?start_us={START_US + 1}&end_us={START_US}", 422, "invalid"),
        (f"/segments/{segment}/fragments/3-2.m4s", 422, "invalid"),
        (f"/segments/{segment}/fragments/0-500.m4s", 404, "not_found"),
        (f"/segments/{segment}/keyframes/500.m4s", 404, "not_found"),
        ("/segments/nothing/fragments/0-0.m4s", 404, "not_found"),
        ("/runs/nothing/init.mp4", 404, "not_found"),
        (f"/frame.jpg?at_us={START_US + 50_000_000}", 404, "not_found"),
        (f"/frame.jpg?at_us={START_US}&width=-1", 422, "invalid"),
    ):
        answer = await world.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path


async def test_a_store_that_lost_an_object_is_said_so(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    segment = (await world.index())["fragments"]["segment_id"][0]
    located = await world.server.reader.segment("cam_one", "main", segment)
    await world.store.delete([located.segment.store_key])
    answer = await world.get(f"/segments/{segment}/fragments/0-0.m4s")
    assert answer.status_code == 404
