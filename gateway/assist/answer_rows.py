"""Writes of what clerks answer: seen, with clips that are held; not seen; footage missing.

An answer may be given anew while the request is open; what was attached stays attached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.assist.request_rows import change, note, require_open
from gateway.database.assist_tables import assist_areas, assist_clips
from gateway.database.tables import bookmarks
from gateway.evidence.hold_rows import place_hold
from gateway.identifiers import new_id, now_us
from recorder.rows import RowError, row_operation

CLIPS_LIMIT = 50


@row_operation("assist.attach_clip")
def attach_clip(
    connection: sa.Connection,
    request_id: str,
    area_id: str,
    user_id: str,
    camera_id: str,
    start_us: int,
    end_us: int,
    note_words: str,
) -> dict[str, str]:
    """Attach minutes of a camera: they become a bookmark, and a hold of the case keeps them. Gives
    ``clip_id``, ``bookmark_id``, ``hold_id``; of the same minutes those that there are. Refused
    with ``not_in_force``, ``not_found``, ``invalid``, ``conflict`` for too many.
    """
    row = require_open(connection, request_id)
    _require_area(connection, request_id, area_id)
    if not row.start_us < end_us or not start_us < row.end_us or not start_us < end_us:
        raise RowError("invalid", "the clip lies outside the window that is asked about")
    table = assist_clips.c
    of_area = sa.and_(table.request_id == request_id, table.area_id == area_id)
    same = connection.execute(
        sa.select(assist_clips).where(
            of_area,
            table.camera_id == camera_id,
            table.start_us == start_us,
            table.end_us == end_us,
        )
    ).one_or_none()
    if same is not None:
        return {"clip_id": same.id, "bookmark_id": same.bookmark_id, "hold_id": same.hold_id}
    count = connection.scalar(sa.select(sa.func.count()).select_from(assist_clips).where(of_area))
    if (count or 0) >= CLIPS_LIMIT:
        raise RowError("conflict", f"a village attaches at most {CLIPS_LIMIT} clips")
    at_us = now_us()
    words = f"{row.title}: {note_words}" if note_words else row.title
    bookmark_id = new_id("bmk")
    connection.execute(
        sa.insert(bookmarks).values(
            id=bookmark_id,
            camera_id=camera_id,
            at_us=start_us,
            end_us=end_us,
            note=words,
            author_id=user_id,
            created_us=at_us,
        )
    )
    held = place_hold(
        connection,
        camera_id=camera_id,
        start_us=start_us,
        end_us=end_us,
        reason=row.title,
        created_by=user_id,
        case_id=row.case_id,
    )
    clip_id = new_id("clip")
    connection.execute(
        sa.insert(assist_clips).values(
            id=clip_id,
            request_id=request_id,
            area_id=area_id,
            camera_id=camera_id,
            start_us=start_us,
            end_us=end_us,
            note=note_words,
            bookmark_id=bookmark_id,
            hold_id=held["id"],
            created_us=at_us,
            created_by=user_id,
        )
    )
    change(connection, request_id)
    detail = {"clip_id": clip_id, "camera_id": camera_id, "start_us": start_us, "end_us": end_us}
    note(connection, request_id, user_id, "clip", at_us, note_words or None, area_id, detail)
    return {"clip_id": clip_id, "bookmark_id": bookmark_id, "hold_id": held["id"]}


@row_operation("assist.answer")
def answer(
    connection: sa.Connection,
    request_id: str,
    area_id: str,
    user_id: str,
    state: str,
    words: str | None,
    missing: Sequence[dict[str, Any]],
) -> None:
    """Answer for one area. Refused with ``not_in_force``, ``not_found``; ``invalid`` for seen
    without a clip, and for missing footage of which nothing is missing.
    """
    require_open(connection, request_id)
    _require_area(connection, request_id, area_id)
    if state == "seen":
        table = assist_clips.c
        attached = sa.select(table.id).where(
            table.request_id == request_id, table.area_id == area_id
        )
        if connection.execute(attached.limit(1)).first() is None:
            raise RowError("invalid", "seen where, and when? Attach a clip first")
    elif state == "missing":
        if not missing:
            raise RowError("invalid", "nothing of the window is missing here")
    elif state != "not_seen":
        raise RowError("invalid", f"{state!r} is no answer: there are seen, not_seen, missing")
    at_us = now_us()
    connection.execute(
        sa.update(assist_areas)
        .where(assist_areas.c.request_id == request_id, assist_areas.c.area_id == area_id)
        .values(
            state=state,
            answered_us=at_us,
            answered_by=user_id,
            note=words,
            missing=list(missing),
        )
    )
    change(connection, request_id)
    note(connection, request_id, user_id, "answer", at_us, words, area_id, {"state": state})


def _require_area(connection: sa.Connection, request_id: str, area_id: str) -> None:
    table = assist_areas.c
    asked = sa.select(table.state).where(table.request_id == request_id, table.area_id == area_id)
    if connection.execute(asked).first() is None:
        raise RowError("not_found", "this area was not asked")
