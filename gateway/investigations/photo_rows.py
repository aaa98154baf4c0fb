"""Writes of pictures that people search by: uploaded photos, and looks at a camera."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.investigation_tables import search_looks, search_photos
from gateway.identifiers import US_PER_S, now_us
from gateway.investigations.request_rows import close_standing_by, require_member, require_usable
from recorder.rows import RowError, row_operation

PHOTOS_LIMIT = 20
LOOKS_LIMIT = 200
LOOK_LASTS_US = 3600 * US_PER_S


@row_operation("investigations.add_photo")
def add_photo(
    connection: sa.Connection, photo_id: str, request_id: str, user_id: str, **columns: Any
) -> str:
    """Keep a photo for a request that is in force; gives its id. Refused with
    ``request_not_usable``, ``not_member``, ``conflict`` for too many.
    """
    request = require_usable(connection, request_id, "photo")
    require_member(connection, request.case_id, user_id)
    count = connection.scalar(
        sa.select(sa.func.count())
        .select_from(search_photos)
        .where(search_photos.c.request_id == request_id)
    )
    if (count or 0) >= PHOTOS_LIMIT:
        raise RowError("conflict", f"a request has at most {PHOTOS_LIMIT} photos: delete one")
    connection.execute(
        sa.insert(search_photos).values(
            id=photo_id,
            request_id=request_id,
            created_us=now_us(),
            created_by=user_id,
            **columns,
        )
    )
    return photo_id


@row_operation("investigations.forget_photo")
def forget_photo(connection: sa.Connection, photo_id: str) -> list[str]:
    """Delete a photo; standing searches by it end. Gives the alarms that this ended."""
    return close_standing_by(connection, [photo_id])


@row_operation("investigations.add_look")
def add_look(connection: sa.Connection, look_id: str, user_id: str, **columns: Any) -> str:
    """Keep a look for an hour; gives its id. Of too many of one person the oldest goes."""
    table = search_looks.c
    old = (
        sa.select(table.id)
        .where(table.user_id == user_id)
        .order_by(table.expires_us.desc())
        .offset(LOOKS_LIMIT - 1)
        .limit(LOOKS_LIMIT)
    )
    gone = list(connection.scalars(old))
    if gone:
        connection.execute(sa.delete(search_looks).where(table.id.in_(gone)))
    connection.execute(
        sa.insert(search_looks).values(
            id=look_id, user_id=user_id, expires_us=now_us() + LOOK_LASTS_US, **columns
        )
    )
    return look_id
