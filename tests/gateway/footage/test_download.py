from __future__ import annotations

import itertools

import av
import httpx
import numpy as np
import pytest
import sqlalchemy as sa

from camera_adapters.stream import Codec, Track
from gateway.database.tables import audit_log
from gateway.footage.media_file import RunStarted, read_media_file
from gateway.identifiers import now_us
from gateway.transcoder.audio import AudioTranscoder
from tests.gateway.footage.conftest import (
    CAMERA,
    PCMA,
    START_US,
    download_breaks_off,
    g711_tone,
    together,
)
from tests.gateway.footage.media import (
    decode_everything,
    make_b_frames,
    picture_times,
    pictures,
    probe,
    psnr,
)


async def download(world, path, start_us, end_us):
    answer = await world.get(f"/mp4?start_us={start_us}&end_us={end_us}")
    assert answer.status_code == 200, answer.text
    assert len(answer.content) == int(answer.headers["content-length"])
    path.write_bytes(answer.content)
    return answer


async def test_a_range_is_a_plain_file_that_begins_at_the_very_picture(
    world, h264, tmp_path
) -> None:
    await world.record(h264.tracks, h264.units)
    await world.open()
    path = tmp_path / "part.mp4"
    # 13.5 s is in the middle of a GOP and of a segment, the end is in another segment.
    answer = await download(world, path, START_US + 13_500_000, START_US + 37_200_000)
    assert answer.headers["content-disposition"].endswith(
        '"cam_one_20261101T000013Z_20261101T000037Z.mp4"'
    )
    found = probe(path)
    assert found["format"]["format_name"].startswith("mov,mp4")
    assert abs(float(found["format"]["duration"]) - 23.7) < 0.01
    assert decode_everything(path) == ""
    shown = pictures(path)
    times = picture_times(path)
    visible = [p for p, at in zip(shown, times, strict=True) if at >= 0]
    assert len(visible) == 237
    originals = pictures(h264.path, 373)
    assert psnr(visible[0], originals[135]) > 60
    assert psnr(visible[-1], originals[371]) > 60
    # Before the media: players need not read to the end.
    assert answer.content.index(b"moov") < answer.content.index(b"mdat")


async def test_any_part_of_it_can_be_asked_for_again(world, h264, tmp_path) -> None:
    await world.record(h264.tracks, h264.units[:300])
    await world.open()
    query = f"/mp4?start_us={START_US + 3_000_000}&end_us={START_US + 25_000_000}"
    whole = await world.get(query)
    size = len(whole.content)
    for start, end in ((0, 10), (size // 2, size // 2 + 700_001), (size - 5, size)):
        part = await world.get(query, headers={"range": f"bytes={start}-{end - 1}"})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.content == whole.content[start:end]
    tail = await world.get(query, headers={"range": "bytes=-100"})
    assert tail.content == whole.content[-100:]
    head = await world.http.head(world.url(query))
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(size), b"")
    beyond = await world.get(query, headers={"range": f"bytes={size}-"})
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    "headers",
    [
        {"range": "bytes=1000-", "if-range": '"of what it was before"'},
        {"range": "bytes=0-9,20-29"},
        {"range": "lines=1-2"},
    ],
)
async def test_what_is_not_a_part_of_it_is_answered_as_the_whole(world, h264, headers) -> None:
    """With 206 a browser would put the whole behind the part that it has."""
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    query = f"/mp4?start_us={START_US}&end_us={START_US + 5_000_000}"
    whole = await world.get(query)
    answer = await world.get(query, headers=headers)
    assert answer.status_code == 200
    assert "content-range" not in answer.headers
    assert answer.content == whole.content


async def test_across_gaps_and_reconnects_it_is_one_file(world, h264, tmp_path) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.record(h264.tracks, h264.units[:100], start_us=START_US + 40_000_000)
    await world.open()
    path = tmp_path / "both.mp4"
    await download(world, path, START_US + 5_000_000, START_US + 45_000_000)
    assert decode_everything(path) == ""
    times = [at for at in picture_times(path) if at >= 0]
    assert len(times) == 100
    assert {round(b - a, 3) for a, b in itertools.pairwise(times)} == {0.1}


async def test_with_b_frames_the_order_is_kept(world, tmp_path) -> None:
    source = tmp_path / "b.mp4"
    make_b_frames(source)
    items = list(read_media_file(source))
    assert isinstance(items[0], RunStarted)
    assert items[0].tracks[0].reorder_depth > 0
    await world.record(
        items[0].tracks, [unit for unit in items if not isinstance(unit, RunStarted)]
    )
    await world.open()
    path = tmp_path / "out.mp4"
    index = await world.index()
    first_us = index["runs"][0]["start_us"] + 80_000
    await download(world, path, first_us + 3_000_000, first_us + 9_000_000)
    assert decode_everything(path) == ""
    shown = [p for p, at in zip(pictures(path), picture_times(path), strict=True) if at >= -1e-6]
    originals = pictures(source)
    assert abs(len(shown) - 150) <= 2
    assert psnr(shown[0], originals[75]) > 40


@pytest.mark.parametrize("codec", [Codec.PCMA, Codec.PCMU])
async def test_g711_becomes_aac_that_runs_with_the_picture(world, h264, tmp_path, codec) -> None:
    track = Track("audio", codec, 8000, channels=1)
    units = together(h264.units[:300], g711_tone(codec, 30.0))
    await world.record((h264.track, track), units)
    await world.open()
    path = tmp_path / "sound.mp4"
    query = f"/mp4?start_us={START_US + 4_300_000}&end_us={START_US + 21_000_000}"
    whole = await download(world, path, START_US + 4_300_000, START_US + 21_000_000)
    kinds = {s["codec_type"]: s for s in probe(path)["streams"]}
    assert kinds["audio"]["codec_name"] == "aac"
    assert decode_everything(path) == ""
    assert abs(float(kinds["audio"]["duration"]) - float(kinds["video"]["duration"])) < 0.3
    with av.open(str(path)) as opened:
        sound = np.concatenate([f.to_ndarray()[0] for f in opened.decode(audio=0)])
    steady = sound[4000:-4000]
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady))))
    assert abs(np.argmax(spectrum) * 8000 / len(steady) - 440) < 1
    blocks = [
        np.sqrt(np.mean(steady[at : at + 400] ** 2)) for at in range(0, len(steady) - 400, 400)
    ]
    assert min(blocks) > 0.9 * max(blocks)
    part = await world.get(query, headers={"range": "bytes=1000000-1500000"})
    assert part.content == whole.content[1_000_000:1_500_001]


async def test_h265_with_aac_is_copied(world, h265, tmp_path) -> None:
    to_aac = AudioTranscoder(PCMA, Codec.AAC)
    sound = to_aac.push(g711_tone(Codec.PCMA, 20.0))
    await world.record((h265.track, to_aac.track), together(h265.units[:200], sound))
    await world.open()
    path = tmp_path / "copy.mp4"
    await download(world, path, START_US + 1_000_000, START_US + 15_000_000)
    names = [stream["codec_name"] for stream in probe(path)["streams"]]
    assert names == ["hevc", "aac"]
    assert decode_everything(path) == ""
    assert len([at for at in picture_times(path) if at >= 0]) == 140


async def test_changed_formats_say_which_parts_to_ask_for(world, h264, h265) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.record(h265.tracks, h265.units[:100], start_us=START_US + 10_000_000)
    await world.open()
    answer = await world.get(f"/mp4?start_us={START_US}&end_us={START_US + 20_000_000}")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "format_changes"
    parts = [(part["start_us"], part["end_us"]) for part in error["detail"]["parts"]]
    middle = START_US + 10_000_000
    assert parts == [(START_US, middle), (middle, START_US + 20_000_000)]
    for start, end in parts:
        each = await world.get(f"/mp4?start_us={start}&end_us={end}")
        assert each.status_code == 200


async def test_who_may_look_may_not_therefore_download(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open(user_id="usr_2", session_id="ses_viewer")
    assert (await world.index())["runs"]
    answer = await world.get(f"/mp4?start_us={START_US}&end_us={START_US + 5_000_000}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("way", ["grant", "sign-in", "session"])
async def test_a_download_breaks_off_when_the_right_to_it_goes(
    world, h264, monkeypatch, way
) -> None:
    await world.record(h264.tracks, h264.units[:300])
    await world.rows.write(
        "sign_in.open",
        user_id="usr_1",
        token_hash="t",
        expires_us=now_us() + 3_600_000_000,
        address="",
        user_agent="",
        forgive=[],
    )
    await world.rows.write(
        "viewing.open",
        records=[],
        id="ses_1",
        user_id="usr_1",
        token_hash="t",
        process="footage-1",
        action="playback",
        camera_ids=[CAMERA],
    )
    await world.open()

    async def withdraw() -> None:
        if way == "grant":
            await world.rows.write("grants.withdraw", grant_id="grant_usr_1_investigator")
        elif way == "sign-in":
            await world.rows.write("sign_in.close", token_hash="t")
        else:
            await world.server.revoke(["ses_1"])

    await download_breaks_off(world, monkeypatch, withdraw)


async def test_a_pin_or_a_token_downloads_no_more_than_it_may(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    query = f"/mp4?start_us={START_US}&end_us={START_US + 5_000_000}"
    for method, status in (("password", 200), ("pin", 403)):
        await world.rows.write(
            "sign_in.open",
            user_id="usr_1",
            token_hash=method,
            expires_us=now_us() + 3_600_000_000,
            address="",
            user_agent="",
            forgive=[],
            method=method,
        )
        await world.rows.write(
            "viewing.open",
            records=[],
            id=f"ses_{method}",
            user_id="usr_1",
            token_hash=method,
            process="footage-1",
            action="playback",
            camera_ids=[CAMERA],
        )
        ticket = world.ticket(session_id=f"ses_{method}")
        answer = await world.get(query, params={**dict(httpx.URL(query).params), "ticket": ticket})
        assert answer.status_code == status, answer.text


async def test_each_download_is_in_the_audit_log_once(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    query = f"/mp4?start_us={START_US}&end_us={START_US + 5_000_000}"
    await world.get(query, headers={"x-forwarded-for": "10.1.2.3"})
    await world.get(query, headers={"range": "bytes=100-"})
    async with world.engine.connect() as connection:
        records = (await connection.execute(sa.select(audit_log))).all()
    assert [(r.action, r.user_name, r.camera_id, r.address) for r in records] == [
        ("export.download", "wang", CAMERA, "10.1.2.3")
    ]
    assert (records[0].start_us, records[0].end_us) == (START_US, START_US + 5_000_000)


async def test_nothing_recorded_is_no_empty_file(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    answer = await world.get(
        f"/mp4?start_us={START_US + 60_000_000}&end_us={START_US + 70_000_000}"
    )
    assert answer.status_code == 404
