"""Whatever goes wrong, in whatever order: all is well afterwards, every second accounted for.

``make chaos`` runs it for long. ``CHAOS_SEED`` chooses the order, ``CHAOS_FAULTS`` how many there
are, and ``CHAOS_ONLY`` names the ones to choose from, parted by commas.
"""

from __future__ import annotations

import asyncio
import os
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.faults import FAULTS, RAY_FAULTS, Fault
from tests.chaos.machines import County, county
from tests.peers.ceph_rgw import S3Server
from tests.peers.postgresql import PostgresqlServer
from tests.peers.ray_site import ray_site
from tests.peers.redis import running_redis
from tests.peers.running_gateway import gridsight

SEED = int(os.environ.get("CHAOS_SEED", "20261123"))
COUNT = int(os.environ.get("CHAOS_FAULTS", "12"))
ONLY = [one for one in os.environ.get("CHAOS_ONLY", "").split(",") if one]
# The back-offs of everybody who waits for something, one after another, on a busy machine.
PATIENCE_S = 120.0
# Between two recordings of a camera a few pictures' time may be uncovered: one comes each 0.2 s.
SEAM_US = 700_000

pytestmark = [pytest.mark.ceph, pytest.mark.timeout(600 + 60 * COUNT)]


def unaccounted(timeline: dict[str, Any], start_us: int, end_us: int) -> list[tuple[int, int]]:
    """The parts of a range that are neither recorded nor a gap with a cause."""
    told = [(one["start_us"], one["end_us"]) for one in timeline["spans"]]
    told += [(one["start_us"], one["end_us"]) for one in timeline["gaps"] if one["cause"]]
    missing = []
    at_us = start_us
    for start, end in sorted(told):
        if start > at_us + SEAM_US:
            missing.append((at_us, start))
        at_us = max(at_us, end)
    if at_us < end_us:
        missing.append((at_us, end_us))
    return missing


def doubled(url: str) -> list[tuple[Any, ...]]:
    """Footage of one camera that is there twice."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT source_id, effective_start_us, effective_end_us, id FROM segments "
            "WHERE effective_start_us < effective_end_us ORDER BY source_id, effective_start_us"
        ).fetchall()
    return [(*one, *two) for one, two in pairwise(rows) if one[0] == two[0] and two[1] < one[2]]


async def all_is_well(place: County, began_us: int) -> None:
    healed_us = await place.until_recorded_now(PATIENCE_S)
    for camera_id in place.camera_ids:
        timeline = await place.get(
            "/api/timeline", camera_id=camera_id, start_us=began_us, end_us=healed_us
        )
        assert unaccounted(timeline, began_us, healed_us) == [], str(timeline)
    assert doubled(place.database_url) == []


async def nothing_is_under_way(place: County) -> None:
    """Switch the cameras off, and wait until the store has all that was recorded."""
    for camera_id in place.camera_ids:
        await place.patch(f"/api/cameras/{camera_id}", {"enabled": False})

    def waiting() -> list[Path]:
        spools = [one.data / "spool" for one in place.machines]
        return [path for spool in spools for path in spool.glob("*/*.mp4")]

    try:
        async with asyncio.timeout(PATIENCE_S):
            while await asyncio.to_thread(waiting):  # noqa: ASYNC110 - files of others
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"these wait in the spool: {waiting()}")


async def much_goes_wrong(
    place: County, faults: dict[str, Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fault after another, and every second is accounted for at the end."""
    chance = random.Random(SEED)
    names = ONLY or list(faults)
    began_us = await place.until_recorded_now(PATIENCE_S)
    for number in range(COUNT):
        name, machine = chance.choice(names), chance.choice(place.machines)
        print(f"{SEED}, {number + 1}: {name}, {machine.node}", flush=True)
        await faults[name](place, machine, chance)
        # The next one comes before or after all has healed.
        if chance.random() < 0.5:
            await asyncio.sleep(chance.uniform(0, 3))
        else:
            await place.until_all_record(PATIENCE_S)
    await all_is_well(place, began_us)
    await nothing_is_under_way(place)
    for machine in place.machines:
        for name, value in machine.variables.items():
            monkeypatch.setenv(f"GRIDSIGHT_{name}", value)
        for command in (["check", "--verify", "--settle", "0"], ["audit", "verify"]):
            status, output = await gridsight(*command, "--data", str(machine.data))
            assert status == 0, f"{machine.node}, {command}: {output}"


async def test_every_second_is_accounted_for(
    tmp_path: Path,
    postgresql: PostgresqlServer,
    postgresql_url: str,
    ceph_rgw: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with county(tmp_path, postgresql, postgresql_url, ceph_rgw) as place:
        await much_goes_wrong(place, FAULTS, monkeypatch)


@pytest.mark.extras
async def test_every_second_is_accounted_for_on_ray(
    tmp_path: Path,
    postgresql: PostgresqlServer,
    postgresql_url: str,
    ceph_rgw: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_redis(tmp_path / "redis") as state:
        async with (
            ray_site(tmp_path / "secrets", state=state) as ray,
            county(tmp_path, postgresql, postgresql_url, ceph_rgw, ray=ray) as place,
        ):
            await much_goes_wrong(place, FAULTS | RAY_FAULTS, monkeypatch)
