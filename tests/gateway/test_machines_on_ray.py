"""Two machines and a head on Ray: each is lost and comes back, and what was recorded is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from benchmarks.failover import Footage
from gateway.identifiers import now_us
from tests.chaos.machines import County, county
from tests.peers.ceph_rgw import S3Server
from tests.peers.postgresql import PostgresqlServer
from tests.peers.ray_site import ray_site
from tests.peers.redis import running_redis
from tests.peers.running_gateway import command

pytestmark = [pytest.mark.extras, pytest.mark.ceph, pytest.mark.timeout(900)]

PATIENCE_S = 120.0
CAMERAS = 4
# A picture comes each 0.2 s; between two recordings a few may be missing.
SEAM_S = 0.7


class Place:
    """The county, its footage, and which processes run."""

    def __init__(self, made: County) -> None:
        self.county = made
        self.footage = Footage(made.database_url)

    def running(self, node: str) -> dict[str, int]:
        """Process → its number, of a machine, as the rows say."""
        query = "SELECT name, process_id FROM processes WHERE node = %s"
        with psycopg.connect(self.county.database_url, autocommit=True) as connection:
            return dict(connection.execute(query, (node,)).fetchall())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - rows of others
                await asyncio.sleep(0.2)

    async def until_another(self, name: str, than: psutil.Process) -> None:
        """Wait until this process is there in place of ``than``, and runs."""

        def another() -> bool:
            query = "SELECT process_id FROM processes WHERE name = %s"
            with psycopg.connect(self.county.database_url, autocommit=True) as connection:
                found = connection.execute(query, (name,)).fetchone()
            return found is not None and found[0] != than.pid and psutil.pid_exists(found[0])

        await self.until(another)

    async def until_spread(self) -> None:
        """Wait until each machine has two cameras, and none is on its way."""
        half = CAMERAS // 2

        def spread() -> bool:
            held = [len(self.footage.held_by(node)) for node in ("node-a", "node-b")]
            return held == [half, half] and not self.footage.moving()

        await self.until(spread)
        await self.county.until_recorded_now(PATIENCE_S)


@pytest.fixture
async def place(
    tmp_path: Path,
    postgresql: PostgresqlServer,
    postgresql_url: str,
    ceph_rgw: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Place]:
    with running_redis(tmp_path / "redis") as state:
        async with (
            ray_site(tmp_path / "secrets", state=state) as site,
            county(
                tmp_path, postgresql, postgresql_url, ceph_rgw, cameras=CAMERAS, ray=site
            ) as made,
        ):
            for name, value in made.machines[0].variables.items():
                monkeypatch.setenv(f"GRIDSIGHT_{name}", value)
            yield Place(made)


async def test_a_machine_is_lost_and_comes_back_and_is_drained(place: Place) -> None:
    first, second = place.county.machines
    await place.until_spread()
    held = place.footage.held_by("node-b")
    before = place.running("node-b")
    lost_us = now_us()
    await second.lose_power()
    await place.county.until_recorded_now(PATIENCE_S)
    assert place.footage.held_by("node-b") == {}
    assert max(place.footage.again_after_s(held, lost_us)) < PATIENCE_S

    back_us = now_us()
    await second.start()
    await place.until_spread()
    after = place.running("node-b")
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert all(psutil.pid_exists(one) for one in after.values())
    assert max(place.footage.seams_s(back_us, now_us()), default=0.0) < SEAM_S

    drained_us = now_us()
    status, output = await command(first.data, "drain", "node-b")
    assert status == 0, output
    assert place.footage.held_by("node-b") == {}
    status, output = await command(first.data, "drain", "node-b", "--back")
    assert status == 0, output
    await place.until_spread()
    assert max(place.footage.seams_s(drained_us, now_us())) < SEAM_S


async def test_the_head_is_lost_and_comes_back(place: Place) -> None:
    site, second = place.county.ray, place.county.machines[1]
    assert site is not None
    await place.until_spread()
    held = {node: place.footage.held_by(node) for node in ("node-a", "node-b")}
    lost_us = now_us()
    await site.head.kill()
    # Who dies meanwhile is started again: its actor needs no head for that.
    child = second.child("transcoder")
    assert child is not None
    child.kill()
    await place.until_another("transcoder.node-b", than=child)

    await site.head.start()
    # The head knows the actors again: one that dies is made anew, on its machine.
    child = second.child("transcoder")
    assert child is not None
    actor = child.parent()
    assert actor is not None
    actor.kill()
    await place.until_another("transcoder.node-b", than=child)
    await place.county.until_recorded_now(PATIENCE_S)
    assert {node: place.footage.held_by(node) for node in held} == held
    assert max(place.footage.seams_s(lost_us, now_us()), default=0.0) < SEAM_S
