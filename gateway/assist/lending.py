"""Clips that a request lends to who asked: to them alone, to be played, until the request ends.

Nothing is written when it ends: what is lent follows from the request's row (decision 035).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.assist.states import is_open
from gateway.audit import ReasonGiven
from gateway.database.assist_tables import assist_clips, assist_requests
from gateway.database.tables import users
from gateway.identifiers import now_us
from gateway.people.authorize import Footage, Lent, Principal


@dataclass(frozen=True, slots=True)
class LentClip:
    """``reason`` and ``detail`` go into the register with the look."""

    lent: Lent
    reason: ReasonGiven
    detail: dict[str, Any]


async def lent_clip(
    connection: AsyncConnection, caller: Principal, clip_id: str
) -> LentClip | None:
    """The clip while it is lent to the caller. None for any other."""
    clip, request = assist_clips.c, assist_requests.c
    statement = (
        sa.select(assist_clips, request.deadline_us, request.case_id, request.title)
        .join(assist_requests, request.id == clip.request_id)
        .where(clip.id == clip_id, request.created_by == caller.user_id, is_open(now_us()))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return LentClip(
        Lent(clip_id, Footage(row.camera_id, row.start_us, row.end_us), row.deadline_us),
        ReasonGiven(text=row.title, case_id=row.case_id),
        {"clip_id": clip_id, "assist_id": row.request_id},
    )


async def clips_lent(
    connection: AsyncConnection, clip_ids: Collection[str], at_us: int
) -> frozenset[str]:
    """Those of them that are lent then, to somebody whose account is open."""
    if not clip_ids:
        return frozenset()
    clip, request = assist_clips.c, assist_requests.c
    rows = await connection.scalars(
        sa.select(clip.id)
        .join(assist_requests, request.id == clip.request_id)
        .join(users, users.c.id == request.created_by)
        .where(clip.id.in_(clip_ids), is_open(at_us), users.c.enabled)
    )
    return frozenset(rows)
