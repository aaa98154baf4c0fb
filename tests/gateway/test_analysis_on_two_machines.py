"""Two machines analyse: each camera once, found from either console, and outliving either."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from gateway.identifiers import US_PER_S, now_us
from search.index.vectors import VectorReader
from tests.gateway.test_either_machine import second_machine
from tests.peers.running_gateway import Gateway, running_gateway

FIRST, SECOND = "analysis.node-a", "analysis.node-b"
HALVES = {FIRST: 2, SECOND: 2}


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
        "SEARCH__ENABLED": "true",
        "SEARCH__STORE_EVERY_S": "1",
    }


class Rows:
    """The database, looked at from outside."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def __call__(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def shared(self) -> dict[str, int]:
        """Analyst → how many cameras it has."""
        return dict(self("SELECT owner, count(*) FROM analysis_owners GROUP BY owner"))

    def found(self, camera_ids: list[str], since_us: int) -> int:
        """How many passages of these cameras began since then."""
        query = (
            "SELECT count(*) FROM passages JOIN passage_cameras ON number = camera "
            "WHERE camera_id = ANY(%s) AND id >= %s"
        )
        return int(self(query, camera_ids, (since_us // 1000) << 20)[0][0])

    def cameras_of(self, owner: str) -> list[str]:
        found = self("SELECT camera_id FROM analysis_owners WHERE owner = %s", owner)
        return [camera_id for (camera_id,) in found]

    def camera_of(self, passage_id: int) -> str:
        query = (
            "SELECT camera_id FROM passages JOIN passage_cameras ON number = camera WHERE id = %s"
        )
        return str(self(query, passage_id)[0][0])


@pytest.fixture
def rows(postgresql_url: str) -> Any:
    made = Rows(postgresql_url)
    yield made
    made.close()


def analysis_below(gateway: Gateway) -> psutil.Process:
    below = psutil.Process(gateway.process.pid).children()
    return next(one for one in below if "gateway.cluster.child analysis" in " ".join(one.cmdline()))


def vector_ids(folder: Path) -> set[int]:
    """The passages whose vectors a machine has on its disk."""
    reader = VectorReader(folder / "search" / "vectors")
    return {one for kind, day in reader.tables() for one in reader.ids(kind, day)}


async def search(gateway: Gateway, **body: Any) -> list[dict[str, Any]]:
    """Every line of an answer."""
    asked = {"start_us": now_us() - 900 * US_PER_S, "end_us": now_us() + US_PER_S, **body}
    asked["purpose"] = {"code": "lost_person"}
    async with gateway.client.post(f"{gateway.url}/api/search", json=asked) as response:
        text = await response.text()
        assert response.status == 200, text
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.timeout(600)
async def test_two_machines_share_the_cameras_and_are_searched_as_one(
    tmp_path: Path, postgresql_url: str, rows: Rows
) -> None:
    home, away = tmp_path / "a", tmp_path / "b"
    async with (
        running_gateway(home, **machine("node-a", home, postgresql_url)) as first,
        second_machine(first, away, **machine("node-b", home, postgresql_url)) as second,
    ):

        async def shared() -> bool:
            return rows.shared() == HALVES

        async def all_live() -> bool:
            told = await second.get("/api/analysis")
            return bool(told["counts"]["live"] == 4)

        await first.until(shared, 120)
        await first.until(all_live, 120)
        settled_us = now_us()
        theirs = {one: rows.cameras_of(one) for one in HALVES}
        told = await second.get("/api/analysis")
        assert sorted(one["camera_id"] for one in told["cameras"]) == sorted(
            theirs[FIRST] + theirs[SECOND]
        )
        assert [one["name"] for one in told["workers"]] == [f"{FIRST}-1", f"{SECOND}-1"]

        async def both_found() -> bool:
            return all(rows.found(some, settled_us) >= 2 for some in theirs.values())

        await first.until(both_found, 240)

        # What each saw it has on its own disk, and nobody else has it.
        def later(ids: set[int]) -> set[int]:
            return {one for one in ids if (one >> 20) * 1000 >= settled_us}

        async def comparable() -> bool:
            both = [await asyncio.to_thread(vector_ids, one) for one in (home, away)]
            return all(len(later(ids)) >= 2 for ids in both)

        await first.until(comparable, 240)
        of_first, of_second = [await asyncio.to_thread(vector_ids, one) for one in (home, away)]
        assert not of_first & of_second
        known = {row[0] for row in rows("SELECT id FROM passages")}
        for ids, owner in ((of_first, FIRST), (of_second, SECOND)):
            assert {rows.camera_of(one) for one in later(ids) & known} <= set(theirs[owner])
        # From the second's console, by a passage that the first saw: what either saw.
        sought = max(later(of_first) & known)
        for gateway in (second, first):
            lines = await search(gateway, like={"passage_id": str(sought)}, limit=200)
            assert [one["type"] for one in lines[-2:]] == ["coverage", "end"], lines[-3:]
            found = {int(one["hit"]["id"]) for one in lines if one["type"] == "hit"}
            assert found & of_first and found & of_second

        # An analyst that stands still is as good as dead; when it wakes up, it is late.
        frozen = analysis_below(second)
        frozen.suspend()
        frozen_us = now_us()

        async def first_has_all() -> bool:
            return rows.shared() == {FIRST: 4}

        await first.until(first_has_all)
        print(f"frozen: taken over after {(now_us() - frozen_us) / 1e6:.1f} s")
        lines = await search(first, like={"passage_id": str(sought)})
        assert lines[-2]["code"] == "not_all_compared" and SECOND in lines[-2]["message"]
        frozen.resume()
        await first.until(shared, 60)
        assert frozen.is_running()

        # With its supervisor the kernel ends all that it started: the machine is gone.
        moved = rows.cameras_of(SECOND)
        second.process.send_signal(signal.SIGKILL)
        lost_us = now_us()
        await first.until(first_has_all)
        print(f"killed: taken over after {(now_us() - lost_us) / 1e6:.1f} s")
        taken_us = now_us()

        async def goes_on() -> bool:
            return rows.found(moved, taken_us) >= 2

        await first.until(goes_on, 240)
        # No object was kept by two.
        twice = rows(
            "SELECT a.id, b.id FROM passages a JOIN passages b ON a.camera = b.camera "
            "AND a.id < b.id JOIN passage_details da ON da.id = a.id "
            "JOIN passage_details db ON db.id = b.id WHERE (a.id >> 20) = (b.id >> 20) "
            "AND a.lasts_ms = b.lasts_ms AND da.packed = db.packed"
        )
        assert twice == []
