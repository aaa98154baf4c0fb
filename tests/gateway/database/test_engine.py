"""The engine of readers on SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.database.engine import create_reader_engine
from gateway.settings import Settings

pytestmark = pytest.mark.sqlite


async def test_a_connection_that_is_stopped_while_it_closes_is_closed(tmp_path: Path) -> None:
    engine = create_reader_engine(Settings(data_directory=tmp_path))
    async with engine.connect() as connection:
        pooled = await connection.get_raw_connection()
        raw: Any = pooled.driver_connection
        closing = asyncio.create_task(raw.close())
        # It has asked its thread to close, and not been answered yet.
        await asyncio.sleep(0)
        raw.stop()
        async with asyncio.timeout(30):
            await closing
        await connection.invalidate()
    await engine.dispose()
