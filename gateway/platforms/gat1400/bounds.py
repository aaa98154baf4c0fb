"""How many channels and places one platform may have us keep: more is an error, or worse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

ROWS_LIMIT = 20_000
TOO_MANY = f"this platform has named {ROWS_LIMIT} devices already: no more are taken"


async def beyond(hub: Hub, table: sa.Table, platform_id: str, codes: Iterable[str]) -> set[str]:
    """Which of these codes would be more new rows of ``table`` than the platform may have.

    Requests at the same time may go beyond it by what they name, once.
    """
    wanted = list(dict.fromkeys(codes))
    own = table.c.platform_id == platform_id
    async with hub.context.reader.connect() as connection:
        statement = sa.select(table.c.code).where(own, table.c.code.in_(wanted))
        known = set(await connection.scalars(statement))
        new = [code for code in wanted if code not in known]
        if not new:
            return set()
        counted = await connection.scalar(sa.select(sa.func.count()).where(own)) or 0
    return set(new[max(ROWS_LIMIT - counted, 0) :])
