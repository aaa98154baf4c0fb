"""Cameras are kept on shards that live, with real rows and shards that answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from gateway.cluster import reconciler as reconciling
from gateway.cluster.pulse import LEASE_S
from gateway.cluster.reconciler import Reconciler
from gateway.control.channel import ControlClient, ControlServer
from gateway.database.engine import create_reader_engine
from gateway.database.tables import areas, cameras, processes, shards
from gateway.database.writer_process import load_operations
from gateway.identifiers import now_us
from gateway.settings import Settings
from gateway.shard.desired import DesiredReader
from recorder.lookup import recent_predecessor
from recorder.rows import LocalRowWriter, RowError, RowWriter
from recorder.span_rows import add_span
from recorder.tables import assignments, gaps
from tests.gateway.kept import new_database

pytestmark = pytest.mark.both_databases

SECRET = b"s" * 32
SILENT_ROUNDS = int(LEASE_S) + 2


class County:
    """A database with cameras, shards that beat and answer, and a clock that the test turns."""

    def __init__(self, folder: Path, database_url: SecretStr | None) -> None:
        self.folder = folder
        self.settings = Settings(data_directory=folder, database_url=database_url)
        load_operations()
        self.engine = new_database(self.settings)
        self.rows = LocalRowWriter(self.engine)
        self.reader = create_reader_engine(self.settings)
        self.now_s = 0.0
        self.recording: dict[str, set[str]] = {}
        self.servers: list[ControlServer] = []
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(areas).values(
                    id="area_1", name="a", path="area_1/", position=0, created_us=1
                )
            )

    def add_cameras(self, number: int) -> None:
        with self.engine.begin() as connection:
            for one in range(number):
                connection.execute(
                    sa.insert(cameras).values(
                        id=f"cam_{one}", area_id="area_1", name=f"{one}",
                        main_url=f"rtsp://192.0.2.1/{one}", transport="auto",
                        record="continuous", enabled=True, created_us=1, changed_us=1,
                    )
                )  # fmt: skip

    async def add_shard(self, name: str, node: str = "node-a") -> None:
        await self.claim(name, node)
        self.recording[name] = set()

        async def status() -> dict[str, Any]:
            main = {"state": "live", "recording": True}
            return {
                "cameras": [
                    {"camera_id": one, "states": {"main": main}} for one in self.recording[name]
                ]
            }

        async def reconcile() -> None: ...

        handlers = {"shard.status": status, "shard.reconcile": reconcile}
        server = ControlServer(self.folder / f"{name}.sock", SECRET, handlers)
        await server.start()
        self.servers.append(server)

    async def claim(self, name: str, node: str) -> None:
        await self.rows.write(
            "shards.claim", name=name, node=node, capacity_mbps=100.0, networks=[]
        )

    def reconciler(self, *, leads: bool = True) -> Reconciler:
        def connect(name: str) -> ControlClient:
            return ControlClient(self.folder / f"{name}.sock", SECRET)

        rows = self.rows if leads else None
        return Reconciler(self.reader, rows, connect, clock=lambda: self.now_s)

    async def rounds(self, number: int, living: list[str], *who: Reconciler) -> None:
        for _ in range(number):
            self.now_s += 1.0
            for name in living:
                await self.rows.write("shards.beat", name=name, node="node-a")
            for one in who:
                await one.turn()

    def gap(self) -> sa.Row[Any]:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(gaps)).one()

    def assigned(self) -> dict[str, tuple[str, str | None, int]]:
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(assignments)).all()
        return {row.source_id: (row.owner, row.successor, row.epoch) for row in found}

    def owners(self) -> list[str]:
        return sorted(owner for owner, _, _ in self.assigned().values())

    async def desired(self, shard: str) -> dict[str, int]:
        """Source → the epoch under which a shard would hold it now."""
        found = await DesiredReader(self.reader, SECRET, shard).read()
        return {source.source_id: source.epoch for source in found.sources.values()}


@pytest.fixture
async def county(tmp_path: Path, database_url: SecretStr | None) -> AsyncIterator[County]:
    made = County(tmp_path, database_url)
    yield made
    for server in made.servers:
        await server.close()
    made.rows.close()
    await made.reader.dispose()
    made.engine.dispose()


@contextlib.asynccontextmanager
async def closing(*reconcilers: Reconciler) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for one in reconcilers:
            await one.close()


@contextlib.asynccontextmanager
async def leading(reconciler: Reconciler, rows: RowWriter) -> AsyncIterator[None]:
    task = asyncio.create_task(reconciler.lead(rows))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_a_dead_shard_recorded_last_is_said_to_be_held_there(county: County) -> None:
    county.add_cameras(1)
    for name in ("shard-1", "shard-2"):
        await county.add_shard(name)
    reconciler = county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, ["shard-1", "shard-2"], reconciler)
        ((former, _, _),) = county.assigned().values()
        (heir,) = {"shard-1", "shard-2"} - {former}
        with county.engine.begin() as connection:
            add_span(connection, "cam_0/main", 1_000_000, 61_000_000)
        await county.rounds(SILENT_ROUNDS, [heir], reconciler)
    assert county.assigned()["cam_0/main"] == (heir, None, 2)
    gap = county.gap()
    with county.engine.connect() as connection:
        before = connection.execute(sa.select(recent_predecessor(now_us()))).scalar()
    assert (gap.start_us, gap.end_us, gap.cause) == (61_000_000, None, "held_on_node")
    assert former in gap.detail
    assert before == former, "its spool is asked as well, for a while"

    # Somebody else's return says nothing of it; nor does the former owner's of another camera.
    await county.rows.write("gaps.brought_back", owners=[heir])
    await county.rows.write("gaps.brought_back", owners=[former], source_ids=["cam_1/main"])
    assert county.gap() == gap
    await county.rows.write("gaps.brought_back", owners=[former], source_ids=["cam_0/main"])
    now = county.gap()
    assert (now.start_us, now.end_us, now.cause) == (61_000_000, None, "gateway_stopped")
    assert now.detail == f"{former} was away"


async def test_a_shard_that_is_called_differently_keeps_its_cameras(county: County) -> None:
    county.add_cameras(2)
    await county.add_shard("shard-1")
    reconciler = county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, ["shard-1"], reconciler)
    for name, node in (("shard-1", "alone"), ("signalling", "alone"), ("writer.node-b", "node-b")):
        await county.rows.write(
            "processes.report", name=name, kind=name.partition("-")[0], node=node,
            process_id=1, started_us=1,
        )  # fmt: skip
    await county.rows.write("shards.rename", names={"shard-1": "shard-1.node-a"})
    await county.rows.write("processes.keep_only", names=["shard-1.node-a"], node="node-a")
    with county.engine.connect() as connection:
        left = set(connection.scalars(sa.select(processes.c.name)))
        assert list(connection.scalars(sa.select(shards.c.name))) == []
    assert left == {"signalling", "writer.node-b"}
    await county.add_shard("shard-1.node-a")
    reconciler = county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, ["shard-1.node-a"], reconciler)
    assert set(county.assigned().values()) == {("shard-1.node-a", None, 1)}
    with county.engine.connect() as connection:
        assert connection.execute(sa.select(gaps)).all() == []


async def test_what_a_frozen_shard_held_goes_to_the_others_under_a_new_epoch(
    county: County,
) -> None:
    county.add_cameras(6)
    for name in ("shard-1", "shard-2", "shard-3"):
        await county.add_shard(name)
    everybody, reconciler = ["shard-1", "shard-2", "shard-3"], county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, everybody, reconciler)
        assert county.owners() == sorted(everybody * 2)
        await county.rounds(2, everybody[1:], reconciler)
        assert county.owners() == sorted(everybody * 2), "its lease is not over"
        await county.rounds(SILENT_ROUNDS, everybody[1:], reconciler)
    assert county.owners() == sorted(everybody[1:] * 3)
    assert sorted(epoch for _, _, epoch in county.assigned().values()) == [1, 1, 1, 1, 2, 2]
    assert await county.desired("shard-1") == {}


async def test_a_drained_node_lets_go_only_when_the_successor_has_recorded(
    county: County,
) -> None:
    county.add_cameras(1)
    await county.add_shard("shard-1")
    reconciler, both = county.reconciler(), ["shard-1", "shard-2"]
    async with closing(reconciler):
        await county.rounds(2, both[:1], reconciler)
        await county.add_shard("shard-2", "node-b")
        await county.rows.write("shards.drain", node="node-a", drained=True)
        county.recording["shard-1"] = {"cam_0"}

        async def rounds(number: int) -> None:
            for _ in range(number):
                await county.rows.write("shards.beat", name="shard-2", node="node-b")
                await county.rounds(1, ["shard-1"], reconciler)

        await rounds(5)
        assert county.assigned()["cam_0/main"] == ("shard-1", "shard-2", 2)
        assert await county.desired("shard-1") == {"cam_0/main": 1}
        assert await county.desired("shard-2") == {"cam_0/main": 2}
        county.recording["shard-2"] = {"cam_0"}
        await rounds(1)
        assert county.assigned()["cam_0/main"][0] == "shard-1", "it has only just begun"
        await rounds(5)
    assert county.assigned()["cam_0/main"] == ("shard-2", None, 2)
    assert await county.desired("shard-1") == {}
    assert await county.desired("shard-2") == {"cam_0/main": 2}, "the recording is not begun anew"


async def test_a_move_to_a_shard_that_dies_is_given_up(county: County) -> None:
    county.add_cameras(1)
    await county.add_shard("shard-1")
    reconciler = county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, ["shard-1"], reconciler)
        await county.add_shard("shard-2", "node-b")
        await county.rows.write("shards.drain", node="node-a", drained=True)
        await county.rounds(2, ["shard-1"], reconciler)
        assert county.assigned()["cam_0/main"][1] == "shard-2"
        await county.rounds(SILENT_ROUNDS, ["shard-1"], reconciler)
    owner, successor, _ = county.assigned()["cam_0/main"]
    assert (owner, successor) == ("shard-1", None)
    assert await county.desired("shard-1") == {"cam_0/main": 3}, "above what the other was given"


async def test_who_does_not_lead_only_watches_and_then_knows_already_who_is_dead(
    county: County,
) -> None:
    county.add_cameras(2)
    both = ["shard-1", "shard-2"]
    for name in both:
        await county.add_shard(name)
    first, second = county.reconciler(leads=False), county.reconciler(leads=False)
    async with closing(first, second):
        await county.rounds(2, both, first, second)
        assert county.owners() == []
        async with leading(first, county.rows):
            await county.rounds(1, both, first, second)
            assert county.owners() == both
        await county.rounds(SILENT_ROUNDS, both[1:], first, second)
        assert county.owners() == both, "nobody leads"
        async with leading(second, county.rows):
            await county.rounds(1, both[1:], first, second)
    assert county.owners() == both[1:] * 2


async def test_a_name_that_is_claimed_elsewhere_ends_here_and_its_late_rows_lose(
    county: County,
) -> None:
    county.add_cameras(1)
    await county.add_shard("shard-1")
    reconciler = county.reconciler()
    async with closing(reconciler):
        await county.rounds(2, ["shard-1"], reconciler)
    assert await county.rows.write("shards.beat", name="shard-1", node="node-a")
    await county.claim("shard-1", "node-b")
    assert not await county.rows.write("shards.beat", name="shard-1", node="node-a")
    assert county.assigned()["cam_0/main"] == ("shard-1", None, 2)


async def test_draining_a_node_that_has_no_shard_is_refused(county: County) -> None:
    with pytest.raises(RowError, match="no media shard has run on node-x"):
        await county.rows.write("shards.drain", node="node-x", drained=True)


async def test_no_failure_ends_the_placing_of_cameras(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "BEAT_INTERVAL_S", 0)
    reconciler = county.reconciler()
    failures = [ConnectionError("the writer is away"), ValueError("what nobody thought of")]
    went_on = asyncio.Event()

    async def turn(woken: bool = False) -> None:
        if failures:
            raise failures.pop()
        went_on.set()

    monkeypatch.setattr(reconciler, "turn", turn)
    running = asyncio.create_task(reconciler.run())
    async with asyncio.timeout(20):
        await went_on.wait()
    running.cancel()
