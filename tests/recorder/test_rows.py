"""Writes by name: durable when answered, grouped into one transaction, failing alone."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from recorder.rows import LocalRowWriter, RowError, row_follower, row_operation

numbers = sa.Table("numbers", sa.MetaData(), sa.Column("value", sa.Integer, primary_key=True))
PREFIX = f"test_{uuid.uuid4().hex}"


@row_operation(f"{PREFIX}.insert")
def _insert(connection: sa.Connection, value: int) -> int:
    connection.execute(numbers.insert().values(value=value))
    return value * 10


@row_operation(f"{PREFIX}.refuse")
def _refuse(connection: sa.Connection, value: int) -> None:
    connection.execute(numbers.insert().values(value=value))
    raise RowError("refused", "not this one")


def _let_savepoints_work(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    sa.event.listen(engine, "connect", _let_savepoints_work)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    numbers.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine: sa.Engine) -> Iterator[LocalRowWriter]:
    writer = LocalRowWriter(engine)
    yield writer
    writer.close()


def stored(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return sorted(connection.execute(sa.select(numbers.c.value)).scalars())


async def test_result_comes_back_after_the_commit(
    writer: LocalRowWriter, engine: sa.Engine
) -> None:
    assert await writer.write(f"{PREFIX}.insert", value=4) == 40
    assert stored(engine) == [4]


async def test_a_refused_write_leaves_nothing_and_harms_nobody_in_its_batch(
    writer: LocalRowWriter, engine: sa.Engine
) -> None:
    outcomes = await asyncio.gather(
        writer.write(f"{PREFIX}.insert", value=1),
        writer.write(f"{PREFIX}.refuse", value=2),
        writer.write(f"{PREFIX}.insert", value=1),
        writer.write(f"{PREFIX}.insert", value=3),
        return_exceptions=True,
    )
    assert outcomes[0] == 10
    assert isinstance(outcomes[1], RowError)
    assert outcomes[1].code == "refused"
    assert isinstance(outcomes[2], sa.exc.IntegrityError)
    assert outcomes[3] == 30
    assert stored(engine) == [1, 3]


async def test_an_unknown_operation_is_refused_by_name(writer: LocalRowWriter) -> None:
    with pytest.raises(RowError, match="no such write: nothing"):
        await writer.write("nothing")


async def test_waiting_writes_share_one_transaction(engine: sa.Engine) -> None:
    begun = 0

    def count(_connection: sa.Connection) -> None:
        nonlocal begun
        begun += 1

    writer = LocalRowWriter(engine)
    # The first write keeps the thread busy at least until the other hundred are queued behind it.
    with contextlib.closing(sqlite3.connect(str(engine.url.database))) as holder:
        holder.isolation_level = None
        holder.execute("BEGIN IMMEDIATE")
        sa.event.listen(engine, "begin", count)
        pending = [writer.submit(f"{PREFIX}.insert", value=value) for value in range(101)]
        holder.execute("COMMIT")
    await asyncio.gather(*(asyncio.wrap_future(future) for future in pending))
    writer.close()
    assert stored(engine) == list(range(101))
    assert begun <= 3


def test_closing_finishes_what_was_accepted(engine: sa.Engine) -> None:
    writer = LocalRowWriter(engine)
    for value in range(50):
        writer.submit(f"{PREFIX}.insert", value=value)
    writer.close()
    writer.close()
    assert stored(engine) == list(range(50))
    with pytest.raises(ConnectionError):
        writer.submit(f"{PREFIX}.insert", value=51)


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        row_operation(f"{PREFIX}.insert")(_insert)


@row_operation(f"{PREFIX}.followed")
def _followed(connection: sa.Connection, value: int) -> int:
    return _insert(connection, value)


@row_follower(f"{PREFIX}.followed")
def _follow(connection: sa.Connection, arguments: dict[str, Any], result: int) -> None:
    if arguments["value"] == 7:
        raise RowError("conflict", "not that one")
    connection.execute(numbers.insert().values(value=result))


async def test_what_follows_a_write_is_written_with_it_or_neither_is(
    writer: LocalRowWriter, engine: sa.Engine
) -> None:
    assert await writer.write(f"{PREFIX}.followed", value=1) == 10
    with pytest.raises(RowError):
        await writer.write(f"{PREFIX}.followed", value=7)
    assert stored(engine) == [1, 10]
