"""A query that nobody waits for ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiosqlite
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.engine import create_reader_engine, create_writer_engine
from gateway.database.stoppable import run_stoppable
from gateway.settings import Settings

# Minutes of work.
ENDLESS = sa.text(
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2000000000)"
    " SELECT count(*) FROM n"
)


@pytest.mark.timeout(30)
async def test_a_cancelled_query_is_interrupted(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path)
    create_writer_engine(settings).connect().close()
    engine = create_reader_engine(settings)

    async def count(connection: AsyncConnection) -> None:
        await connection.execute(ENDLESS)

    task = asyncio.create_task(run_stoppable(engine, count))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with engine.connect() as connection:
        assert await connection.scalar(sa.text("SELECT 1")) == 1
    before = time.process_time()
    await asyncio.sleep(0.2)
    # Nothing works on behind our back.
    assert time.process_time() - before < 0.15
    await engine.dispose()


@pytest.mark.timeout(30)
async def test_whoever_is_cancelled_again_still_has_it_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_directory=tmp_path)
    create_writer_engine(settings).connect().close()
    engine = create_reader_engine(settings)
    ended = asyncio.Event()
    early = iter(range(3))
    interrupt = aiosqlite.Connection.interrupt

    async def late_for_the_first(raw: aiosqlite.Connection) -> None:
        # On a busy machine the statement begins after it was asked to end.
        if next(early, None) is None:
            await interrupt(raw)

    async def count(connection: AsyncConnection) -> None:
        try:
            await connection.execute(ENDLESS)
        finally:
            ended.set()

    monkeypatch.setattr(aiosqlite.Connection, "interrupt", late_for_the_first)
    task = asyncio.create_task(run_stoppable(engine, count))
    await asyncio.sleep(0.1)
    for _ in range(5):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        await ended.wait()
    await engine.dispose()
