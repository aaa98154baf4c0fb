"""What clerks really played of the window that they were asked about, from the same reports that
go into the register: both are written, or neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gateway.assist.request_rows import change
from gateway.assist.states import path_now
from gateway.audit.watching import RANGES_LIMIT, merged
from gateway.cameras import place_columns, place_of
from gateway.database.assist_tables import assist_areas, assist_looked, assist_requests
from gateway.database.tables import areas, cameras, viewing_sessions
from gateway.footage.footage_ids import is_meeting
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import row_follower

# A report comes when somebody pauses: what was seen in time counts a moment later, too.
_LATE_US = 600 * US_PER_S

Ranges = list[tuple[int, int]]


@row_follower("watching.report")
def note_looked(connection: sa.Connection, arguments: dict[str, Any], _: Any) -> None:
    """Add what was played, where somebody was asked about it. May be repeated: it is a union."""
    played = [
        one
        for one in arguments["watched"]
        if one["action"] == "playback" and not is_meeting(one["camera_id"])
    ]
    if not played:
        return
    start_us = min(one["start_us"] for one in played)
    end_us = max(one["end_us"] for one in played)
    asked = _asked(connection, start_us, end_us)
    if not asked:
        return
    paths = _paths(connection, {one["camera_id"] for one in played})
    lent = _of_clips(connection, {one["session_id"] for one in played})
    changed: set[str] = set()
    for one in played:
        if one["session_id"] in lent:
            # Who asked looks at what was found: that is no looking through.
            continue
        ranges = [(start, end) for start, end in one["detail"].get("ranges", ())]
        standing = paths.get(one["camera_id"], ())
        for request, areas_asked in asked:
            if not any(path.startswith(of) for path in standing for of in areas_asked):
                continue
            within = clipped(ranges, request.start_us, request.end_us)
            if within and _add(connection, request.id, one["camera_id"], one["user_id"], within):
                changed.add(request.id)
    for request_id in changed:
        change(connection, request_id)


def clipped(ranges: Iterable[tuple[int, int]], start_us: int, end_us: int) -> Ranges:
    """What of the ranges lies within."""
    cut = ((max(start, start_us), min(end, end_us)) for start, end in ranges)
    return [(start, end) for start, end in cut if start < end]


def _asked(
    connection: sa.Connection, start_us: int, end_us: int
) -> list[tuple[sa.Row[Any], list[str]]]:
    table = assist_requests.c
    since_us = now_us() - _LATE_US
    columns: list[sa.ColumnElement[Any]] = [table.id, table.start_us, table.end_us]
    rows = connection.execute(
        sa.select(*columns).where(
            sa.or_(
                table.state == "open",
                sa.and_(table.state.in_(("closed", "expired")), table.ended_us > since_us),
            ),
            table.start_us < end_us,
            table.end_us > start_us,
        )
    ).all()
    found = []
    for row in rows:
        paths = connection.scalars(
            sa.select(path_now())
            .select_from(assist_areas.outerjoin(areas, areas.c.id == assist_areas.c.area_id))
            .where(assist_areas.c.request_id == row.id)
        )
        found.append((row, list(paths)))
    return found


def _paths(connection: sa.Connection, camera_ids: set[str]) -> dict[str, tuple[str, ...]]:
    rows = connection.execute(
        sa.select(cameras.c.id, *place_columns())
        .select_from(cameras.join(areas, areas.c.id == cameras.c.area_id))
        .where(cameras.c.id.in_(camera_ids))
    )
    return {row.id: place_of(row.area_path, row.area_paths).area_paths for row in rows}


def _of_clips(connection: sa.Connection, session_ids: set[str]) -> set[str]:
    table = viewing_sessions.c
    return set(
        connection.scalars(
            sa.select(table.id).where(table.id.in_(session_ids), table.clip_id.is_not(None))
        )
    )


def _add(
    connection: sa.Connection, request_id: str, camera_id: str, user_id: str, ranges: Ranges
) -> bool:
    table = assist_looked.c
    here = sa.and_(
        table.request_id == request_id, table.camera_id == camera_id, table.user_id == user_id
    )
    before = connection.scalar(sa.select(table.ranges).where(here))
    known = [(start, end) for start, end in before or ()]
    union = merged([*known, *ranges], RANGES_LIMIT)
    if union == known:
        return False
    values = {"ranges": [list(one) for one in union], "last_us": now_us()}
    if before is not None:
        connection.execute(sa.update(assist_looked).where(here).values(**values))
    else:
        connection.execute(
            sa.insert(assist_looked).values(
                request_id=request_id, camera_id=camera_id, user_id=user_id, **values
            )
        )
    return True
