"""Two shards on one node: cameras are spread, and the death of one is the other's business not."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.identifiers import now_us
from tests.peers.running_gateway import Gateway, running_gateway

SHARDS = ("shard-1", "shard-2")
# What a shard that is killed may lose of its last fragment, and a margin for the test's own clock
# and for a busy machine.
BOUND_US = 3_500_000


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, SHARDS__COUNT="2", RECORDING__SEGMENT_S="4") as made:
        yield made


class Rows:
    """The gateway's database, looked at from outside."""

    def __init__(self, data: Path) -> None:
        self._connection = sqlite3.connect(data / "gridsight.db")

    def __call__(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def owners(self) -> dict[str, set[str]]:
        """Shard → the cameras' main sources that it owns."""
        found: dict[str, set[str]] = {}
        for owner, source in self(
            "SELECT owner, source_id FROM assignments WHERE source_id LIKE '%/main'"
        ):
            found.setdefault(owner, set()).add(source)
        return found

    def recorded_until(self, sources: set[str], at_us: int) -> bool:
        """Whether each of these sources has footage that goes on behind ``at_us``."""
        marks = ",".join("?" * len(sources))
        ends = self(
            f"SELECT source_id, max(end_us) FROM spans WHERE source_id IN ({marks}) "
            "GROUP BY source_id",
            *sources,
        )
        return len(ends) == len(sources) and all(end_us > at_us for _, end_us in ends)


@pytest.fixture
def rows(gateway: Gateway, tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def holds(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return condition()

    return look


@pytest.mark.timeout(300)
async def test_cameras_are_spread_and_a_killed_shard_comes_back_with_a_gap(
    gateway: Gateway, rows: Rows
) -> None:
    async def all_record() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_record)
    owners = rows.owners()
    assert {shard: len(sources) for shard, sources in owners.items()} == dict.fromkeys(SHARDS, 2)
    subs = rows("SELECT owner, source_id FROM assignments WHERE source_id LIKE '%/sub'")
    assert subs
    assert all(source.replace("/sub", "/main") in owners[owner] for owner, source in subs)
    killed, spared = owners["shard-1"], owners["shard-2"]
    await gateway.until(holds(lambda: rows.recorded_until(killed | spared, now_us() - 4_000_000)))

    before = (await gateway.processes())["shard-1"]["process_id"]
    other = (await gateway.processes())["shard-2"]["process_id"]
    os.kill(before, signal.SIGKILL)
    killed_us = now_us()

    async def back() -> bool:
        one = (await gateway.processes())["shard-1"]
        return bool(one["state"] == "running" and one["process_id"] != before)

    await gateway.until(back)
    await gateway.until(all_record)
    again_us = now_us()
    await gateway.until(holds(lambda: rows.recorded_until(killed | spared, again_us)))

    assert rows.owners() == owners, "a camera stays where it is"
    assert (await gateway.processes())["shard-2"]["process_id"] == other
    for source in sorted(killed):
        spans = rows(
            "SELECT start_us, end_us FROM spans WHERE source_id = ? ORDER BY start_us", source
        )
        gaps = rows("SELECT start_us, end_us, cause FROM gaps WHERE source_id = ?", source)
        # A camera that starts with its running GOP may reach back to where the footage ended.
        for (_, end_us), (start_us, _) in pairwise(spans):
            assert end_us < killed_us
            assert killed_us - end_us < BOUND_US
            assert any(
                cause == "gateway_stopped" and gap_start_us <= end_us and gap_end_us >= start_us
                for gap_start_us, gap_end_us, cause in gaps
            ), gaps
        assert len(spans) <= 2
        assert rows(
            "SELECT 1 FROM runs WHERE source_id = ? AND start_us >= ?", source, killed_us - BOUND_US
        ), "the shard that came back records a run of its own"
    for source in sorted(spared):
        assert len(rows("SELECT 1 FROM spans WHERE source_id = ?", source)) == 1
        assert rows("SELECT * FROM gaps WHERE source_id = ?", source) == []
    for source in sorted(killed | spared):
        effective = rows(
            "SELECT effective_start_us, effective_end_us FROM segments WHERE source_id = ? "
            "AND effective_start_us IS NOT NULL ORDER BY effective_start_us",
            source,
        )
        assert all(one[1] <= two[0] for one, two in pairwise(effective)), "doubled"


@pytest.mark.timeout(300)
async def test_each_shard_serves_its_own_cameras_live(gateway: Gateway, rows: Rows) -> None:
    async def all_record() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_record)
    owners = rows.owners()
    cameras = (await gateway.get("/api/cameras"))["items"]
    for camera in cameras:
        opened = await gateway.post("/api/live", {"camera_id": camera["id"], "quality": "main"})
        shard = opened["whep_url"].split("/")[2]
        assert f"{camera['id']}/main" in owners[shard]
        address = gateway.url.replace("http", "ws", 1) + opened["mse_url"]
        async with asyncio.timeout(60), gateway.client.ws_connect(address) as live:
            while (await live.receive()).type.name != "BINARY":
                pass
