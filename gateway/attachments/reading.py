"""Files as documents of the API, by what they are attached to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.attachment_tables import attached_files, attachments

SHOWN = (
    "id", "kind", "media_type", "name", "sha256", "size_bytes", "width", "height", "duration_ms",
    "longitude", "latitude", "taken_us", "has_thumbnail", "created_us",
)  # fmt: skip


def file_document(row: sa.Row[Any]) -> dict[str, Any]:
    """One row of ``attached_files``."""
    return {name: row._mapping[name] for name in SHOWN}


async def files_of(
    connection: AsyncConnection, subject_kind: str, subject_ids: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """The files of each subject, in the order in which they were attached; all ids are there."""
    found: dict[str, list[dict[str, Any]]] = {one: [] for one in subject_ids}
    links, files = attachments.c, attached_files.c
    rows = await connection.execute(
        sa.select(attached_files, links.subject_id)
        .join(attachments, links.file_id == files.id)
        .where(
            links.subject_kind == subject_kind,
            links.subject_id.in_(subject_ids),
            files.removed_us.is_(None),
            files.kept_us.is_not(None),
        )
        .order_by(links.attached_us, files.created_us, files.id)
    )
    for row in rows.all():
        found[row.subject_id].append(file_document(row))
    return found
