"""Rows on a real PostgreSQL: who may write when, what its errors mean, and its restart."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster.child import ConfigurationError
from gateway.database.engine import (
    create_reader_engine,
    create_sync_reader_engine,
    create_writer_engine,
)
from gateway.database.migrate import upgrade
from gateway.database.tables import processes
from gateway.database.writer_process import load_operations
from gateway.settings import Settings
from recorder.row_faults import is_passing
from recorder.rows import LocalRowWriter, RowError, row_operation
from recorder.tables import daily_usage
from tests.peers.postgresql import PostgresqlServer


@pytest.fixture
def settings(tmp_path: Path, postgresql_url: str) -> Settings:
    load_operations()
    return Settings(data_directory=tmp_path, database_url=SecretStr(postgresql_url))


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    made = create_writer_engine(settings)
    yield made
    made.dispose()


@pytest.fixture
def rows(engine: sa.Engine) -> Iterator[LocalRowWriter]:
    writer = LocalRowWriter(engine)
    yield writer
    writer.close()


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[AsyncEngine]:
    made = create_reader_engine(settings)
    yield made
    await made.dispose()


def report(name: str, **columns: object) -> dict[str, object]:
    return {
        "name": name, "kind": "shard", "node": "here", "process_id": 1, "http_address": None,
        "http_port": None, "started_us": 1, **columns,
    }  # fmt: skip


async def names(reader: AsyncEngine) -> set[str]:
    async with reader.connect() as connection:
        return set(await connection.scalars(sa.select(processes.c.name)))


async def test_readers_see_what_was_answered_and_cannot_write(
    rows: LocalRowWriter, reader: AsyncEngine, settings: Settings
) -> None:
    await rows.write("processes.report", **report("shard-1"))
    assert await names(reader) == {"shard-1"}
    async with reader.connect() as connection:
        with pytest.raises(sa.exc.DBAPIError, match="read-only"):
            await connection.execute(sa.delete(processes))
    tool = create_sync_reader_engine(settings)
    with tool.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="read-only"):
        connection.execute(sa.delete(processes))
    tool.dispose()


@row_operation("test.count_up")
def count_up(connection: sa.Connection, source_id: str) -> int:
    """Reads, and writes what follows from it: right only while nobody writes in between."""
    mine = daily_usage.c.source_id == source_id
    before = connection.scalar(sa.select(daily_usage.c.size_bytes).where(mine))
    if before is None:
        values = {"source_id": source_id, "day": 1, "size_bytes": 1, "segments": 1}
        connection.execute(sa.insert(daily_usage).values(values))
        return 1
    connection.execute(sa.update(daily_usage).where(mine).values(size_bytes=before + 1))
    return int(before) + 1


def test_writers_of_two_machines_write_one_after_the_other(settings: Settings) -> None:
    engines = [create_writer_engine(settings) for _ in range(2)]
    writers = [LocalRowWriter(engine, batch_limit=3) for engine in engines]

    def write(writer: LocalRowWriter, found: list[int]) -> None:
        waiting = [writer.submit("test.count_up", source_id="s") for _ in range(60)]
        found += [one.result(60) for one in waiting]

    found: list[list[int]] = [[], []]
    threads = [
        threading.Thread(target=write, args=pair) for pair in zip(writers, found, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found[0] + found[1]) == list(range(1, 121))
    for writer, engine in zip(writers, engines, strict=True):
        writer.close()
        engine.dispose()


async def test_a_refused_write_harms_no_other_in_its_transaction(
    engine: sa.Engine, reader: AsyncEngine
) -> None:
    writer = LocalRowWriter(engine)
    wrong = report("shard-2", node="a\x00b")
    done = await asyncio.gather(
        writer.write("processes.report", **report("shard-1")),
        writer.write("processes.report", **wrong),
        writer.write("processes.report", **report("shard-3", process_id=1 << 40)),
        writer.write("processes.report", **report("shard-4")),
        return_exceptions=True,
    )
    assert [type(one) for one in done] == [type(None), RowError, RowError, type(None)]
    assert all(one.code == "invalid" for one in done if isinstance(one, RowError))
    assert await names(reader) == {"shard-1", "shard-4"}
    writer.close()


async def test_a_question_that_no_row_can_answer_is_a_fault_of_who_asks(
    reader: AsyncEngine,
) -> None:
    for wrong in (processes.c.name == "a\x00b", processes.c.process_id == 1 << 80):
        async with reader.connect() as connection:
            with pytest.raises(sa.exc.DataError):
                await connection.execute(sa.select(processes.c.name).where(wrong))


async def test_text_is_kept_however_long_it_is(rows: LocalRowWriter, reader: AsyncEngine) -> None:
    await rows.write("processes.report", **report("shard-1", node="门" * 3000))
    async with reader.connect() as connection:
        node = await connection.scalar(sa.select(processes.c.node))
    assert node == "门" * 3000


async def test_both_drivers_take_what_the_address_says_of_tls(
    settings: Settings, rows: LocalRowWriter
) -> None:
    await rows.write("processes.report", **report("shard-1"))
    plain = SecretStr(f"{settings.effective_database_url}?sslmode=disable")
    asking = SecretStr(f"{settings.effective_database_url}?sslmode=require")
    for url, answered in ((plain, True), (asking, False)):
        told = settings.model_copy(update={"database_url": url})
        engine, tool = create_reader_engine(told), create_sync_reader_engine(told)
        if answered:
            assert await names(engine) == {"shard-1"}
            tool.connect().close()
        else:  # this server speaks no TLS
            with pytest.raises(sa.exc.OperationalError):
                await names(engine)
            with pytest.raises(sa.exc.OperationalError):
                tool.connect()
        await engine.dispose()
        tool.dispose()


async def test_sums_are_whole_numbers(rows: LocalRowWriter, reader: AsyncEngine) -> None:
    await rows.write("test.count_up", source_id="s")
    async with reader.connect() as connection:
        total = await connection.scalar(sa.select(sa.func.sum(daily_usage.c.size_bytes)))
    assert type(total) is int


def test_a_database_that_sorts_text_otherwise_is_refused(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    postgresql.execute(
        "CREATE DATABASE otherwise OWNER gridsight TEMPLATE template0 "
        "LOCALE_PROVIDER icu ICU_LOCALE 'und'"
    )
    url = postgresql.url("otherwise")
    engine = create_writer_engine(Settings(data_directory=tmp_path, database_url=SecretStr(url)))
    with pytest.raises(ConfigurationError, match="LC_COLLATE 'C'"):
        upgrade(engine)
    engine.dispose()
    postgresql.drop(url)


async def test_writes_go_on_after_the_server_was_restarted_and_none_is_lost(
    postgresql: PostgresqlServer, rows: LocalRowWriter, reader: AsyncEngine
) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT):
        answered: set[str] = set()

        async def write_many(prefix: str, answered: set[str] = answered) -> None:
            for number in range(1000):
                name = f"{prefix}-{number}"
                try:
                    await rows.write("processes.report", **report(name))
                except ConnectionError:
                    # It may have been written, or not: the operation may be repeated.
                    await rows.write("processes.report", **report(name))
                answered.add(name)

        writing = [asyncio.create_task(write_many(f"{how}.{task}")) for task in range(4)]
        while len(answered) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await asyncio.to_thread(postgresql.stop, how)
        before = len(answered)
        await asyncio.to_thread(postgresql.start)
        while len(answered) < before + 40:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for task in writing:
            task.cancel()
        await asyncio.gather(*writing, return_exceptions=True)
        assert answered <= await names(reader)


async def test_who_cannot_reach_the_server_is_told_so(
    postgresql: PostgresqlServer, engine: sa.Engine, reader: AsyncEngine
) -> None:
    writer = LocalRowWriter(engine, patience_s=0.1)
    await writer.write("processes.report", **report("shard-1"))
    await names(reader)
    await asyncio.to_thread(postgresql.stop)
    try:
        for _ in range(2):
            with pytest.raises(ConnectionError, match="away"):
                await writer.write("processes.report", **report("shard-2"))
        for _ in range(2):
            with pytest.raises(sa.exc.OperationalError) as caught:
                await names(reader)
            assert "pa55" not in str(caught.value)
    finally:
        await asyncio.to_thread(postgresql.start)
    await writer.write("processes.report", **report("shard-3"))
    assert await names(reader) == {"shard-1", "shard-3"}
    writer.close()


def test_a_writer_that_hangs_loses_the_lock(settings: Settings, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 200")
        connection.commit()
        connection.execute(sa.select(processes.c.name))
        # This one hangs within its transaction; that one waits for the lock, and gets it.
        other = create_writer_engine(settings)
        with other.begin() as free:
            free.execute(sa.select(processes.c.name))
        other.dispose()
        with pytest.raises(sa.exc.DBAPIError) as caught:
            connection.execute(sa.select(processes.c.name))
        assert is_passing(caught.value)
