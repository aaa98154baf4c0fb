"""Holds as locks in the store, which nobody with a key can get round."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from minio.error import S3Error
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import GapCause
from recorder.object_locks import keep_locks
from recorder.retention import DAY_US, Retention, RetentionPolicy
from recorder.rows import LocalRowWriter
from recorder.segments import Segment
from recorder.stores import S3StoreConfig, StoreError
from recorder.stores.s3 import S3Store
from recorder.tables import object_locks
from tests.peers.ceph_rgw import S3Server
from tests.recorder.made import SOURCE, START_US
from tests.recorder.uploading import SECOND, make_recorder, stored

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(180)]

NOW_US = START_US + 100 * DAY_US


@pytest.fixture(params=[True, False], ids=["with lock", "without"])
async def bucket(request: pytest.FixtureRequest, ceph_rgw: S3Server) -> AsyncIterator[S3Store]:
    """A bucket that the store's own check makes."""
    name = f"held-{secrets.token_hex(4)}"
    config = S3StoreConfig(
        ceph_rgw.endpoint, name, "admin", "password12", secure=False, object_lock=request.param
    )
    store = S3Store(config)
    await store.check()
    yield store
    await store.close()


async def film(tmp_path: Path, rows: LocalRowWriter, store: S3Store, seconds: int) -> None:
    recorder, camera = await make_recorder(tmp_path, rows, store)
    camera.film(seconds)
    recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    assert await recorder.uploader.drain(60)
    await recorder.close()


def locked(database: sa.Engine) -> list[str]:
    with database.connect() as connection:
        return sorted(connection.execute(sa.select(object_locks.c.segment_id)).scalars())


async def destroy(store: S3Store, segment: Segment) -> None:
    """As somebody with a key and a tool would: the version itself."""

    def remove() -> None:
        version = store._client.stat_object(store._bucket, segment.store_key).version_id
        store._client.remove_object(store._bucket, segment.store_key, version_id=version)

    await asyncio.to_thread(remove)


async def test_what_is_held_is_locked_and_goes_when_it_is_let_go(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, engine: AsyncEngine, bucket: S3Store
) -> None:
    await film(tmp_path, rows, bucket, 35)
    offered = await bucket.offers_locks()
    first = stored(database)[0]
    await rows.write(
        "recorder.add_hold", hold_id="h1", start_us=START_US, end_us=START_US + SECOND,
        source_id=SOURCE.id,
    )  # fmt: skip
    report = await keep_locks(engine, rows, bucket, NOW_US)
    assert report.locked == (1 if offered else 0)
    assert report.refused == 0
    assert locked(database) == ([first.id] if offered else [])
    assert (await keep_locks(engine, rows, bucket, NOW_US)).locked == 0
    if offered:
        with pytest.raises(S3Error, match="AccessDenied"):
            await destroy(bucket, first)

    retention = Retention(engine, rows, bucket, default=RetentionPolicy(days=30))
    await retention.run(NOW_US)
    assert [one.id for one in stored(database)] == [first.id], "held either way"

    await rows.write("recorder.drop_hold", hold_id="h1")
    if offered:
        await retention.run(NOW_US)
        assert [one.id for one in stored(database)] == [first.id], "its lock is still on it"
    assert (await keep_locks(engine, rows, bucket, NOW_US)).released == (1 if offered else 0)
    await retention.run(NOW_US)
    assert stored(database) == []
    assert locked(database) == []
    left = await asyncio.to_thread(
        lambda: list(
            bucket._client.list_objects(bucket._bucket, recursive=True, include_version=True)
        )
    )
    assert left == []


@pytest.mark.parametrize("bucket", [True], ids=["with lock"], indirect=True)
async def test_a_pass_that_was_cut_short_leaves_no_lock_behind(
    tmp_path: Path,
    rows: LocalRowWriter,
    database: sa.Engine,
    engine: AsyncEngine,
    bucket: S3Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await film(tmp_path, rows, bucket, 5)
    hold = {"start_us": START_US, "end_us": START_US + SECOND, "source_id": SOURCE.id}
    await rows.write("recorder.add_hold", hold_id="h1", **hold)

    async def away(*_: Any) -> None:
        raise StoreError("unreachable", "the cable")

    lock = S3Store.lock

    async def lock_and_lose(store: S3Store, key: str) -> None:
        await lock(store, key)
        await away()

    monkeypatch.setattr(S3Store, "lock", lock_and_lose)
    with pytest.raises(StoreError):
        await keep_locks(engine, rows, bucket, NOW_US)
    # The lock is on, and the hold is dropped before anybody knew: the row knows.
    await rows.write("recorder.drop_hold", hold_id="h1")
    report = await keep_locks(engine, rows, bucket, NOW_US)
    assert report.released == 1
    await destroy(bucket, stored(database)[0])


async def test_footage_that_comes_after_the_hold_is_locked_too(
    tmp_path: Path, rows: LocalRowWriter, database: sa.Engine, engine: AsyncEngine, bucket: S3Store
) -> None:
    hold = {"start_us": START_US, "end_us": START_US + 60 * SECOND, "source_id": SOURCE.id}
    await rows.write("recorder.add_hold", hold_id="h1", **hold)
    await film(tmp_path, rows, bucket, 15)
    await keep_locks(engine, rows, bucket, NOW_US)
    held = sorted(one.id for one in stored(database))
    assert locked(database) == (held if await bucket.offers_locks() else [])
