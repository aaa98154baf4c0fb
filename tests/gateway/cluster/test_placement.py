"""Which shard owns which camera."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster import placement
from gateway.cluster.placement import Reconciler, place_cameras


def apply(current: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    return {**current, **{source: owner or "" for source, owner in changes.items()}}


names = st.sampled_from([f"cam_{number}" for number in range(12)])
shards = st.lists(st.sampled_from(["shard-1", "shard-2", "shard-3"]), min_size=1, unique=True)


@given(
    st.dictionaries(names, st.booleans()),
    st.dictionaries(
        st.tuples(names, st.sampled_from(["main", "sub"])),
        st.sampled_from(["", "shard-1", "shard-2", "shard-9"]),
    ),
    shards,
)
def test_every_wanted_source_has_one_living_owner_and_no_other_has(
    cameras: dict[str, bool], before: dict[tuple[str, str], str], living: list[str]
) -> None:
    wanted = {
        camera: [f"{camera}/main"] + ([f"{camera}/sub"] if has_sub else [])
        for camera, has_sub in cameras.items()
    }
    current = {f"{camera}/{variant}": owner for (camera, variant), owner in before.items()}
    after = apply(current, place_cameras(wanted, current, living))
    for sources in wanted.values():
        assert len({after[source] for source in sources}) == 1
        assert after[sources[0]] in living
    kept = {source for sources in wanted.values() for source in sources}
    assert all(owner == "" for source, owner in after.items() if source not in kept)
    assert place_cameras(wanted, after, living) == {}


def test_new_cameras_spread_and_old_ones_stay() -> None:
    wanted = {f"cam_{number}": [f"cam_{number}/main"] for number in range(9)}
    first = apply({}, place_cameras(wanted, {}, ["shard-1"]))
    second = apply(first, place_cameras(wanted, first, ["shard-1", "shard-2"]))
    assert second == first
    wanted |= {f"new_{number}": [f"new_{number}/main"] for number in range(9)}
    third = apply(second, place_cameras(wanted, second, ["shard-1", "shard-2"]))
    assert Counter(third.values()) == {"shard-1": 9, "shard-2": 9}


async def test_no_failure_ends_the_placing_of_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "RECONCILE_INTERVAL_S", 0)
    reader: Any = None
    reconciler = Reconciler(reader, reader, {})
    failures = [ConnectionError("the writer is away"), ValueError("what nobody thought of")]
    went_on = asyncio.Event()

    async def reconcile() -> list[str]:
        if failures:
            raise failures.pop()
        went_on.set()
        return []

    monkeypatch.setattr(reconciler, "reconcile", reconcile)
    running = asyncio.create_task(reconciler.run())
    async with asyncio.timeout(20):
        await went_on.wait()
    running.cancel()
