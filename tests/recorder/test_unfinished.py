"""What a machine that is away had sent of a segment becomes footage, whoever is first."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause
from recorder.check import check
from recorder.recorder import Recorder
from recorder.rows import LocalRowWriter
from recorder.stores import S3StoreConfig
from recorder.stores.s3 import S3Store
from recorder.unfinished import take_up_unfinished
from tests.peers.fault_proxy import FaultProxy
from tests.recorder.made import SOURCE, START_US
from tests.recorder.uploading import SECOND, make_recorder, stored, until

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(180)]

LATER_US = 1 << 52  # every upload is older
PART_BYTES = 5 << 20


@pytest.fixture
async def parts_store(proxied: tuple[FaultProxy, S3StoreConfig]) -> AsyncIterator[S3Store]:
    store = S3Store(proxied[1])
    yield store
    await store.close()


async def lose_a_machine(folder: Path, rows: LocalRowWriter, store: S3Store) -> Recorder:
    """It has recorded 20 s, has sent the first 5 MiB, and is gone with its spool."""
    recorder, camera = await make_recorder(folder, rows, store, segment_s=60)
    for _ in range(20):
        camera.film(1, size=40_000)
        await until(lambda: recorder.spool.queued_bytes == 0)
    await until(lambda: recorder.uploader.counters.parts == 1)
    await recorder.uploader.close()
    recorder.stop(SOURCE.id, GapCause.GATEWAY_STOPPED, "lost")
    await recorder.close()
    return recorder


async def differences(engine: AsyncEngine, store: S3Store) -> list[str]:
    return [
        f"{one.kind} {one.subject}"
        async for one in check(engine, store, now_us=1 << 60, settle_s=0, verify=True)
    ]


async def test_what_was_sent_is_rescued_and_the_machine_brings_the_rest(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    engine: AsyncEngine,
    parts_store: S3Store,
) -> None:
    lost = await lose_a_machine(tmp_path, rows, parts_store)
    # While it may still be at it, nothing is touched.
    report = await take_up_unfinished(engine, rows, parts_store, LATER_US // 2, LATER_US)
    assert (report.rescued, report.given_up) == (0, 0)

    report = await take_up_unfinished(engine, rows, parts_store, LATER_US, 3600)
    assert (report.rescued, report.given_up) == (1, 0)
    (rescued,) = stored(database)
    assert rescued.start_us == START_US
    assert 9 * SECOND < rescued.end_us - START_US < 14 * SECOND
    data = await parts_store.read(rescued.store_key, 0, 1 << 30)
    assert hashlib.sha256(data).digest() == rescued.sha256
    assert [one async for one in parts_store.list_uploads("")] == []
    assert [one.key async for one in parts_store.list("")] == [rescued.store_key]

    # It comes back with all of it: what was rescued stays, what follows is filled in.
    again = Recorder(lost.config, rows, parts_store)
    await again.start()
    assert await again.uploader.drain(60)
    await again.close()
    first, second = stored(database)
    assert first.id != second.id
    found = {one.id: (one.effective_start_us, one.effective_end_us) for one in (first, second)}
    assert found.pop(rescued.id) == (rescued.start_us, rescued.end_us)
    assert list(found.values()) == [(rescued.end_us, START_US + 20 * SECOND)]
    assert await differences(engine, parts_store) == []


async def test_a_machine_that_was_quicker_keeps_its_key(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    engine: AsyncEngine,
    parts_store: S3Store,
) -> None:
    lost = await lose_a_machine(tmp_path, rows, parts_store)
    # Its note is lost: it stores the segment whole, and its old upload is left.
    (note,) = (tmp_path / "spool").glob("*.upload")
    note.unlink()
    again = Recorder(lost.config, rows, parts_store)
    await again.start()
    assert await again.uploader.drain(60)
    await again.close()
    report = await take_up_unfinished(engine, rows, parts_store, LATER_US, 3600)
    assert (report.rescued, report.given_up) == (0, 1)
    assert [one async for one in parts_store.list_uploads("")] == []
    (segment,) = stored(database)
    assert segment.end_us == START_US + 20 * SECOND
    assert await differences(engine, parts_store) == []


async def test_a_rescue_that_was_cut_short_is_finished_by_a_check(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    engine: AsyncEngine,
    parts_store: S3Store,
) -> None:
    await lose_a_machine(tmp_path, rows, parts_store)
    (upload,) = [one async for one in parts_store.list_uploads("")]
    parts = await parts_store.list_parts(upload.key, upload.upload_id)
    await parts_store.finish_upload(upload.key, upload.upload_id, parts)
    # A torn object without a row is named, and made a segment when that is asked for.
    assert await differences(engine, parts_store) == [f"object_unindexed {upload.key}"]
    repairs = check(engine, parts_store, now_us=1 << 60, settle_s=0, rows=rows)
    assert [one.repaired async for one in repairs] == [True]
    (segment,) = stored(database)
    assert segment.store_key != upload.key
    assert await differences(engine, parts_store) == []
