"""Rows, a store and two cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.rows import LocalRowWriter
from recorder.stores.directory import DirectoryStore
from recorder.tables import sources, spans
from tests.gateway.kept import kept


@dataclass
class Place:
    """Where analysis keeps things."""

    folder: Path
    rows: LocalRowWriter
    engine: AsyncEngine
    store: DirectoryStore
    writing: sa.Engine

    async def all(self, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
        chosen = [table.c[name] for name in columns] or list(table.c)
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(sa.select(*chosen))]

    def recorded(self, camera_id: str, kind: str, start_us: int, end_us: int) -> None:
        """There is footage."""
        source_id = f"{camera_id}/{'main' if kind == 'camera' else kind}"
        with self.writing.begin() as connection:
            known = connection.scalar(sa.select(sources.c.id).where(sources.c.id == source_id))
            if known is None:
                connection.execute(
                    sa.insert(sources).values(
                        id=source_id, kind=kind, camera_id=camera_id, variant="main",
                        created_us=end_us,
                    )
                )  # fmt: skip
            connection.execute(
                sa.insert(spans).values(source_id=source_id, start_us=start_us, end_us=end_us)
            )


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with kept(tmp_path) as there:
        rows = there.rows
        area_id = await rows.write("areas.create", parent_id=None, name="钟祥县")
        cameras = [
            {
                "id": camera_id, "area_id": area_id, "name": camera_id, "main_url": "rtsp://127.0.0.1/1",
                "sub_url": None, "username": None, "password_sealed": None, "transport": "auto",
                "record": record, "retention_days": None, "retention_bytes": None, "enabled": True,
                "analysis": analysis,
            }
            for camera_id, record, analysis in (
                ("cam_1", "continuous", "auto"), ("cam_2", "continuous", "off"),
                ("cam_3", "off", "auto"), ("cam_4", "off", "on"),
            )
        ]  # fmt: skip
        await rows.write("cameras.create", cameras_columns=cameras)
        yield Place(tmp_path, rows, there.reader, there.store, there.writing)
