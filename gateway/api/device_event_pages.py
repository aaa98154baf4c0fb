"""Pages of what happened at cameras and devices: the newest first, as masks let it be known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.api.masked_events import events_beside_masks
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.database.operating_tables import device_events
from gateway.database.platform_tables import platforms
from gateway.database.tables import cameras
from gateway.people.authorize import Principal

_SHOWN = (
    "id", "platform_id", "camera_id", "channel", "kind", "source", "begin_us", "end_us", "state",
    "count", "detail",
)  # fmt: skip


class EventNames:
    """Names of cameras and platforms for rows of events, remembered."""

    def __init__(self, reader: AsyncEngine) -> None:
        self._reader = reader
        self._names: dict[str, str] = {}

    async def of(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The DeviceEvent documents of rows as they were stored."""
        if not rows:
            return []
        ids = {row[name] for row in rows for name in ("camera_id", "platform_id") if row[name]}
        unknown = ids - self._names.keys()
        if unknown:
            async with self._reader.connect() as connection:
                self._names = await _names_of(connection, ids)
        return [
            {
                **{name: row[name] for name in _SHOWN},
                "camera_name": self._names.get(row["camera_id"] or ""),
                "platform_name": self._names.get(row["platform_id"], ""),
            }
            for row in rows
        ]


async def event_page(
    reader: AsyncEngine,
    caller: Principal,
    where: Sequence[sa.ColumnElement[bool]],
    *,
    kind: str | None,
    open: bool | None,
    start_us: int,
    end_us: int,
    limit: int,
    cursor: str | None,
) -> dict[str, Any]:
    """``{items, next_cursor}`` of rows of ``device_events`` that fit ``where``, that began within
    the range, of this kind, and are still open or not. Raises ApiError 422 for the cursor.
    """
    table = device_events.c
    chosen = [*where, table.begin_us >= start_us, table.begin_us < end_us]
    if kind is not None:
        chosen.append(table.kind == kind)
    if open is not None:
        chosen.append((table.state == "open") if open else (table.state != "open"))
    key = read_cursor(cursor, 2)
    if key is not None:
        place = sa.tuple_(cursor_number(key[0]), key[1])
        chosen.append(sa.tuple_(table.begin_us, table.id) < place)
    statement = (
        sa.select(device_events)
        .where(*chosen)
        .order_by(table.begin_us.desc(), table.id.desc())
        .limit(limit + 1)
    )
    async with reader.connect() as connection:
        rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
        told = await events_beside_masks(connection, caller, rows[:limit])
    # Of a page of which something is not told, too.
    last = rows[limit - 1] if len(rows) > limit else None
    return {
        "items": await EventNames(reader).of(told),
        "next_cursor": write_cursor((str(last["begin_us"]), last["id"])) if last else None,
    }


async def _names_of(connection: AsyncConnection, ids: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for table in (cameras, platforms):
        rows = await connection.execute(
            sa.select(table.c.id, table.c.name).where(table.c.id.in_(ids))
        )
        names.update({row.id: row.name for row in rows})
    return names
