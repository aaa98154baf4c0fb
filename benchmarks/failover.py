"""Two machines of a cluster, and what is missed when one of them, or what both need, is lost.

    python -m benchmarks.failover [--quick]

Machines are processes on this one, with PostgreSQL and Ceph's S3 behind links that can be cut; the
cameras are real RTSP senders of tiny pictures, twenty a second, every tenth a keyframe. What was
missed is read from the footage itself: how long after the fault the first of it begins that another
shard has recorded, and the longest seam between two recordings.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.measure import percentile, quick_requested, report
from gateway.identifiers import now_us
from tests.chaos.machines import County, county
from tests.peers import ceph_rgw, postgresql

KILLED_TARGET_S = 5.0
FROZEN_TARGET_S = 8.0
SEAM_TARGET_S = 0.5
_PICTURE_S = 0.05
# Of cameras so many that their pictures would be more than this machine can carry.
_SLOW_PICTURE_S = 0.4
_PATIENCE_S = 180.0
_MAIN = "source_id LIKE '%%/main'"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it is done."""

    cameras: int
    kills: int
    freezes: int
    store_away_s: float
    moved: int


_WHOLE = Plan(cameras=40, kills=8, freezes=4, store_away_s=120.0, moved=500)
_QUICK = Plan(cameras=8, kills=1, freezes=0, store_away_s=5.0, moved=20)


class Footage:
    """What is recorded, looked at from outside."""

    def __init__(self, url: str) -> None:
        self._url = url

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def held_by(self, node: str) -> dict[str, int]:
        """Source → the epoch under which a machine has it."""
        query = f"SELECT source_id, epoch FROM assignments WHERE {_MAIN} AND owner LIKE %s"
        return dict(self._rows(query, f"%.{node}"))

    def moving(self) -> bool:
        """Whether some camera is on its way."""
        query = f"SELECT 1 FROM assignments WHERE {_MAIN} AND successor IS NOT NULL LIMIT 1"
        return bool(self._rows(query))

    def again_after_s(self, held: dict[str, int], at_us: int) -> list[float]:
        """For each source: how long after an instant another epoch's footage begins."""
        query = "SELECT min(start_us) FROM segments WHERE source_id = %s AND epoch > %s"
        found = [self._rows(query, source_id, epoch)[0][0] for source_id, epoch in held.items()]
        return [(start_us - at_us) / 1e6 for start_us in found]

    def seams_s(self, start_us: int, end_us: int) -> list[float]:
        """For each source: the longest time between two recordings."""
        query = (
            "SELECT source_id, effective_start_us, effective_end_us FROM segments WHERE "
            f"{_MAIN} AND effective_end_us > %s AND effective_start_us < %s "
            "ORDER BY source_id, effective_start_us"
        )
        longest: dict[str, float] = {}
        for one, two in pairwise(self._rows(query, start_us, end_us)):
            if one[0] == two[0]:
                seam_s = (two[1] - one[2]) / 1e6
                assert seam_s >= 0, "a moment is there twice"
                longest[one[0]] = max(longest.get(one[0], 0.0), seam_s)
        return list(longest.values())


async def _until_spread(place: County, footage: Footage) -> None:
    """Wait until both machines have cameras, and none is on its way."""
    async with asyncio.timeout(_PATIENCE_S):
        while not footage.held_by("node-b") or footage.moving():  # noqa: ASYNC110 - rows of others
            await asyncio.sleep(0.2)
    await place.until_recorded_now(_PATIENCE_S)


async def _kills(place: County, footage: Footage, times: int) -> None:
    again: list[float] = []
    seams: list[float] = []
    for _ in range(times):
        await _until_spread(place, footage)
        held = footage.held_by("node-b")
        lost_us = now_us()
        await place.machines[1].lose_power()
        await place.until_recorded_now(_PATIENCE_S)
        again += footage.again_after_s(held, lost_us)
        # It comes back, and half of the cameras with it.
        back_us = now_us()
        await place.machines[1].start()
        await _until_spread(place, footage)
        seams += footage.seams_s(back_us, now_us())
    for percent in (50, 95):
        report(
            f"a machine is killed: recorded elsewhere after, p{percent}",
            percentile(again, percent),
            "s",
            n=len(again),
            target=KILLED_TARGET_S if percent == 95 else None,
        )
    report(
        "a machine comes: cameras move to it, longest seam",
        max(seams, default=None),
        "s",
        n=len(seams),
        target=SEAM_TARGET_S,
    )


async def _freezes(place: County, footage: Footage, times: int) -> None:
    again: list[float] = []
    for _ in range(times):
        await _until_spread(place, footage)
        held = footage.held_by("node-b")
        shard = place.machines[1].child("shard")
        assert shard is not None
        frozen_us = now_us()
        shard.suspend()
        await place.until_recorded_now(_PATIENCE_S)
        again += footage.again_after_s(held, frozen_us)
        shard.resume()
    if again:
        report(
            "a machine stands still: recorded elsewhere after, p95",
            percentile(again, 95),
            "s",
            n=len(again),
            target=FROZEN_TARGET_S,
        )


async def _database_restarts(place: County, footage: Footage) -> None:
    await _until_spread(place, footage)
    began_us = now_us()
    await asyncio.to_thread(place.postgresql.stop, signal.SIGQUIT)
    await asyncio.sleep(5)
    await asyncio.to_thread(place.postgresql.start)
    await place.until_recorded_now(_PATIENCE_S)
    _report_missed("PostgreSQL crashes, and is back after 5 s", footage, began_us)


async def _store_away(place: County, footage: Footage, away_s: float) -> None:
    await _until_spread(place, footage)
    began_us = now_us()
    for machine in place.machines:
        await machine.store.refuse()
    await asyncio.sleep(away_s)
    for machine in place.machines:
        await machine.store.accept()
    await place.until_recorded_now(_PATIENCE_S)
    _report_missed(f"S3 is away for {away_s:.0f} s", footage, began_us)


async def _moves(place: County, footage: Footage) -> None:
    """All that one machine has goes to another that has nothing."""
    await _until_spread(place, footage)
    first, second = place.machines
    await second.gridsight("drain", "node-a")
    await place.until_recorded_now(_PATIENCE_S)
    held = footage.held_by("node-b")
    began_us = now_us()
    await asyncio.gather(
        first.gridsight("drain", "node-a", "--back"), first.gridsight("drain", "node-b")
    )
    took_s = (now_us() - began_us) / 1e6
    await place.until_recorded_now(_PATIENCE_S)
    moved = footage.held_by("node-a")
    assert len(moved) == len(held) == len(place.camera_ids)
    seams = footage.seams_s(began_us, now_us())
    report(
        "all cameras of a machine move to an empty one: longest seam", max(seams), "s",
        n=len(seams), target=SEAM_TARGET_S, note=f"it took {took_s:.0f} s",
    )  # fmt: skip


def _report_missed(what: str, footage: Footage, began_us: int) -> None:
    seams = footage.seams_s(began_us, now_us())
    report(f"{what}: longest seam", max(seams), "s", n=len(seams), target=SEAM_TARGET_S)


_postgresql = contextlib.contextmanager(postgresql.running_server)


async def _measure(plan: Plan) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="gs-") as folder,
        _postgresql() as database,
        ceph_rgw.running_server(Path(folder) / "ceph") as s3,
    ):
        url = database.new_database()
        machines = Path(folder) / "county"
        machines.mkdir()
        async with county(
            machines, database, url, s3, cameras=plan.cameras, picture_s=_PICTURE_S
        ) as place:
            footage = Footage(url)
            await _kills(place, footage, plan.kills)
            await _freezes(place, footage, plan.freezes)
            await _database_restarts(place, footage)
            await _store_away(place, footage, plan.store_away_s)
        many_url = database.new_database()
        many = Path(folder) / "many"
        many.mkdir()
        async with county(
            many, database, many_url, s3, cameras=plan.moved, picture_s=_SLOW_PICTURE_S,
            segment_s=20,
        ) as place:  # fmt: skip
            await _moves(place, Footage(many_url))


def main() -> None:
    """See the module's description."""
    asyncio.run(_measure(_QUICK if quick_requested(__doc__) else _WHOLE))


if __name__ == "__main__":
    main()
