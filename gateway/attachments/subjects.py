"""What files are attached to, and who may see that: each part says it of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.attachment_tables import attachments
from gateway.people.authorize import Principal

Sight = Callable[[AsyncConnection, Principal, str], Awaitable[str | None]]
"""By the id of a subject: the path of its area ("" for the county's) where the principal may see
it, else None.
"""

_sights: dict[str, Sight] = {}


def seen_by(subject_kind: str, sight: Sight) -> None:
    """From now on files of subjects of this kind are shown to who may see the subject."""
    _sights[subject_kind] = sight


async def where_seen(
    connection: AsyncConnection, principal: Principal, file_id: str
) -> tuple[str, str, str] | None:
    """A subject with this file that the principal may see: (kind, id, path of its area)."""
    table = attachments.c
    rows = await connection.execute(
        sa.select(table.subject_kind, table.subject_id)
        .where(table.file_id == file_id)
        .order_by(table.attached_us)
    )
    for kind, subject_id in rows.all():
        sight = _sights.get(kind)
        path = None if sight is None else await sight(connection, principal, subject_id)
        if path is not None:
            return kind, subject_id, path
    return None
