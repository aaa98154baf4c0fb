"""Two machines on one PostgreSQL and one store: cameras move without a gap, and outlive either."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from gateway.identifiers import now_us
from tests.peers.running_gateway import Gateway, command, running_gateway, start, stop

# Between two runs a few pictures' time may be uncovered.
SEAM_US = 500_000
HOME, OTHER = "shard-1.node-a", "shard-1.node-b"


def machine(node: str, data: Path, url: str) -> dict[str, str]:
    """Settings of a machine. Four cameras of 2 Mbit/s are four fifths of what one carries."""
    return {
        "DATABASE_URL": url,
        "SECRETS_DIRECTORY": str(data / "secrets"),
        "STORE__PATH": str(data / "footage"),
        "RECORDING__SEGMENT_S": "4",
        "CLUSTER__NODE": node,
        "CLUSTER__LISTEN_ADDRESS": "127.0.0.1",
        "CLUSTER__SHARD_MBPS": "10",
        "CLUSTER__SIGNALLING": str(node == "node-a").lower(),
        "CLUSTER__ANALYSIS": str(node == "node-a").lower(),
    }


class Rows:
    """The database, looked at from outside."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __call__(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def held(self) -> dict[str, int]:
        """Shard → how many cameras it owns; those on their way count for nobody."""
        return dict(
            self(
                "SELECT owner, count(*) FROM assignments WHERE source_id LIKE '%%/main' "
                "AND owner <> '' AND successor IS NULL GROUP BY owner"
            )
        )

    def recorded_until(self, at_us: int) -> bool:
        """Whether each camera has footage that goes on behind ``at_us``."""
        ends = self(
            "SELECT max(end_us) FROM spans WHERE source_id LIKE '%%/main' GROUP BY source_id"
        )
        return len(ends) == 4 and all(end_us > at_us for (end_us,) in ends)

    def footage(self, since_us: int) -> dict[str, list[tuple[int, int]]]:
        """Source → effective ranges in order, from ``since_us`` on."""
        found: dict[str, list[tuple[int, int]]] = {}
        for source_id, start_us, end_us in self(
            "SELECT source_id, effective_start_us, effective_end_us FROM segments WHERE "
            "source_id LIKE '%%/main' AND effective_end_us > %s ORDER BY effective_start_us",
            since_us,
        ):
            found.setdefault(source_id, []).append((start_us, end_us))
        return found


def holds(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return condition()

    return look


@pytest.fixture
async def gateway(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    data = tmp_path / "a"
    variables = machine("node-a", data, postgresql_url)
    async with running_gateway(data, **variables) as made:
        for name, value in variables.items():  # of the commands that are given there
            monkeypatch.setenv(f"GRIDSIGHT_{name}", value)
        yield made


@pytest.fixture
def rows(postgresql_url: str) -> Any:
    made = Rows(postgresql_url)
    yield made
    made.close()


def shard_below(process_id: int) -> psutil.Process:
    """The media shard that this ``gridsight serve`` has started."""
    return next(one for one in psutil.Process(process_id).children() if "shard" in one.cmdline())


async def all_record(gateway: Gateway) -> bool:
    return await gateway.recording() == 4


@pytest.mark.timeout(600)
async def test_cameras_move_without_a_gap_and_a_lost_machine_is_missed_for_seconds(
    gateway: Gateway, rows: Rows, tmp_path: Path, postgresql_url: str
) -> None:
    await gateway.until(lambda: all_record(gateway))
    assert rows.held() == {HOME: 4}
    began_us = now_us() + 2_000_000
    others = machine("node-b", tmp_path / "a", postgresql_url)
    process, _, _ = await start(tmp_path / "b", demo=False, **others)
    try:
        # A machine that comes is filled; one that is drained is emptied.
        await gateway.until(holds(lambda: rows.held() == {HOME: 2, OTHER: 2}))
        status, output = await command(tmp_path / "a", "drain", "node-a")
        assert status == 0, output
        assert "no camera is on node-a any more" in output
        assert rows.held() == {OTHER: 4}
        status, output = await command(tmp_path / "a", "drain", "node-a", "--back")
        assert status == 0, output
        await gateway.until(holds(lambda: rows.held() == {HOME: 2, OTHER: 2}))
        moved_us = now_us()
        await gateway.until(holds(lambda: rows.recorded_until(moved_us)))
        for source_id, ranges in rows.footage(began_us).items():
            joints = [start_us - end_us for (_, end_us), (start_us, _) in pairwise(ranges)]
            assert all(0 <= joint < SEAM_US for joint in joints), (source_id, ranges)
            assert ranges[0][0] <= began_us
            assert ranges[-1][1] >= moved_us
        kept = rows("SELECT count(DISTINCT epoch) FROM segments WHERE source_id LIKE '%%/main'")
        assert kept[0][0] >= 3, "several shards have recorded"
        assert rows("SELECT * FROM gaps WHERE end_us IS NULL AND source_id LIKE '%%/main'") == []

        # A shard that stands still is as good as dead; when it wakes up, it is late.
        shard = shard_below(process.pid)
        shard.suspend()
        frozen_us = now_us()
        await gateway.until(holds(lambda: rows.held() == {HOME: 4}))
        await gateway.until(lambda: all_record(gateway))
        elsewhere_us = now_us()
        shard.resume()
        await gateway.until(holds(lambda: rows.held() == {HOME: 2, OTHER: 2}))
        settled_us = now_us()
        await gateway.until(holds(lambda: rows.recorded_until(settled_us)))
        print(f"frozen: all recorded elsewhere after {(elsewhere_us - frozen_us) / 1e6:.1f} s")
        assert shard.is_running(), "it has let go, and goes on"
        assert rows("SELECT * FROM gaps WHERE end_us IS NULL AND source_id LIKE '%%/main'") == []

        # With its supervisor the kernel ends all that it started: the machine is gone.
        process.send_signal(signal.SIGKILL)
        lost_us = now_us()
        await process.wait()
        await gateway.until(holds(lambda: rows.held() == {HOME: 4}))
        await gateway.until(lambda: all_record(gateway))
        again_us = now_us()
        await gateway.until(holds(lambda: rows.recorded_until(again_us)))
        camera_ids = [one["id"] for one in (await gateway.get("/api/cameras"))["items"]]
        told = []
        for camera_id in camera_ids:
            document = await gateway.get(
                "/api/timeline", camera_id=camera_id, start_us=settled_us, end_us=now_us()
            )
            told.append([gap["cause"] for gap in document["gaps"]])
        assert sorted(told) == [[], [], ["held_on_node"], ["held_on_node"]]
        print(f"killed: all recorded elsewhere after {(again_us - lost_us) / 1e6:.1f} s")
        for ranges in rows.footage(began_us).values():
            assert all(one[1] <= two[0] for one, two in pairwise(ranges)), "doubled"
            assert ranges[-1][1] > again_us
            missed = [two[0] - one[1] for one, two in pairwise(ranges) if two[0] > settled_us]
            print(f"missed for {max(missed) / 1e6:.1f} s")
    finally:
        await stop(process)
