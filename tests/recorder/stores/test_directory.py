"""The directory store: objects are complete or absent, and errors say what to look at."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from recorder.stores import DirectoryStoreConfig, StoreError, open_store
from recorder.stores.directory import DirectoryStore


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(bytes(range(256)))
    return path


def same_file(one: Path, other: Path) -> bool:
    return one.samefile(other)


async def test_put_read_stat_delete(store: DirectoryStore, blob: Path, tmp_path: Path) -> None:
    await store.put("cam/main/2026/a.mp4", blob)
    assert await store.read("cam/main/2026/a.mp4", 10, 5) == bytes(range(10, 15))
    assert await store.read("cam/main/2026/a.mp4", 250, 100) == bytes(range(250, 256))
    assert await store.read("cam/main/2026/a.mp4", 300, 5) == b""
    stat = await store.stat("cam/main/2026/a.mp4")
    assert stat is not None
    assert stat.size_bytes == 256
    await store.delete(["cam/main/2026/a.mp4", "cam/never.mp4"])
    assert await store.stat("cam/main/2026/a.mp4") is None
    # Empty folders go with their last object.
    assert not (tmp_path / "store" / "cam").exists()


async def test_folders_of_one_deletion_may_lie_within_one_another(
    store: DirectoryStore, blob: Path, tmp_path: Path
) -> None:
    keys = ["a/b/c/one", "a/b/two", "a/three"]
    for key in keys:
        await store.put(key, blob)
    await store.delete(keys)
    assert not (tmp_path / "store" / "a").exists()


async def test_putting_links_and_putting_again_changes_nothing(
    store: DirectoryStore, blob: Path, tmp_path: Path
) -> None:
    await store.put("a", blob)
    await store.put("a", blob)
    assert same_file(tmp_path / "store" / "a", blob)
    os.unlink(blob)  # noqa: PTH108
    assert await store.read("a", 0, 1) == b"\0"
    assert list((tmp_path / "store" / ".incoming").iterdir()) == []


async def test_another_file_system_is_copied_to(
    store: DirectoryStore, blob: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    await store.put("a", blob)
    assert not same_file(tmp_path / "store" / "a", blob)
    assert await store.read("a", 0, 1000) == bytes(range(256))


async def test_listing_is_ordered_and_by_prefix(store: DirectoryStore, blob: Path) -> None:
    keys = ["a/1", "a/2", "a-b/1", "ab", "b/c/d"]
    for key in keys:
        await store.put(key, blob)
    assert [item.key async for item in store.list("")] == sorted(keys)
    assert [item.key async for item in store.list("a/")] == ["a/1", "a/2"]
    assert [item.key async for item in store.list("a")] == sorted(keys)[:4]
    assert [item.key async for item in store.list("b/c")] == ["b/c/d"]
    assert [item.key async for item in store.list("none/")] == []


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a//b", ".", "a/../../b", "a\0b"])
async def test_keys_cannot_leave_the_directory(store: DirectoryStore, blob: Path, key: str) -> None:
    with pytest.raises(StoreError, match="not a key"):
        await store.put(key, blob)


async def test_missing_objects_are_not_found(store: DirectoryStore) -> None:
    with pytest.raises(StoreError) as missing:
        await store.read("none", 0, 1)
    assert missing.value.code == "not_found"


async def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = open_store(DirectoryStoreConfig(tmp_path / "file" / "store"))
    with pytest.raises(StoreError, match="file/store"):
        await store.check()
    await store.close()


async def test_free_bytes(store: DirectoryStore) -> None:
    free = await store.free_bytes()
    assert free is not None
    assert free > 0


async def test_what_a_dead_process_left_is_removed(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leftover = tmp_path / "store" / ".incoming" / "abc"
    leftover.write_bytes(b"x")
    await store.check()
    assert leftover.exists()  # may be another process's, under way
    monkeypatch.setattr("recorder.stores.directory._ABANDONED_S", -1.0)
    await store.check()
    assert not leftover.exists()
