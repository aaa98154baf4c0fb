"""A platform's state is that of its channels: when it goes they are off, and they come back with
its catalogue (GB/T 28181-2016 §9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.platform_tables import platform_channels
from gateway.platforms.operations import StateSink

_log = structlog.get_logger(__name__)

_AGAIN_S = 1.0


async def put_channels_off(
    reader: AsyncEngine,
    sink: StateSink,
    platform_ids: Collection[str],
    is_online: Callable[[str], bool],
) -> None:
    """Tell as off what is on of these platforms, unless one is back by then."""
    table = platform_channels
    statement = sa.select(table.c.platform_id, table.c.code).where(
        table.c.platform_id.in_(platform_ids), table.c.gone_us.is_(None), table.c.status == "on"
    )
    while True:
        try:
            async with reader.connect() as connection:
                rows = (await connection.execute(statement)).all()
            break
        except sa.exc.DBAPIError as error:
            _log.warning("channels cannot be read yet; trying again", why=str(error))
            await asyncio.sleep(_AGAIN_S)
    off: dict[str, dict[str, str]] = {}
    for row in rows:
        off.setdefault(row.platform_id, {})[row.code] = "off"
    for platform_id, status in off.items():
        if not is_online(platform_id):
            sink.channel_status(platform_id, status)
