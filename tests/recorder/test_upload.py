"""From the spool to store and index, through everything that can fail on the way."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camera_adapters.stream import GapCause
from recorder.intervals import subtract
from recorder.recorder import Recorder
from recorder.rows import LocalRowWriter, RowError
from recorder.segments import store_key
from recorder.stores import DirectoryStoreConfig, S3StoreConfig, StoreError
from recorder.stores.directory import DirectoryStore
from recorder.stores.s3 import S3Store
from tests.peers.fault_proxy import FaultProxy, Mood
from tests.recorder.made import SOURCE, START_US
from tests.recorder.uploading import (
    SECOND,
    assert_whole,
    make_recorder,
    s3_config,
    stored,
    told_gaps,
    until,
)


async def test_object_row_and_then_the_spool_file_goes(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine
) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, store)
    camera.film(45)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(30)
    assert_whole(database, 45)
    for segment in stored(database):
        data = await store.read(segment.store_key, 0, 1 << 30)
        assert len(data) == segment.size_bytes
        assert hashlib.sha256(data).digest() == segment.sha256
    await recorder.close()
    assert list((tmp_path / "spool").glob("*.mp4")) == []


class RefusingRows:
    """A row writer that is away, or refuses, for the first so many writes of segments."""

    def __init__(self, rows: LocalRowWriter, failures: list[Exception]) -> None:
        self.rows = rows
        self.failures = failures

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        if operation == "recorder.add_segment" and self.failures:
            raise self.failures.pop()
        return await self.rows.write(operation, **arguments)


async def test_a_lost_row_writer_only_delays(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine
) -> None:
    away: list[Exception] = [ConnectionError("the writer process restarts") for _ in range(4)]
    recorder, camera = await make_recorder(
        tmp_path,
        RefusingRows(rows, away),
        store,  # type: ignore[arg-type]
    )
    camera.film(30)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(30)
    assert not away
    assert_whole(database, 30)
    await recorder.close()


async def test_a_refused_row_keeps_its_footage_and_stops_nobody_else(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine
) -> None:
    refusal: list[Exception] = [RowError("unknown_epoch", "restored from a backup")]
    recorder, camera = await make_recorder(
        tmp_path,
        RefusingRows(rows, refusal),
        store,  # type: ignore[arg-type]
    )
    camera.film(45)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await until(lambda: len(recorder.spool.files) == 1)
    # Deleted in the background, once it is forgotten.
    await until(lambda: len(list((tmp_path / "spool").glob("*.mp4"))) == 1)
    assert len(stored(database)) >= 3
    await recorder.close()


async def test_an_object_that_the_store_never_takes_stops_no_other(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine
) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, store)
    # A folder lies where the first segment's object belongs.
    camera.film(1)
    first = next(iter(recorder.spool.files.values()))
    (tmp_path / "store" / store_key(SOURCE.id, first.id, START_US)).mkdir(parents=True)
    camera.film(59)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await until(lambda: list(recorder.spool.files) == [first.id])
    assert stored(database)[-1].end_us == START_US + 60 * SECOND
    assert first.id not in {segment.id for segment in stored(database)}, "no row before its object"
    await recorder.close()


async def test_a_restart_finishes_what_was_left_in_the_spool(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine
) -> None:
    away: list[Exception] = [ConnectionError("away") for _ in range(10_000)]
    recorder, camera = await make_recorder(
        tmp_path,
        RefusingRows(rows, away),
        store,  # type: ignore[arg-type]
    )
    camera.film(33)
    await recorder.close()  # some objects are in the store by now, without a row
    assert stored(database) == []
    again = Recorder(recorder.config, rows, store)
    report = await again.start()
    assert len(report.recovered) >= 3
    assert await again.uploader.drain(30)
    assert_whole(database, 33)
    assert [gap[2] for gap in told_gaps(database)] == ["gateway_stopped"]
    await again.close()


# Full disks: a small tmpfs


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_store_holds_footage_back_until_there_is_room(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, tiny_disk: Path
) -> None:
    (tiny_disk / "ballast").write_bytes(bytes(900_000))
    store = DirectoryStore(DirectoryStoreConfig(tiny_disk / "store"))
    recorder, camera = await make_recorder(tmp_path, rows, store)
    camera.film(60)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await until(lambda: "is full" in recorder.status().trouble)
    (tiny_disk / "ballast").unlink()
    await until(lambda: sum(s.size_bytes for s in stored(database)) > 500_000)
    await recorder.close()
    await store.close()


async def test_a_full_spool_disk_is_a_gap_and_recording_resumes(
    tmp_path: Path, rows: LocalRowWriter, store: DirectoryStore, database: sa.Engine,
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("recorder.segment_writer._RETRY_US", 0)
    (tiny_disk / "ballast").write_bytes(bytes(950_000))
    recorder, camera = await make_recorder(tiny_disk, rows, store)
    # Enough at once that the disk is full before anything could be uploaded and removed.
    camera.film(8, size=8000)
    await until(lambda: recorder.spool.queued_bytes == 0)
    camera.film(3, size=8000)
    await recorder.gaps.drain()
    assert any(gap[2] == "space" for gap in told_gaps(database))
    (tiny_disk / "ballast").unlink()
    await until(lambda: not [f for f in recorder.spool.files.values() if f.end_us is not None])
    camera.film(5, size=800)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(30)
    await recorder.gaps.drain()
    found = stored(database)
    assert found[-1].end_us == START_US + 16 * SECOND
    # Every second is either recorded or in a gap that says why.
    covered = [(s.start_us - START_US, s.end_us - START_US) for s in found]
    covered += [(g[0], g[1] or 1 << 60) for g in told_gaps(database) if g[2] == "space"]
    assert subtract((0, 16 * SECOND), covered) == []
    await recorder.close()


async def test_a_store_that_cannot_be_reached_is_said_at_the_start(
    tmp_path: Path, rows: LocalRowWriter
) -> None:
    async with FaultProxy() as proxy:
        await proxy.refuse()
        store = S3Store(s3_config(proxy.port))
        recorder, _ = await make_recorder(tmp_path, rows, store)
        await until(lambda: "cannot be reached" in recorder.status().trouble)
        await recorder.close()
        await store.close()


@pytest.mark.parametrize("refusal", [StoreError("denied", "may not list"), SyntaxError("no XML")])
async def test_a_store_that_refuses_to_be_looked_at_may_take_footage(
    tmp_path: Path,
    rows: LocalRowWriter,
    store: DirectoryStore,
    database: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Exception,
) -> None:
    async def refuse(_: object) -> None:
        raise refusal

    monkeypatch.setattr(DirectoryStore, "check", refuse)
    recorder, camera = await make_recorder(tmp_path, rows, store)
    camera.film(20)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    assert_whole(database, 20)
    assert recorder.status().trouble == ""
    await recorder.close()


async def test_a_spool_at_its_cap_gives_up_the_oldest_and_says_so(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine
) -> None:
    async with FaultProxy() as proxy:
        await proxy.refuse()
        store = S3Store(s3_config(proxy.port))
        recorder, camera = await make_recorder(tmp_path, rows, store, bytes_limit=600_000)
        for _ in range(60):
            camera.film(1)
            await until(lambda: recorder.spool.queued_bytes == 0)
        assert recorder.spool.bytes <= 600_000
        await recorder.gaps.drain()
        given_up = [gap for gap in told_gaps(database) if gap[2] == "store_down"]
        assert all("cannot be reached" in detail for *_, detail in given_up)
        kept = recorder.spool.files_of(SOURCE.id)
        spans = [
            (file.header.start_us - START_US, file.enqueued_end_us - START_US) for file in kept
        ]
        lost = [(gap[0], gap[1]) for gap in given_up]
        # Every second is in the spool or in a gap, and in one of them only; the last one is
        # still being put together.
        assert subtract((0, 59 * SECOND), [*spans, *lost]) == []
        assert sum(end - start for start, end in [*spans, *lost]) == 59 * SECOND
        # The newest is what is left, but for one that is just being tried.
        assert sum(start < max(end for _, end in lost) for start, _ in spans) <= 1
        await recorder.close()
        await store.close()


async def test_what_is_on_its_way_is_not_given_up(
    tmp_path: Path,
    rows: LocalRowWriter,
    store: DirectoryStore,
    database: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = asyncio.Event()
    put = DirectoryStore.put

    async def put_slowly(*arguments: Any) -> None:
        await goes_on.wait()
        await put(*arguments)

    monkeypatch.setattr(DirectoryStore, "put", put_slowly)
    recorder, camera = await make_recorder(tmp_path, rows, store, bytes_limit=600_000)
    camera.film(12)
    files = recorder.spool.files
    await until(lambda: any(file.uploading for file in files.values()))
    (on_its_way,) = [file.id for file in files.values() if file.uploading]
    for _ in range(40):
        camera.film(1)
        await until(lambda: recorder.spool.queued_bytes == 0)
    assert recorder.spool.bytes <= 600_000
    goes_on.set()
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(30)
    await recorder.gaps.drain()
    kept = stored(database)
    assert on_its_way in {segment.id for segment in kept}
    lost = [gap for gap in told_gaps(database) if gap[2] == "store_down"]
    assert lost, "there was room for all"
    # What is stored is not told as lost too.
    spans = [(one.start_us - START_US, one.end_us - START_US) for one in kept]
    for start_us, end_us, *_ in lost:
        assert subtract((start_us, end_us), spans) == [(start_us, end_us)]
    await recorder.close()


async def test_held_footage_is_given_up_last(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine
) -> None:
    async with FaultProxy() as proxy:
        await proxy.refuse()
        store = S3Store(s3_config(proxy.port))
        recorder, camera = await make_recorder(tmp_path, rows, store, bytes_limit=600_000)
        camera.film(20)
        await until(lambda: any(f.end_us for f in recorder.spool.files_of(SOURCE.id)))
        held = recorder.spool.files_of(SOURCE.id)[0]
        held.held = True
        for _ in range(50):
            camera.film(1)
            await until(lambda: recorder.spool.queued_bytes == 0)
        assert held.id in recorder.spool.files
        await recorder.close()
        await store.close()


# S3 that fails


@pytest.mark.ceph
@pytest.mark.timeout(180)
@pytest.mark.parametrize("mood", ["hang", "reset", "error_500", "refuse"])
async def test_a_store_that_fails_delays_and_loses_nothing(
    mood: str, tmp_path: Path, rows: LocalRowWriter, database: sa.Engine,
    proxied: tuple[FaultProxy, S3StoreConfig],
) -> None:  # fmt: skip
    proxy, config = proxied
    store = S3Store(config)
    recorder, camera = await make_recorder(tmp_path, rows, store)
    camera.film(20)
    await until(lambda: len(stored(database)) >= 1)
    if mood == "refuse":
        await proxy.refuse()
    else:
        fault: Mood = mood  # type: ignore[assignment]
        proxy.mood = fault
        await proxy.drop()
    camera.film(30)
    await until(lambda: recorder.uploader.counters.failures >= 2)
    await until(lambda: recorder.status().trouble != "")
    assert recorder.writer(SOURCE.id).recording  # type: ignore[union-attr]
    proxy.mood = "pass"
    await proxy.drop()
    if mood == "refuse":
        await proxy.accept()
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    assert recorder.status().trouble == ""
    assert_whole(database, 50)
    for segment in stored(database):
        stat = await store.stat(segment.store_key)
        assert stat is not None
        assert stat.size_bytes == segment.size_bytes
    await recorder.close()
    await store.close()


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_wrong_secret_is_shown_and_footage_waits_for_the_right_one(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine,
    proxied: tuple[FaultProxy, S3StoreConfig],
) -> None:  # fmt: skip
    proxy, config = proxied
    wrong = S3Store(s3_config(proxy.port, config.bucket, "wrong"))
    recorder, camera = await make_recorder(tmp_path, rows, wrong)
    camera.film(25)
    await until(lambda: "check access_key and secret_key" in recorder.status().trouble)
    await recorder.close()
    await wrong.close()
    right = S3Store(config)
    again = Recorder(recorder.config, rows, right)
    await again.start()
    assert await again.uploader.drain(60)
    assert_whole(database, 25)
    await again.close()
    await right.close()
