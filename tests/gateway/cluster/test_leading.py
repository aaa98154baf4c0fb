"""One leads; when it stops, dies, is frozen or cut off, another does, and never two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster import lease_rows
from gateway.cluster.leading import FencedRows, Leadership
from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.replica_tables import leases
from gateway.database.writer_process import load_operations
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.rows import LocalRowWriter, RowError, RowWriter
from tests.gateway.kept import new_database


class Line:
    """The way of one process to the writer, which can be cut, and on which answers may be late."""

    def __init__(self, rows: RowWriter) -> None:
        self._rows = rows
        self.cut = False
        self.late_s = 0.0

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        if self.cut:
            raise ConnectionError("the way to the writer is cut")
        answer = await self._rows.write(operation, **arguments)
        await asyncio.sleep(self.late_s)
        return answer


class Cluster:
    """Several who would lead, and who works at this moment."""

    def __init__(self, reader: AsyncEngine, rows: RowWriter) -> None:
        self.reader = reader
        self.rows = rows
        self.working: list[str] = []
        self.most = 0
        self.lines: dict[str, Line] = {}
        self.writers: dict[str, RowWriter] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()

    def stand(self, name: str, *, outlasts_silence: bool = False) -> None:
        line = self.lines[name] = Line(self.rows)
        leadership = Leadership(
            self.reader,
            line,
            "api",
            name,
            lasts_s=0.6,
            every_s=0.1,
            margin_s=0.2,
            outlasts_silence=outlasts_silence,
        )

        async def work(rows: RowWriter) -> None:
            self.writers[name] = rows
            self.working.append(name)
            self.most = max(self.most, len(self.working))
            self._changed.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.working.remove(name)
                self._changed.set()

        self.tasks[name] = asyncio.create_task(leadership.run(work))

    async def until(self, holds: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds(self.working):
                self._changed.clear()
                await self._changed.wait()

    async def end(self, name: str) -> None:
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rows(tmp_path: Path) -> AsyncIterator[LocalRowWriter]:
    load_operations()
    engine = new_database(Settings(data_directory=tmp_path))
    writer = LocalRowWriter(engine)
    yield writer
    await asyncio.to_thread(writer.close)
    engine.dispose()


@pytest.fixture
async def cluster(tmp_path: Path, rows: LocalRowWriter) -> AsyncIterator[Cluster]:
    reader = create_reader_engine(Settings(data_directory=tmp_path))
    made = Cluster(reader, rows)
    yield made
    for name in tuple(made.tasks):
        await made.end(name)
    await reader.dispose()


async def test_one_of_three_leads_and_another_when_it_gives_back(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        cluster.stand(name)
    await cluster.until(lambda working: len(working) == 1)
    first = cluster.working[0]
    await cluster.end(first)
    await cluster.until(lambda working: len(working) == 1)
    assert cluster.working[0] != first
    assert cluster.most == 1


async def test_who_cannot_renew_stops_before_another_begins(cluster: Cluster) -> None:
    cluster.stand("a")
    await cluster.until(lambda working: working == ["a"])
    cluster.stand("b")
    cluster.lines["a"].cut = True
    await cluster.until(lambda working: working == ["b"])
    assert cluster.most == 1, "both led at the same time"
    cluster.lines["a"].cut = False
    cluster.lines["b"].cut = True
    await cluster.until(lambda working: working == ["a"])
    assert cluster.most == 1


async def test_who_may_outlast_silence_goes_on_until_it_hears_of_another(cluster: Cluster) -> None:
    cluster.stand("a", outlasts_silence=True)
    await cluster.until(lambda working: working == ["a"])
    former = cluster.writers["a"]
    cluster.lines["a"].cut = True
    cluster.stand("b", outlasts_silence=True)
    # Long after its lease has ended, when only the other could take it.
    await cluster.until(lambda working: working == ["a", "b"])
    cluster.lines["a"].cut = False
    await cluster.until(lambda working: working == ["b"])
    with pytest.raises(RowError) as refused:
        await former.write("areas.create", parent_id=None, name="钟祥县")
    assert refused.value.code == lease_rows.LOST
    # Nobody else has come meanwhile: the same one goes on, and was never interrupted.
    cluster.lines["a"].cut = cluster.lines["b"].cut = True
    present = cluster.writers["b"]
    await asyncio.sleep(1)
    cluster.lines["a"].cut = cluster.lines["b"].cut = False
    assert await present.write("areas.create", parent_id=None, name="京山县")
    assert cluster.working == ["b"]


async def test_who_hears_too_late_that_it_leads_does_not_begin(cluster: Cluster) -> None:
    cluster.stand("a")
    cluster.lines["a"].late_s = 0.5
    cluster.stand("b")
    await cluster.until(lambda working: bool(working))
    assert cluster.writers.keys() == {"b"}


async def test_what_a_former_leader_still_writes_is_refused(cluster: Cluster) -> None:
    cluster.stand("a")
    await cluster.until(lambda working: working == ["a"])
    before = cluster.writers["a"]
    assert await before.write("areas.create", parent_id=None, name="钟祥县")
    # The work in flight of one that was frozen does not know that its time is over.
    await cluster.end("a")
    cluster.stand("b")
    await cluster.until(lambda working: working == ["b"])
    with pytest.raises(RowError) as refused:
        await before.write("areas.create", parent_id=None, name="京山县")
    assert refused.value.code == lease_rows.LOST
    assert await cluster.writers["b"].write("areas.create", parent_id=None, name="沙洋县")


async def test_work_that_fails_is_begun_anew_by_whoever_leads_next(cluster: Cluster) -> None:
    begun = asyncio.Queue[RowWriter]()
    failures = [RuntimeError("once")]

    async def work(rows: RowWriter) -> None:
        begun.put_nowait(rows)
        if failures:
            raise failures.pop()
        await asyncio.Event().wait()

    leadership = Leadership(cluster.reader, cluster.rows, "api", "a", every_s=0.05)
    running = asyncio.create_task(leadership.run(work))
    async with asyncio.timeout(30):
        await begun.get()
        await begun.get()
    assert leadership.epoch == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_lease_is_one_holders_until_its_time_is_over(
    rows: LocalRowWriter, tmp_path: Path
) -> None:
    minute = 60_000_000
    assert await rows.write("leases.take", name="x", holder="a", lasts_us=minute) == 1
    assert await rows.write("leases.take", name="x", holder="b", lasts_us=minute) is None
    assert await rows.write("leases.take", name="y", holder="b", lasts_us=minute) == 1
    assert await rows.write("leases.renew", name="x", epoch=1, lasts_us=minute)
    engine = create_writer_engine(Settings(data_directory=tmp_path))
    with engine.begin() as connection:
        over = sa.update(leases).where(leases.c.name == "x").values(expires_us=now_us() - 1)
        connection.execute(over)
    engine.dispose()
    # Late, but nobody has taken it.
    assert await rows.write("leases.renew", name="x", epoch=1, lasts_us=-1)
    assert await rows.write("leases.take", name="x", holder="b", lasts_us=minute) == 2
    assert not await rows.write("leases.renew", name="x", epoch=1, lasts_us=minute)
    await rows.write("leases.give_back", name="x", epoch=1)
    assert await rows.write("leases.take", name="x", holder="c", lasts_us=minute) is None
    await rows.write("leases.give_back", name="x", epoch=2)
    assert not await rows.write("leases.renew", name="x", epoch=2, lasts_us=minute)
    assert await rows.write("leases.take", name="x", holder="c", lasts_us=minute) == 3


async def test_a_fenced_write_is_one_transaction_with_its_check(rows: LocalRowWriter) -> None:
    fenced = FencedRows(rows, "api", 1)
    with pytest.raises(RowError):
        await fenced.write("areas.create", parent_id=None, name="nobody leads yet")
    await rows.write("leases.take", name="api", holder="a", lasts_us=1)
    with pytest.raises(RowError) as refused:
        await fenced.write("nothing.known")
    assert refused.value.code == "unknown_operation"
    assert await fenced.write("areas.create", parent_id=None, name="none has taken it since")
