"""A shard that is called differently finds what waits in its spool."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster.spool_names import former_names, keep_spools
from gateway.settings import Settings, load_settings


def machine(data: Path, node: str | None = None, shards: int = 1) -> Settings:
    cluster = {"node": node, "listen_address": "127.0.0.1"} if node else {}
    values: dict[str, Any] = {
        "data_directory": str(data),
        "shards": {"count": shards},
        "cluster": cluster,
    }
    return load_settings(values, environment={}).settings


def put(data: Path, *names: str) -> None:
    for name in names:
        path = data / "spool" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name.rpartition("/")[2])


def found(data: Path) -> set[str]:
    """What is in the spools but for former names; what a file says is its name."""
    files = [path for path in (data / "spool").rglob("*") if path.is_file()]
    files = [path for path in files if path.name != ".names"]
    assert all(path.read_text() == path.name for path in files if path.name != ".lock")
    return {str(path.relative_to(data / "spool")) for path in files}


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        (("node-a", 1), {"shard-1/x"}, {"shard-1.node-a/x"}),
        ((None, 1), {"shard-1.node-a/x"}, {"shard-1/x"}),
        (("node-b", 2), {"shard-2.node-a/x"}, {"shard-2.node-b/x"}),
        ((None, 1), {"shard-1/x", "shard-2/y"}, {"shard-1/x", "shard-1/y"}),
        (("node-a", 1), {"shard-1/unreadable/x"}, {"shard-1.node-a/unreadable/x"}),
        (
            ("node-a", 1),
            {"shard-1/x", "shard-1.node-a/y"},
            {"shard-1.node-a/x", "shard-1.node-a/y"},
        ),
        ((None, 1), {"import-12ab/x", "shard-1/y"}, {"import-12ab/x", "shard-1/y"}),
    ],
    ids=["joined", "left", "renamed", "fewer", "unreadable", "joined twice", "imports"],
)
def test_what_waits_goes_to_the_shard_of_today(
    tmp_path: Path, settings: tuple[str | None, int], before: set[str], after: set[str]
) -> None:
    put(tmp_path, *before)
    for name in before:
        put(tmp_path, f"{name.partition('/')[0]}/.lock")
    kept = {f"{name.partition('/')[0]}/.lock" for name in before & after}
    node, shards = settings
    for _ in range(2):
        keep_spools(machine(tmp_path, node, shards))
        assert {one for one in found(tmp_path) if not one.endswith(".lock")} == after
        assert kept <= found(tmp_path)
    assert {folder.name for folder in (tmp_path / "spool").iterdir()} == {
        name.partition("/")[0] for name in after
    }


def test_a_shard_knows_all_its_former_names(tmp_path: Path) -> None:
    put(tmp_path, "shard-1/.lock", "shard-2/x")
    alone, joined, renamed = (machine(tmp_path, node) for node in (None, "node-a", "node-b"))
    keep_spools(joined)
    assert former_names(joined, "shard-1.node-a") == ["shard-1", "shard-2"]
    keep_spools(renamed)
    assert former_names(renamed, "shard-1.node-b") == ["shard-1", "shard-1.node-a", "shard-2"]
    keep_spools(alone)
    assert former_names(alone, "shard-1") == ["shard-1.node-a", "shard-1.node-b", "shard-2"]
    assert former_names(alone, "shard-9") == []


def test_nothing_is_moved_before_there_is_a_spool(tmp_path: Path) -> None:
    keep_spools(machine(tmp_path, "node-a"))
    assert not (tmp_path / "spool").exists()


def test_a_shard_that_has_not_ended_yet_keeps_its_own(tmp_path: Path) -> None:
    put(tmp_path, "shard-1/x", "shard-1/.lock")
    with (tmp_path / "spool/shard-1/.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keep_spools(machine(tmp_path, "node-a"))
        assert "shard-1/x" in found(tmp_path)
    keep_spools(machine(tmp_path, "node-a"))
    assert found(tmp_path) == {"shard-1.node-a/x"}


def test_of_two_files_of_one_name_none_is_lost(tmp_path: Path) -> None:
    put(tmp_path, "shard-1/x", "shard-1.node-a/x")
    keep_spools(machine(tmp_path, "node-a"))
    assert {"shard-1/x", "shard-1.node-a/x"} <= found(tmp_path)


class Cut(Exception):
    """The power goes."""


@given(st.integers(0, 8))
def test_what_is_cut_off_is_finished_by_the_next(
    tmp_path_factory: pytest.TempPathFactory, calls: int
) -> None:
    data = tmp_path_factory.mktemp("cut")
    put(data, "shard-1/.lock", *(f"shard-1/{number}" for number in range(3)), "shard-1/odd/4")
    really_rename, left = Path.rename, calls

    def rename(self: Path, target: Any) -> Path:
        nonlocal left
        if left == 0:
            raise Cut
        left -= 1
        return really_rename(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        try:
            keep_spools(machine(data, "node-a"))
        except Cut:
            assert calls < 4
            assert former_names(machine(data, "node-a"), "shard-1.node-a") == ["shard-1"]
    keep_spools(machine(data, "node-a"))
    assert found(data) == {f"shard-1.node-a/{number}" for number in range(3)} | {
        "shard-1.node-a/odd/4"
    }
    assert [one.name for one in (data / "spool").iterdir()] == ["shard-1.node-a"]
