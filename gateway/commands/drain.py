"""``gridsight drain``: a machine's cameras move to the others, or may come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.commands.rows import open_rows
from gateway.database.engine import create_reader_engine
from gateway.settings import Settings
from recorder.tables import assignments, sources

_LOOK_S = 1.0
# A camera that grants one connection takes half a minute; longer without any, and no more will go.
_PATIENCE_S = 90.0


async def drain(
    settings: Settings, node: str, *, back: bool, wait: bool, tell: Callable[[int], None]
) -> tuple[list[str], int]:
    """Have the cameras of a machine's shards move elsewhere, or with ``back`` let them come; gives
    the shards' names, and how many cameras will stay. With ``wait``, ``tell`` how many are left,
    each time that changes. Raises RowError ``not_found``, ConnectionError.
    """
    async with open_rows(settings) as rows:
        names: list[str] = await rows.write("shards.drain", node=node, drained=not back)
    if back or not wait:
        return names, 0
    reader = create_reader_engine(settings)
    told, told_s = None, time.monotonic()
    try:
        while (left := await _cameras_of(reader, names)) > 0:
            if left != told:
                told, told_s = left, time.monotonic()
                tell(left)
            elif time.monotonic() - told_s > _PATIENCE_S:
                break
            await asyncio.sleep(_LOOK_S)
    finally:
        await reader.dispose()
    return names, left


async def _cameras_of(reader: AsyncEngine, names: list[str]) -> int:
    async with reader.connect() as connection:
        found = await connection.scalar(
            sa.select(sa.func.count())
            .select_from(assignments)
            .join(sources, sources.c.id == assignments.c.source_id)
            .where(
                assignments.c.owner.in_(names),
                sources.c.kind == "camera",
                sources.c.variant == "main",
            )
        )
    return int(found or 0)
