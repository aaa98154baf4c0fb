"""The S3 store, against Ceph's RADOS gateway, and against servers that fail in every way."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from minio.commonconfig import Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from recorder.stores import DeletionError, S3StoreConfig, StoreError
from recorder.stores.lifecycle import LifecycleRules
from recorder.stores.s3 import S3Store
from tests.peers.ceph_rgw import S3Server
from tests.peers.fault_proxy import FaultProxy, Mood


def config_for(
    port: int,
    secret_key: str = "password12",
    bucket: str = "footage",
    timeout_s: float = 30.0,
) -> S3StoreConfig:
    return S3StoreConfig(
        endpoint=f"127.0.0.1:{port}",
        bucket=bucket,
        access_key="admin",
        secret_key=secret_key,
        secure=False,
        connect_timeout_s=timeout_s,
        read_timeout_s=timeout_s,
    )


@pytest.fixture
async def s3_store(ceph_rgw: S3Server) -> AsyncIterator[S3Store]:
    store = S3Store(config_for(ceph_rgw.port, bucket=f"footage-{secrets.token_hex(4)}"))
    await store.check()
    yield store
    await store.close()


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    path = tmp_path / "segment.mp4"
    path.write_bytes(bytes(range(256)) * 50_000)  # 12.8 MB
    return path


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_objects_go_in_and_come_out_by_range(s3_store: S3Store, segment: Path) -> None:
    await s3_store.put("cam_1/main/a.mp4", segment)
    await s3_store.put("cam_1/main/a.mp4", segment)
    data = bytes(range(256)) * 50_000
    assert await s3_store.read("cam_1/main/a.mp4", 1000, 300) == data[1000:1300]
    assert await s3_store.read("cam_1/main/a.mp4", len(data) - 10, 100) == data[-10:]
    assert await s3_store.read("cam_1/main/a.mp4", len(data) + 10, 100) == b""
    stat = await s3_store.stat("cam_1/main/a.mp4")
    assert stat is not None
    assert stat.size_bytes == len(data)
    assert await s3_store.stat("cam_1/main/b.mp4") is None
    with pytest.raises(StoreError) as missing:
        await s3_store.read("cam_1/main/b.mp4", 0, 10)
    assert missing.value.code == "not_found"


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_listing_and_deleting(s3_store: S3Store, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"12345")
    for name in ("cam_1/main/a", "cam_1/main/b", "cam_2/main/c"):
        await s3_store.put(name, small)
    assert [item.key async for item in s3_store.list("cam_1/")] == ["cam_1/main/a", "cam_1/main/b"]
    await s3_store.delete(["cam_1/main/a", "cam_1/main/never"])
    assert [(item.key, item.size_bytes) async for item in s3_store.list("")] == [
        ("cam_1/main/b", 5),
        ("cam_2/main/c", 5),
    ]


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_wrong_secret_is_said_to_be_one(ceph_rgw: S3Server, segment: Path) -> None:
    store = S3Store(config_for(ceph_rgw.port, "wrong"))
    for attempt in (store.check(), store.put("k", segment), store.read("k", 0, 1)):
        with pytest.raises(StoreError, match="check access_key and secret_key") as denied:
            await attempt
        assert denied.value.code == "denied"
        assert "wrong" not in str(denied.value)
    await store.close()


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_missing_bucket_is_said_to_be_one(ceph_rgw: S3Server, segment: Path) -> None:
    store = S3Store(config_for(ceph_rgw.port, bucket="nobody-made-me"))
    with pytest.raises(StoreError) as missing:
        await store.put("k", segment)
    assert missing.value.code == "no_bucket"
    await store.close()


@pytest.mark.parametrize(
    ("mood", "code"),
    [
        ("hang", "timeout"),
        ("reset", "unreachable"),
        ("error_500", "failed"),
        ("error_507", "full"),
        ("slow_down", "slow_down"),
    ],
)
async def test_faults_have_their_own_codes(mood: Mood, code: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"12345")
    async with FaultProxy() as proxy:
        proxy.mood = mood
        store = S3Store(config_for(proxy.port, timeout_s=1.0))
        with pytest.raises(StoreError) as fault:
            await store.put("k", small)
        assert fault.value.code == code
        await store.close()


async def test_a_closed_port_is_unreachable(free_port: int, segment: Path) -> None:
    store = S3Store(config_for(free_port))
    with pytest.raises(StoreError) as fault:
        await store.put("k", segment)
    assert fault.value.code == "unreachable"
    await store.close()


@pytest.fixture
async def locking_store(ceph_rgw: S3Server) -> AsyncIterator[S3Store]:
    """A bucket with object lock, which keeps versions therefore."""
    bucket = f"locked-{secrets.token_hex(4)}"
    store = S3Store(config_for(ceph_rgw.port, bucket=bucket))
    await asyncio.to_thread(store._client.make_bucket, bucket, object_lock=True)
    yield store
    await store.close()


def versions(store: S3Store) -> list[str | None]:
    found = store._client.list_objects(store._bucket, recursive=True, include_version=True)
    return [one.object_name for one in found]


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_what_is_deleted_leaves_no_version(locking_store: S3Store, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"12345")
    for name in ("a/1", "a/2", "a/2", "a/3", "b/1"):
        await locking_store.put(name, small)
    # A mark that hides an object, as deletion without a version leaves it.
    await asyncio.to_thread(locking_store._client.remove_object, locking_store._bucket, "a/1")
    await locking_store.delete(["a/1", "a/2", "b/1", "b/never"])
    assert await asyncio.to_thread(versions, locking_store) == ["a/3"]


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_what_is_refused_is_told_by_key_and_the_rest_goes(
    locking_store: S3Store, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"12345")
    for name in ("a/1", "a/2", "a/3"):
        await locking_store.put(name, small)
    hold = locking_store._client.enable_object_legal_hold
    await asyncio.to_thread(hold, locking_store._bucket, "a/2")
    with pytest.raises(DeletionError, match="a/2") as refused:
        await locking_store.delete(["a/1", "a/2", "a/3"])
    assert refused.value.code == "denied"
    assert list(refused.value.failed) == ["a/2"]
    assert await asyncio.to_thread(versions, locking_store) == ["a/2"]


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_parts_become_an_object(s3_store: S3Store, segment: Path) -> None:
    upload_id = await s3_store.begin_upload("cam_1/main/p.mp4")
    size = 256 * 50_000
    parts = [
        await s3_store.put_part("cam_1/main/p.mp4", upload_id, 1, segment, 0, 5 << 20),
        await s3_store.put_part(
            "cam_1/main/p.mp4", upload_id, 2, segment, 5 << 20, size - (5 << 20)
        ),
    ]
    listed = await s3_store.list_parts("cam_1/main/p.mp4", upload_id)
    assert [(one.number, one.etag) for one in listed] == [(one.number, one.etag) for one in parts]
    assert [one.key async for one in s3_store.list_uploads("cam_1/")] == ["cam_1/main/p.mp4"]
    await s3_store.finish_upload("cam_1/main/p.mp4", upload_id, parts)
    assert await s3_store.read("cam_1/main/p.mp4", 0, size) == bytes(range(256)) * 50_000
    assert [one async for one in s3_store.list_uploads("")] == []
    with pytest.raises(StoreError) as gone:
        await s3_store.put_part("cam_1/main/p.mp4", upload_id, 3, segment, 0, 100)
    assert gone.value.code == "no_upload"
    # What was finished is not undone by giving it up.
    await s3_store.abort_upload("cam_1/main/p.mp4", upload_id)
    assert await s3_store.stat("cam_1/main/p.mp4") is not None


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_probe_tells_what_this_bucket_offers(
    s3_store: S3Store, locking_store: S3Store
) -> None:
    plain = {one.name: one for one in await s3_store.probe()}
    locking = {one.name: one for one in await locking_store.probe()}
    for found in (plain, locking):
        for name in ("range_reads", "multipart", "lifecycle", "batch_deletion"):
            assert found[name].offered, found[name].line  # type: ignore[index]
    assert plain["conditional_put"].offered
    assert plain["versioning"].offered is False
    assert plain["object_lock"].offered is False
    assert "kept by the gateway alone" in plain["object_lock"].line
    assert locking["versioning"].offered
    assert locking["object_lock"].offered
    # What was tried is gone, in every version.
    for store in (s3_store, locking_store):
        assert await asyncio.to_thread(versions, store) == []


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_rules_of_others_stay_and_ours_come_and_go(s3_store: S3Store) -> None:
    theirs = Rule(
        status="Enabled",
        rule_id="theirs",
        rule_filter=Filter(prefix="other/"),
        expiration=Expiration(days=400),
    )
    write = s3_store._client.set_bucket_lifecycle
    await asyncio.to_thread(write, s3_store._bucket, LifecycleConfig([theirs]))
    rules = await s3_store.set_lifecycle(upload_days=7, expiry_days=45)
    assert (rules.upload_days, rules.expiry_days, rules.deletes_after_days) == (7, 45, 45)
    rules = await s3_store.set_lifecycle(upload_days=7, expiry_days=None)
    assert (rules.upload_days, rules.expiry_days, rules.deletes_after_days) == (7, None, 400)
    (lifecycle,) = [one for one in await s3_store.probe() if one.name == "lifecycle"]
    assert "theirs deletes objects after 400 days" in lifecycle.detail
    rules = await s3_store.set_lifecycle(upload_days=None, expiry_days=None)
    assert rules == LifecycleRules(None, None, 400)
