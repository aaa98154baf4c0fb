"""Segments that are uploaded in parts while they are recorded, through everything that can fail."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause
from recorder.check import check
from recorder.recorder import Recorder
from recorder.recovery import recover_file
from recorder.rows import LocalRowWriter
from recorder.stores import S3StoreConfig
from recorder.stores.parts import StoredPart, UnfinishedUpload
from recorder.stores.s3 import S3Store
from recorder.upload_note import UploadNote, read_note
from tests.conftest import REPOSITORY
from tests.peers.fault_proxy import FaultProxy
from tests.recorder.made import SOURCE
from tests.recorder.uploading import (
    Camera,
    assert_whole,
    make_recorder,
    stored,
    told_gaps,
    until,
)

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(180)]

PART_BYTES = 5 << 20
PICTURE = 40_000  # 400 kB a second: 13 s fill a part
PROGRAM = Path(__file__).parent / "uploading_process.py"

Proxied = tuple[FaultProxy, S3StoreConfig]


@pytest.fixture
async def parts_store(proxied: Proxied) -> AsyncIterator[S3Store]:
    """The bucket, behind the proxy."""
    store = S3Store(proxied[1])
    yield store
    await store.close()


async def film(recorder: Recorder, camera: Camera, seconds: int) -> None:
    """Film, and see it written."""
    for _ in range(seconds):
        camera.film(1, size=PICTURE)
        await until(lambda: recorder.spool.queued_bytes == 0)


async def unfinished(store: S3Store) -> list[UnfinishedUpload]:
    return [upload async for upload in store.list_uploads("")]


async def assert_objects_whole(store: S3Store, database: sa.Engine) -> None:
    """Each row has its object, byte for byte, and nothing is left of uploads."""
    for segment in stored(database):
        data = await store.read(segment.store_key, 0, 1 << 30)
        assert len(data) == segment.size_bytes
        assert hashlib.sha256(data).digest() == segment.sha256
    assert await unfinished(store) == []


async def test_parts_arrive_while_the_segment_is_recorded_and_the_object_after_it(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, parts_store: S3Store
) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    await film(recorder, camera, 30)
    await until(lambda: recorder.uploader.counters.parts == 2)
    (upload,) = await unfinished(parts_store)
    parts = await parts_store.list_parts(upload.key, upload.upload_id)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, PART_BYTES), (2, PART_BYTES)]
    assert await parts_store.stat(upload.key) is None, "no object before the segment is complete"
    assert stored(database) == []
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    assert_whole(database, 30)
    assert [segment.store_key for segment in stored(database)] == [upload.key]
    await assert_objects_whole(parts_store, database)
    await recorder.close()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".lock"]


async def test_a_segment_that_is_shorter_than_a_part_is_put_whole(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, parts_store: S3Store
) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, parts_store)
    await film(recorder, camera, 5)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    assert recorder.uploader.counters.parts == 0
    await assert_objects_whole(parts_store, database)
    await recorder.close()


async def test_a_store_that_is_away_in_the_middle_goes_on_with_the_same_upload(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    proxied: Proxied,
    parts_store: S3Store,
) -> None:
    proxy, _ = proxied
    recorder, camera = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    await film(recorder, camera, 15)
    await until(lambda: recorder.uploader.counters.parts == 1)
    (before,) = await unfinished(parts_store)
    await proxy.refuse()
    await film(recorder, camera, 15)
    await until(lambda: "cannot be reached" in recorder.status().trouble)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await until(lambda: recorder.uploader.counters.failures >= 3)
    await proxy.accept()
    # Its name as S3 has it, seen before the upload is finished.
    note = read_note(next((tmp_path / "spool").glob("*.upload")))
    assert note is not None
    assert note.upload_id == before.upload_id
    assert await recorder.uploader.drain(60)
    assert recorder.status().trouble == ""
    assert_whole(database, 30)
    await assert_objects_whole(parts_store, database)
    await recorder.close()


async def test_a_store_that_has_too_much_to_do_is_asked_more_slowly(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    proxied: Proxied,
    parts_store: S3Store,
) -> None:
    proxy, _ = proxied
    recorder, camera = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    proxy.mood = "slow_down"
    await proxy.drop()
    await film(recorder, camera, 15)
    await until(lambda: "asked more slowly" in recorder.status().trouble)
    assert recorder.uploader._backoff.first_s > 0.5
    proxy.mood = "pass"
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    await assert_objects_whole(parts_store, database)
    await recorder.close()


async def test_a_store_too_slow_for_a_whole_segment_takes_it_part_by_part(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    proxied: Proxied,
) -> None:
    proxy, config = proxied
    parts_store = S3Store(replace(config, connect_timeout_s=10.0, read_timeout_s=20.0))
    proxy.bytes_per_s = 3_000_000  # two parts and a half: longer than the time-out
    await proxy.refuse()
    recorder, camera = await make_recorder(
        tmp_path, rows, parts_store, segment_s=60, put_timeout_s=3.5
    )
    await film(recorder, camera, 32)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await proxy.accept()
    assert await recorder.uploader.drain(90)
    assert recorder.uploader.counters.failures >= 1
    assert_whole(database, 32)
    await assert_objects_whole(parts_store, database)
    await recorder.close()
    await parts_store.close()


async def test_an_upload_that_somebody_gave_up_is_made_anew(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, parts_store: S3Store
) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    await film(recorder, camera, 15)
    await until(lambda: recorder.uploader.counters.parts == 1)
    (upload,) = await unfinished(parts_store)
    await parts_store.abort_upload(upload.key, upload.upload_id)
    await parts_store.abort_upload(upload.key, upload.upload_id)  # twice is harmless
    await film(recorder, camera, 15)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    assert_whole(database, 30)
    await assert_objects_whole(parts_store, database)
    await recorder.close()


async def test_what_the_spool_gives_up_leaves_no_upload(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    proxied: Proxied,
    parts_store: S3Store,
) -> None:
    proxy, _ = proxied
    recorder, camera = await make_recorder(
        tmp_path, rows, parts_store, segment_s=20, bytes_limit=16_000_000
    )
    await film(recorder, camera, 15)
    await until(lambda: recorder.uploader.counters.parts == 1)
    await proxy.refuse()
    await film(recorder, camera, 60)
    await recorder.gaps.drain()
    assert any(gap[2] == "store_down" for gap in told_gaps(database))
    await proxy.accept()
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    async with asyncio.timeout(30):
        while await unfinished(parts_store):  # noqa: ASYNC110  # the store tells nobody
            await asyncio.sleep(0.1)
    await assert_objects_whole(parts_store, database)
    await recorder.close()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".lock"]


def record_until_killed(folder: Path, config: S3StoreConfig, where: str) -> None:
    """A process that dies by its own hand, just behind a request."""
    command = [sys.executable, str(PROGRAM), str(folder), config.endpoint.split(":")[1]]
    process = subprocess.run(
        [*command, config.bucket, where],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        timeout=160,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("where", ["begin_upload", "put_part", "finish_upload"])
async def test_a_killed_process_is_made_good_by_the_next(
    where: str,
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    engine: AsyncEngine,
    proxied: Proxied,
    parts_store: S3Store,
) -> None:
    await asyncio.to_thread(record_until_killed, tmp_path, proxied[1], where)
    spool = tmp_path / "spool"
    (file,) = spool.glob("*.mp4")
    found = await asyncio.to_thread(recover_file, file)
    assert found is not None
    left = await unfinished(parts_store)
    assert len(left) == (0 if where == "finish_upload" else 1)

    recorder, _ = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    assert await recorder.uploader.drain(60)
    (segment,) = stored(database)
    assert segment.id == file.stem
    assert segment.size_bytes == found.written_bytes
    data = await parts_store.read(segment.store_key, 0, 1 << 30)
    assert hashlib.sha256(data).digest() == segment.sha256
    await until(lambda: not list(spool.glob("*.upload")))
    # An upload whose id nobody wrote down is housekeeping's; all others are at their end.
    assert len(await unfinished(parts_store)) == (1 if where == "begin_upload" else 0)
    await recorder.close()
    differences = [
        difference
        async for difference in check(
            engine,
            parts_store,
            spool_directories=[spool],
            now_us=time.time_ns() // 1000 + (1 << 50),
            settle_s=0,
            verify=True,
        )
    ]
    assert differences == []


async def test_parts_of_bytes_that_a_power_cut_took_are_not_relied_on(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    proxied: Proxied,
    parts_store: S3Store,
) -> None:
    await asyncio.to_thread(record_until_killed, tmp_path, proxied[1], "put_part")
    spool = tmp_path / "spool"
    (file,) = spool.glob("*.mp4")
    (upload,) = await unfinished(parts_store)
    part = StoredPart(1, "0" * 32, PART_BYTES)
    note = UploadNote(file.with_suffix(".upload"), upload.key, upload.upload_id, PART_BYTES, [part])
    note.write()
    with file.open("r+b") as data:
        data.truncate(PART_BYTES - 1_000_000)
    recorder, _ = await make_recorder(tmp_path, rows, parts_store, segment_s=60)
    assert await recorder.uploader.drain(60)
    (segment,) = stored(database)
    assert segment.size_bytes < PART_BYTES - 1_000_000
    await assert_objects_whole(parts_store, database)
    await recorder.close()


@given(
    sizes=st.lists(st.integers(1, 9), max_size=6),
    cut=st.integers(0, 400),
    torn=st.binary(max_size=20),
)
@pytest.mark.ceph
def test_a_torn_note_says_less_and_nothing_wrong(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cut: int, torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("note") / "a.upload"
    parts = [StoredPart(n, f"etag{n}", 9 if n < len(sizes) else size) for n, size in
             enumerate(sizes, 1)]  # fmt: skip
    UploadNote(path, "cam_1/main/a.mp4", "id", 9, parts).write()
    path.write_bytes(path.read_bytes()[:cut] + torn)
    note = read_note(path)
    if note is not None and note.upload_id == "id":
        count = len(note.parts)
        if b"{" not in torn:
            assert note.parts == parts[:count]
