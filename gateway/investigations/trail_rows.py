"""Writes of trails: chosen passages in the order of time, and how a case takes the route over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.investigation_tables import trail_points, trails
from gateway.evidence.case_rows import add_item
from gateway.evidence.hold_rows import place_hold, require_open_case
from gateway.identifiers import new_id, now_us
from gateway.investigations.request_rows import require_member, require_usable
from recorder.rows import RowError, row_operation

TRAILS_LIMIT = 20
POINTS_LIMIT = 200


@row_operation("investigations.begin_trail")
def begin_trail(connection: sa.Connection, request_id: str, user_id: str, title: str) -> str:
    """A trail without points; gives its id. Refused with ``request_not_usable``, ``not_member``."""
    request = require_usable(connection, request_id, "trail")
    require_member(connection, request.case_id, user_id)
    count = connection.scalar(
        sa.select(sa.func.count()).select_from(trails).where(trails.c.request_id == request_id)
    )
    if (count or 0) >= TRAILS_LIMIT:
        raise RowError("conflict", f"a request has at most {TRAILS_LIMIT} trails")
    trail_id = new_id("trl")
    connection.execute(
        sa.insert(trails).values(
            id=trail_id,
            case_id=request.case_id,
            request_id=request_id,
            title=title,
            created_us=now_us(),
            created_by=user_id,
        )
    )
    return trail_id


@row_operation("investigations.rename_trail")
def rename_trail(connection: sa.Connection, trail_id: str, title: str) -> None:
    """Give it another title."""
    connection.execute(sa.update(trails).where(trails.c.id == trail_id).values(title=title))


@row_operation("investigations.delete_trail")
def delete_trail(connection: sa.Connection, trail_id: str) -> None:
    """Forget it. What it put into the case stays there."""
    connection.execute(sa.delete(trail_points).where(trail_points.c.trail_id == trail_id))
    connection.execute(sa.delete(trails).where(trails.c.id == trail_id))


@row_operation("investigations.add_point")
def add_point(connection: sa.Connection, trail_id: str, user_id: str, **columns: Any) -> str:
    """Add a passage; gives the point's id. Refused with ``request_not_usable``, ``conflict`` for
    one that is in it already.
    """
    trail = _find(connection, trail_id)
    require_usable(connection, trail.request_id, "trail")
    points = sa.select(trail_points.c.passage_id).where(trail_points.c.trail_id == trail_id)
    known = set(connection.scalars(points))
    if columns["passage_id"] in known:
        raise RowError("conflict", "this passage is in the trail already")
    if len(known) >= POINTS_LIMIT:
        raise RowError("conflict", f"a trail has at most {POINTS_LIMIT} points: begin another")
    point_id = new_id("pnt")
    connection.execute(
        sa.insert(trail_points).values(
            id=point_id, trail_id=trail_id, added_us=now_us(), added_by=user_id, **columns
        )
    )
    return point_id


@row_operation("investigations.remove_point")
def remove_point(connection: sa.Connection, trail_id: str, point_id: str) -> None:
    """Take a passage out again."""
    gone = connection.execute(
        sa.delete(trail_points).where(
            trail_points.c.trail_id == trail_id, trail_points.c.id == point_id
        )
    )
    if not gone.rowcount:
        raise RowError("not_found", "there is no such point")


@row_operation("investigations.attach_trail")
def attach_trail(
    connection: sa.Connection,
    trail_id: str,
    user_id: str,
    items: Sequence[dict[str, Any]],
    reason: str,
) -> dict[str, list[str]]:
    """Put the route into its case: of each of ``items`` (``point_id``, ``camera_id``, ``start_us``,
    ``end_us``, ``title``, ``hold``) minutes that belong to it, held where ``hold``. Gives the new
    ``items`` and ``holds``. What is in the case already is not put there again.
    """
    trail = _find(connection, trail_id)
    require_open_case(connection, trail.case_id)
    require_member(connection, trail.case_id, user_id)
    attached = set(
        connection.scalars(
            sa.select(trail_points.c.id).where(
                trail_points.c.trail_id == trail_id, trail_points.c.item_id.is_not(None)
            )
        )
    )
    made: dict[str, list[str]] = {"items": [], "holds": []}
    for one in items:
        if one["point_id"] in attached:
            continue
        minutes = {name: one[name] for name in ("camera_id", "start_us", "end_us")}
        item_id = add_item(
            connection, trail.case_id, title=one["title"], note="", added_by=user_id, **minutes
        )
        made["items"].append(item_id)
        connection.execute(
            sa.update(trail_points)
            .where(trail_points.c.id == one["point_id"])
            .values(item_id=item_id)
        )
        if one["hold"]:
            held = place_hold(
                connection, reason=reason, created_by=user_id, case_id=trail.case_id, **minutes
            )
            made["holds"].append(held["id"])
    connection.execute(
        sa.update(trails)
        .where(trails.c.id == trail_id, trails.c.attached_us.is_(None))
        .values(attached_us=now_us(), attached_by=user_id)
    )
    return made


def _find(connection: sa.Connection, trail_id: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(trails).where(trails.c.id == trail_id)).one_or_none()
    if row is None:
        raise RowError("not_found", "there is no such trail")
    return row
