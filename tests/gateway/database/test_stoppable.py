"""A query that nobody waits for ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

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
