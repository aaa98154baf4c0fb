"""Pictures that are searched by: looks at cameras, and photos."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.investigation_tables import search_looks, search_photos
from gateway.identifiers import now_us
from gateway.people.authorize import Principal


async def find_look(
    connection: AsyncConnection, caller: Principal, look_id: str
) -> sa.Row[Any] | None:
    """The caller's own look, while it is good."""
    table = search_looks.c
    statement = sa.select(search_looks).where(
        table.id == look_id, table.user_id == caller.user_id, table.expires_us > now_us()
    )
    return (await connection.execute(statement)).one_or_none()


async def find_photo(connection: AsyncConnection, photo_id: str) -> sa.Row[Any] | None:
    """Whosever it is."""
    statement = sa.select(search_photos).where(search_photos.c.id == photo_id)
    return (await connection.execute(statement)).one_or_none()
