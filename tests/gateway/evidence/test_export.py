"""From an order to a package: what is in it, what it says, and what happens on the way."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.database.evidence_tables import export_jobs
from gateway.database.tables import audit_log, grants
from gateway.evidence.keys import TrustedKeys
from gateway.evidence.making import Making
from gateway.evidence.order import OrderedCamera
from gateway.evidence.sm2 import sm3
from gateway.evidence.verify import verify_package
from gateway.evidence.worker import ExportWorker
from gateway.people.roles import ROLE_RIGHTS, Right, Role
from recorder.retention import Retention, RetentionPolicy
from recorder.tables import held_ranges, segments
from tests.gateway.evidence.conftest import SECOND, Desk
from tests.gateway.footage.conftest import CAMERA, PCMA, START_US, Clip, g711_tone, together
from tests.gateway.footage.media import decode_everything, picture_times, pictures, probe, psnr


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def trusted(desk: Desk) -> TrustedKeys:
    return TrustedKeys.of([key.public_key for key in desk.workshop.signer.public_keys()])


async def test_an_export_is_the_recorded_samples_with_everything_that_proves_them(
    desk: Desk, h264: Clip, out: Path
) -> None:
    await desk.world.record(h264.tracks, h264.units[:300])
    job_id = await desk.export(START_US + 5 * SECOND, START_US + 15 * SECOND)
    names = await desk.unpack(job_id, out)
    original = "original/camera-01_20261101-080005.mp4"
    assert set(names) == {
        "README.txt", "index.html", "manifest.json", "manifest.sig", original
    }  # fmt: skip
    assert decode_everything(out / original) == ""
    assert probe(out / original)["streams"][0]["codec_name"] == "h264"
    taken = pictures(out / original)
    assert len(taken) == 100
    assert (taken[0] == pictures(h264.path)[50]).all()

    manifest = json.loads((out / "manifest.json").read_bytes())
    (camera,) = manifest["cameras"]
    assert camera["name"] == "村口 <一>" and camera["area"] == ["县", "镇"]
    assert camera["gaps"] == [] and not camera["masked"]
    assert camera["recorded"] == [
        {"start_us": START_US + 5 * SECOND, "end_us": START_US + 15 * SECOND}
    ]
    assert len(camera["segments"]) == 2
    assert all(one["as_recorded"] for one in camera["segments"])
    assert manifest["requested_by"]["name"] == "wang"
    assert manifest["reason"]["text"] == "白色面包车"
    file = next(one for one in manifest["files"] if one["path"] == original)
    data = (out / original).read_bytes()
    assert file["sha256"] == hashlib.sha256(data).hexdigest()
    assert file["sm3"] == sm3(data).hex()
    assert file["size_bytes"] == len(data)
    assert file["stretches"] == [
        {"file_us": 0, "start_us": START_US + 5 * SECOND, "duration_us": 10 * SECOND}
    ]
    assert verify_package(out, trusted(desk)).faults == []


async def test_sound_that_browsers_refuse_stays_in_the_original_and_is_converted_beside_it(
    desk: Desk, h264: Clip, out: Path
) -> None:
    await desk.world.record(
        (h264.track, PCMA), together(h264.units[:200], g711_tone(PCMA.codec, 20))
    )
    job_id = await desk.export(START_US + 2 * SECOND, START_US + 12 * SECOND)
    names = await desk.unpack(job_id, out)
    original, viewing = (
        next(name for name in names if name.startswith(kind)) for kind in ("original", "viewing")
    )
    codecs = {
        name: [one["codec_name"] for one in probe(out / name)["streams"]]
        for name in (original, viewing)
    }
    assert codecs == {original: ["h264", "pcm_alaw"], viewing: ["h264", "aac"]}
    # Nothing was encoded that need not be: the pictures are the same to the bit.
    one, other = pictures(out / original), pictures(out / viewing)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


async def test_h265_has_a_copy_in_h264_that_shows_the_same(
    desk: Desk, h265: Clip, out: Path
) -> None:
    await desk.world.record(h265.tracks, h265.units)
    job_id = await desk.export(START_US + 3 * SECOND, START_US + 9 * SECOND)
    names = await desk.unpack(job_id, out)
    original, viewing = (
        out / next(name for name in names if name.startswith(kind))
        for kind in ("original", "viewing")
    )
    assert probe(original)["streams"][0]["codec_name"] == "hevc"
    assert probe(viewing)["streams"][0]["codec_name"] == "h264"
    assert decode_everything(viewing) == ""
    one, other = pictures(original), pictures(viewing)
    assert len(one) == len(other) == 60
    assert min(psnr(a, b) for a, b in zip(one[::10], other[::10], strict=True)) > 30
    assert picture_times(viewing) == pytest.approx(picture_times(original), abs=0.002)


async def test_masks_and_text_are_burnt_into_the_copy_and_the_original_stays_away_from_who_may_not(
    desk: Desk, h264: Clip, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.record(h264.tracks, h264.units[:200])
    rights = ROLE_RIGHTS[Role.INVESTIGATOR] - {Right.LIFT_MASKS}
    monkeypatch.setitem(ROLE_RIGHTS, Role.INVESTIGATOR, rights)
    left = {"name": "window", "points": [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}
    await desk.world.rows.write(
        "masks.put", camera_id=CAMERA, version=0, masks=[left], user_id="usr_1", user_name="a"
    )
    job_id = await desk.export(START_US, START_US + 4 * SECOND, burn_time=True, burn_viewer=True)
    names = await desk.unpack(job_id, out)
    (viewing,) = [name for name in names if name.endswith(".mp4")]
    assert viewing.startswith("viewing/")
    shown = pictures(out / viewing)[10]
    height, width = shown.shape
    assert shown[: height // 2 - 8, : width // 2 - 8].std() < 4
    recorded = pictures(h264.path)[10]
    right = (slice(0, height // 2), slice(width // 2 + 8, None))
    assert psnr(shown[right], recorded[right]) > 28
    lines = shown[-70:, : width // 2]
    assert (lines > 200).sum() > 500  # letters
    manifest = json.loads((out / "manifest.json").read_bytes())
    assert manifest["cameras"][0]["masked"]
    file = next(one for one in manifest["files"] if one["path"] == viewing)
    assert file["burnt_in"] == ["masks", "time", "viewer"]
    assert verify_package(out, trusted(desk)).faults == []


async def test_what_is_missing_and_what_was_altered_is_said(
    desk: Desk, h264: Clip, out: Path
) -> None:
    """A hole in the footage, a clock that was off, and a segment that is not what was recorded."""
    await desk.world.record(h264.tracks, h264.units[:200])
    await desk.world.record(h264.tracks, h264.units[:200], start_us=START_US + 40 * SECOND)
    source = {"source_id": f"{CAMERA}/main"}
    await desk.world.rows.write(
        "recorder.add_gap", **source, start_us=START_US + 20 * SECOND,
        end_us=START_US + 40 * SECOND, cause="camera_offline", detail="unplugged",
    )  # fmt: skip
    await desk.world.rows.write(
        "recorder.set_clock_offset", **source, since_us=START_US - SECOND, offset_us=5 * SECOND
    )
    async with desk.world.engine.connect() as connection:
        second = (
            await connection.execute(sa.select(segments).order_by(segments.c.start_us))
        ).all()[1]
    _flip(desk.world.settings.store_directory / second.store_key, second.size_bytes // 2)

    job_id = await desk.export(START_US, START_US + 60 * SECOND)
    await desk.unpack(job_id, out)
    manifest = json.loads((out / "manifest.json").read_bytes())
    (camera,) = manifest["cameras"]
    (gap,) = camera["gaps"]
    assert (gap["start_us"], gap["end_us"], gap["cause"]) == (
        START_US + 20 * SECOND, START_US + 40 * SECOND, "camera_offline",
    )  # fmt: skip
    assert camera["clock_offsets"] == [
        {"since_us": START_US - SECOND, "offset_us": 5 * SECOND, "accepted_us": None}
    ]
    told = {one["id"]: one["as_recorded"] for one in camera["segments"]}
    assert [one for one, right in told.items() if not right] == [second.id]
    (file,) = [one for one in manifest["files"] if one["kind"] == "original"]
    assert [one["file_us"] for one in file["stretches"]] == [0, 20 * SECOND]
    assert [one["start_us"] for one in file["stretches"]] == [START_US, START_US + 40 * SECOND]
    assert (await desk.job(job_id)).message == "1 segment is not what was recorded: see manifest"


def _flip(path: Path, offset: int) -> None:
    # A directory store may share blocks with nothing: a copy, so that only this file changes.
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.unlink()
    path.write_bytes(data)


async def test_a_change_of_format_makes_another_file(
    desk: Desk, h264: Clip, h265: Clip, out: Path
) -> None:
    await desk.world.record(h265.tracks, h265.units[:100])
    await desk.world.record(h264.tracks, h264.units[:100], start_us=START_US + 10 * SECOND)
    job_id = await desk.export(START_US, START_US + 20 * SECOND, viewing="never")
    names = [name for name in await desk.unpack(job_id, out) if name.endswith(".mp4")]
    assert [probe(out / name)["streams"][0]["codec_name"] for name in names] == ["hevc", "h264"]


async def test_a_killed_job_goes_on_with_the_file_that_it_was_at(
    desk: Desk, h264: Clip, h265: Clip, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.record(h264.tracks, h264.units[:100])
    await desk.world.record(h264.tracks, h264.units[:100], camera_id="cam_two")
    cameras = (OrderedCamera(CAMERA, "one", ()), OrderedCamera("cam_two", "two", ()))
    job_id = await desk.order(START_US, START_US + 10 * SECOND, cameras=cameras)
    make = Making._make
    made: list[str] = []

    async def killed_at_the_second(self: Making, file: Any) -> Any:
        made.append(file.path)
        if len(made) == 2:
            raise KeyboardInterrupt  # nothing is put in order any more
        return await make(self, file)

    monkeypatch.setattr(Making, "_make", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        await desk.worker.turn()
    assert (await desk.job(job_id)).state == "running"
    first, _ = made
    before = (desk.workshop.folder / job_id / first).stat().st_mtime_ns

    again = ExportWorker(desk.workshop)  # the server, started anew
    assert await again.turn()
    assert made[2:] == [made[1]]
    assert (desk.workshop.folder / job_id / first).stat().st_mtime_ns == before
    await desk.unpack(job_id, out)
    assert verify_package(out, trusted(desk)).faults == []


async def test_a_job_of_a_server_that_is_gone_is_taken_over_when_its_lease_ends(
    desk: Desk, h264: Clip
) -> None:
    await desk.world.record(h264.tracks, h264.units[:100])
    job_id = await desk.order(START_US, START_US + 5 * SECOND)
    await desk.world.rows.write("evidence.claim_export", process="footage-9")
    assert not await desk.worker.turn()
    await _execute(desk, sa.update(export_jobs).values(lease_us=1))
    assert await desk.worker.turn()
    assert (await desk.job(job_id)).state == "done"
    left = await desk.world.rows.write(
        "evidence.export_progress", job_id=job_id, process="footage-9", total_us=1, done_us=0
    )
    assert left is False


async def _execute(desk: Desk, statement: Any) -> None:
    """Straight into the database, past every operation."""
    engine = desk.world.rows._engine

    def run() -> None:
        with engine.begin() as connection:
            connection.execute(statement)

    await asyncio.to_thread(run)


async def test_retention_cannot_take_what_was_ordered_and_takes_it_afterwards(
    desk: Desk, h264: Clip
) -> None:
    await desk.world.record(h264.tracks, h264.units[:300])
    retention = Retention(
        desk.world.engine, desk.world.rows, desk.world.store, default=RetentionPolicy(days=1)
    )
    job_id = await desk.order(START_US + 12 * SECOND, START_US + 15 * SECOND)
    later_us = START_US + 100 * 86_400 * SECOND
    await retention.run(later_us)
    assert await _left(desk) == [START_US + 10 * SECOND]
    assert await desk.worker.turn()
    assert (await desk.job(job_id)).state == "done"
    await retention.run(later_us)
    assert await _left(desk) == []


async def _left(desk: Desk) -> list[int]:
    async with desk.world.engine.connect() as connection:
        rows = await connection.execute(sa.select(segments.c.start_us).order_by("start_us"))
        return list(rows.scalars())


@pytest.mark.parametrize("how", ["cancelled", "expired", "failed"])
async def test_the_files_of_a_job_that_is_over_are_deleted(
    desk: Desk, h264: Clip, how: str
) -> None:
    await desk.world.record(h264.tracks, h264.units[:100])
    if how == "failed":
        desk.worker = ExportWorker(replace(desk.workshop, reserve_bytes=1 << 60))
    job_id = await desk.export(START_US, START_US + 5 * SECOND)
    folder = desk.workshop.folder / job_id
    if how == "cancelled":
        assert folder.is_dir()
        await desk.world.rows.write("evidence.cancel_export", job_id=job_id)
    elif how == "expired":
        await _execute(desk, sa.update(export_jobs).values(expires_us=1))
    await desk.worker.clear()
    job = await desk.job(job_id)
    assert job.state == how
    assert not folder.exists()
    # Of what is there all the same, the proof of deletion is told.
    folder.mkdir()
    assert await desk.worker.leftovers() == [job_id]
    if how == "failed":
        assert job.code == "no_space" and "cancel other exports" in job.message
    async with desk.world.engine.connect() as connection:
        assert (await connection.execute(sa.select(held_ranges))).first() is None
        actions = (await connection.execute(sa.select(audit_log.c.action))).scalars().all()
    assert {"expired": "export.expire", "failed": "export.fail"}.get(how, "export.order") in actions


async def test_who_lost_the_right_meanwhile_gets_nothing(desk: Desk, h264: Clip) -> None:
    await desk.world.record(h264.tracks, h264.units[:100])
    job_id = await desk.order(START_US, START_US + 5 * SECOND)
    await _execute(desk, sa.delete(grants).where(grants.c.user_id == "usr_1"))
    await desk.worker.turn()
    job = await desk.job(job_id)
    assert (job.state, job.code) == ("failed", "not_allowed")
    assert await desk.files(job_id) == []


@pytest.mark.parametrize("meanwhile", ["right withdrawn", "mask drawn"])
async def test_rights_and_masks_are_asked_again_before_each_file(
    desk: Desk, h264: Clip, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    rights = ROLE_RIGHTS[Role.INVESTIGATOR] - {Right.LIFT_MASKS}
    monkeypatch.setitem(ROLE_RIGHTS, Role.INVESTIGATOR, rights)
    monkeypatch.setattr("gateway.masks.KNOWN_S", 0.0)
    await desk.world.record(h264.tracks, h264.units[:50])
    await desk.world.record(h264.tracks, h264.units[:50], camera_id="cam_two")
    cameras = (OrderedCamera(CAMERA, "one", ()), OrderedCamera("cam_two", "two", ()))
    job_id = await desk.order(START_US, START_US + 5 * SECOND, cameras=cameras)
    left = {"name": "window", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}
    author = {"user_id": "usr_1", "user_name": "a"}
    make = Making._make
    made: list[str] = []

    async def make_slowly(self: Making, file: Any) -> Any:
        made.append(file.camera_id)
        if meanwhile == "right withdrawn":
            await _execute(desk, sa.delete(grants).where(grants.c.user_id == "usr_1"))
        else:
            await desk.world.rows.write(
                "masks.put", camera_id="cam_two", version=0, masks=[left], **author
            )
        return await make(self, file)

    monkeypatch.setattr(Making, "_make", make_slowly)
    await desk.worker.turn()
    job = await desk.job(job_id)
    assert (job.state, job.code, made) == ("failed", "not_allowed", [CAMERA])
    assert not (desk.workshop.folder / job_id).exists()


async def test_a_range_without_footage_says_so(desk: Desk) -> None:
    job_id = await desk.export(START_US, START_US + SECOND)
    job = await desk.job(job_id)
    assert (job.state, job.code) == ("failed", "no_footage")


async def test_a_copy_waits_for_its_place_in_the_transcoder(
    desk: Desk, h264: Clip, h265: Clip
) -> None:
    """A live viewer takes the place in the middle; the copy goes on when it is free again."""
    await desk.world.record(h265.tracks, h265.units[:150])
    job_id = await desk.order(START_US, START_US + 15 * SECOND, original=False)
    working = asyncio.create_task(desk.worker.turn())
    pool = desk.world.pool
    while not pool.status()["running"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    events: asyncio.Queue[Any] = asyncio.Queue()
    live = pool.open("video", h264.track, live=True, deliver=events.put_nowait)
    while (await events.get())["type"] != "started":
        pass
    pool.close_job(live)
    assert await working
    assert (await desk.job(job_id)).state == "done"


async def test_without_a_transcoder_nothing_is_given_unmasked(
    desk: Desk, h264: Clip, h265: Clip
) -> None:
    await desk.world.record(h264.tracks, h264.units[:50])
    left = {"name": "window", "points": [[0, 0], [0.5, 0], [0.5, 0.5]]}
    await desk.world.rows.write(
        "masks.put", camera_id=CAMERA, version=0, masks=[left], user_id="usr_1", user_name="a"
    )
    desk.world.pool.places = 0
    job_id = await desk.export(START_US, START_US + 4 * SECOND, original=False, burn_masks=True)
    job = await desk.job(job_id)
    assert (job.state, job.code) == ("failed", "masked_unavailable")


async def test_a_job_that_must_wait_lets_others_go_first(
    desk: Desk, h264: Clip, h265: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.record(h264.tracks, h264.units[:50])
    await desk.world.record(h265.tracks, h265.units[:50], camera_id="cam_two")
    events: asyncio.Queue[Any] = asyncio.Queue()
    live = desk.world.pool.open("video", h264.track, live=True, deliver=events.put_nowait)
    monkeypatch.setattr("gateway.evidence.viewing_copy.PLACE_PATIENCE_S", 0.2)
    monkeypatch.setattr("gateway.evidence.worker._REST_US", 0)
    other = (OrderedCamera("cam_two", "two", ()),)
    waiting = await desk.order(START_US, START_US + 4 * SECOND, cameras=other)
    quick = await desk.order(START_US, START_US + 4 * SECOND)
    assert await desk.worker.turn()
    assert (await desk.job(waiting)).state == "queued"
    assert await desk.worker.turn()
    assert (await desk.job(quick)).state == "done"
    desk.world.pool.close_job(live)
    monkeypatch.setattr("gateway.evidence.viewing_copy.PLACE_PATIENCE_S", 60.0)
    assert await desk.worker.turn()
    assert (await desk.job(waiting)).state == "done"
