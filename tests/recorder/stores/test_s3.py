"""The S3 store, against Ceph's RADOS gateway, and against servers that fail in every way."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.stores import S3StoreConfig, StoreError
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
    [("hang", "timeout"), ("reset", "unreachable"), ("error_500", "failed"), ("error_507", "full")],
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
