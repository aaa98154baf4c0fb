from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.database.tables import audit_log
from gateway.footage.camera_timeline import camera_days, camera_timeline
from gateway.footage.import_footage import FootageImportError, import_files, parse_start
from gateway.identifiers import now_us
from recorder.retention import Retention, RetentionPolicy
from recorder.tables import held_ranges, segments
from tests.gateway.footage.conftest import CAMERA, START_US
from tests.gateway.footage.media import decode_everything, make_b_frames, pictures, probe, psnr


async def run(world, paths, *, start_us=START_US, hold=True, camera_id=CAMERA):
    said: list[str] = []
    done = await import_files(
        world.settings,
        world.rows,
        paths,
        camera_id=camera_id,
        start_us=start_us,
        hold=hold,
        say=said.append,
    )
    world.server.reader._sources.clear()
    return done, said


async def stored(world) -> list[sa.Row]:
    async with world.engine.connect() as connection:
        rows = await connection.execute(sa.select(segments).order_by(segments.c.start_us))
        return list(rows)


@pytest.mark.parametrize("clip_name", ["pedestrians_h264", "pedestrians_h265"])
async def test_a_file_becomes_footage_without_reencoding(
    world, request, clip_name, tmp_path
) -> None:
    path = request.getfixturevalue(clip_name)
    done, said = await run(world, [path])
    length = float(probe(path)["format"]["duration"])
    assert done[0].end_us == START_US + round(length * 1e6)
    assert said[-1].endswith("(100 %)")
    await world.open()
    index = await world.index()
    out = tmp_path / "out.mp4"
    out.write_bytes(await world.media(index))
    assert decode_everything(out) == ""
    assert len(pictures(out)) == len(pictures(path))
    assert all(row.held for row in await stored(world))


class Sweeping:
    """A RowWriter beside which retention looks whenever a segment has come in."""

    def __init__(self, world) -> None:
        self._rows = world.rows
        policy = RetentionPolicy(days=0.5)
        self._retention = Retention(world.engine, world.rows, world.store, default=policy)

    async def write(self, operation, /, **arguments):
        result = await self._rows.write(operation, **arguments)
        if operation == "recorder.add_segment":
            await self._retention.run(now_us())
        return result


async def test_what_is_to_be_held_outlives_retention_while_it_comes_in(
    world, pedestrians_h264
) -> None:
    start_us = now_us() - 86_400_000_000
    end_us = start_us + 79_500_000
    await import_files(
        world.settings,
        Sweeping(world),
        [pedestrians_h264],
        camera_id=CAMERA,
        start_us=start_us,
        hold=True,
        say=lambda line: None,
    )
    rows = await stored(world)
    assert (rows[0].start_us, rows[-1].end_us) == (start_us, end_us)
    async with world.engine.connect() as connection:
        ranges = (await connection.execute(sa.select(held_ranges))).all()
    assert [(one.camera_id, one.end_us) for one in ranges] == [(CAMERA, end_us)]


async def test_files_follow_one_another(world, pedestrians_h264, pedestrians_h265) -> None:
    done, _ = await run(world, [pedestrians_h265, pedestrians_h264])
    assert done[1].start_us == done[0].end_us == START_US + 30_000_000
    await world.open()
    assert len((await world.index(end_us=START_US + 200_000_000))["runs"]) == 2


async def test_the_same_command_again_does_nothing(world, pedestrians_h264) -> None:
    await run(world, [pedestrians_h264])
    before = await stored(world)
    done, _ = await run(world, [pedestrians_h264])
    assert done[0].already_there
    assert await stored(world) == before
    async with world.engine.connect() as connection:
        actions = (await connection.execute(sa.select(audit_log.c.action))).scalars().all()
    # Imported once and held once.
    assert sorted(actions) == ["footage.import", "hold.place"]


@pytest.mark.parametrize("container", ["mkv", "ts", "avi", "mov"])
async def test_containers_with_sound(world, pedestrians_h264, tmp_path, container) -> None:
    path = tmp_path / f"clip.{container}"
    sound = "aac" if container in ("ts", "mov", "mkv") else "pcm_alaw"
    await asyncio.to_thread(
        subprocess.run,
        [
            *["ffmpeg", "-v", "error", "-f", "lavfi"],
            *["-i", "sine=frequency=440:sample_rate=8000:duration=20"],
            *["-i", str(pedestrians_h264), "-map", "1:v", "-map", "0:a", "-t", "20"],
            *["-c:v", "copy", "-c:a", sound, str(path)],
        ],
        check=True,
    )
    await run(world, [path])
    await world.open()
    index = await world.index()
    assert index["runs"][0]["has_audio"]
    out = tmp_path / "out.mp4"
    out.write_bytes(await world.media(index))
    assert decode_everything(out) == ""
    assert len(pictures(out)) == 200


async def test_b_frames_come_in_the_right_order(world, tmp_path) -> None:
    path = tmp_path / "b.mp4"
    make_b_frames(path)
    await run(world, [path])
    await world.open()
    out = tmp_path / "out.mp4"
    out.write_bytes(await world.media(await world.index()))
    for ours, theirs in zip(pictures(out), pictures(path), strict=True):
        assert psnr(ours, theirs) > 60


async def test_a_damaged_file_is_imported_up_to_the_damage(world, pedestrians_h264, tmp_path):
    path = tmp_path / "cut.mkv"
    await asyncio.to_thread(
        subprocess.run,
        ["ffmpeg", "-v", "error", "-i", str(pedestrians_h264), "-c", "copy", str(path)],
        check=True,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        try:
            await run(world, [path])
        except FootageImportError as error:
            assert "imported up to 2026-11-01T00:00" in str(error)
    rows = await stored(world)
    assert rows[-1].end_us > START_US + 30_000_000
    assert all(row.held for row in rows)
    async with world.engine.connect() as connection:
        actions = (await connection.execute(sa.select(audit_log.c.action))).scalars().all()
    assert sorted(actions) == ["footage.import", "hold.place"]


async def test_what_cannot_be_imported_is_said_before_anything_is(
    world, pedestrians_h264, tmp_path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not footage")
    sound = tmp_path / "sound.wav"
    await asyncio.to_thread(
        subprocess.run,
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", str(sound)],
        check=True,
    )
    old = tmp_path / "old.avi"
    await asyncio.to_thread(
        subprocess.run,
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=duration=1", "-c:v", "mpeg4",
         str(old)],
        check=True,
    )  # fmt: skip
    for path, said in (
        (text, "not a media file"),
        (tmp_path / "absent.mp4", "not a media file"),
        (sound, "no H.264 or H.265 video in it (found: none)"),
        (old, "found: mpeg4"),
    ):
        with pytest.raises(FootageImportError) as refusal:
            await run(world, [pedestrians_h264, path])
        assert said in str(refusal.value)
        assert str(path) in str(refusal.value)
    with pytest.raises(FootageImportError, match="no camera nobody"):
        await run(world, [pedestrians_h264], camera_id="nobody")
    with pytest.raises(FootageImportError, match="--hold"):
        await run(world, [pedestrians_h264], start_us=now_us() - 40 * 86_400_000_000, hold=False)
    assert await stored(world) == []


@pytest.mark.parametrize(
    ("text", "said"), [("yesterday", "is not a time"), ("2026-11-01T08:00:00", "no time zone")]
)
def test_a_start_without_a_zone_is_ambiguous(text, said) -> None:
    with pytest.raises(FootageImportError, match=said):
        parse_start(text)


def test_a_start_with_a_zone() -> None:
    assert parse_start("2026-11-01T08:00:00+08:00") == START_US
    assert parse_start("2026-11-01T00:00:00.000001Z") == START_US + 1


async def test_killed_in_the_middle_it_goes_on_and_nothing_is_doubled(
    world, pedestrians_h264, tmp_path
) -> None:
    long = tmp_path / "long.mp4"
    await asyncio.to_thread(
        subprocess.run,
        ["ffmpeg", "-v", "error", "-stream_loop", "8", "-i", str(pedestrians_h264), "-c", "copy",
         str(long)],
        check=True,
    )  # fmt: skip
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gateway.database.writer_process import load_operations\n"
        "from gateway.database.engine import create_writer_engine\n"
        "from gateway.footage.import_footage import import_files\n"
        "from gateway.settings import Settings\n"
        "from recorder.rows import LocalRowWriter\n"
        "settings = Settings.from_json(sys.argv[1])\n"
        "load_operations()\n"
        "rows = LocalRowWriter(create_writer_engine(settings))\n"
        "asyncio.run(import_files(settings, rows, [Path(sys.argv[2])], camera_id=sys.argv[3],\n"
        "    start_us=int(sys.argv[4]), hold=True, say=lambda line: print(line, flush=True)))\n"
    )
    recording = world.settings.recording.model_copy(update={"segment_s": 10})
    told = world.settings.model_copy(update={"recording": recording}).to_json()
    arguments = [told, str(long), CAMERA, str(START_US)]
    for turn in range(4):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *arguments, stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
        )  # fmt: skip
        if turn < 3:
            seen = len(await stored(world))
            while process.returncode is None and len(await stored(world)) < seen + 3:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode == 0
    rows = [row for row in await stored(world) if row.effective_start_us is not None]
    ranges = [(row.effective_start_us, row.effective_end_us) for row in rows]
    assert ranges[0][0] == START_US
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(ranges))
    assert abs(ranges[-1][1] - START_US - 9 * 79_500_000) < 200_000
    assert not list(world.settings.spool_directory.glob("import-*/*.mp4"))


async def test_the_timeline_shows_imports_where_the_camera_recorded_nothing(
    world, h264, pedestrians_h264
) -> None:
    import datetime

    await world.record(h264.tracks, h264.units[:300], start_us=START_US + 60_000_000)
    await run(world, [pedestrians_h264])
    async with world.engine.connect() as connection:
        found = await camera_timeline(
            connection, CAMERA, START_US, START_US + 100_000_000, now_us=now_us()
        )
        days = await camera_days(
            connection,
            CAMERA,
            datetime.date(2026, 11, 1),
            datetime.date(2026, 11, 2),
            utc_offset_minutes=0,
        )
    assert found.spans == [(START_US, START_US + 90_000_000)]
    assert found.first_us == START_US
    assert all(gap.start_us >= START_US + 90_000_000 for gap in found.gaps)
    assert [day.day for day, recorded_us in days] == [1, 2]
    assert days[0][1] == 79_500_000
