"""Who is live from the scene. While they are, they are a camera: so wall, recording, meetings,
masks and the register take them as any other.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

import gateway.incidents.handling  # noqa: F401  (registers the step "attach")
from gateway.camera_rows import change, create
from gateway.database.field_tables import field_duties, field_lives
from gateway.database.incident_tables import incidents
from gateway.database.tables import cameras, users
from gateway.identifiers import US_PER_S, now_us
from gateway.incidents.steps import STEPS, take_step
from recorder.rows import RowError, row_operation

SILENT_US = 60 * US_PER_S
"""A telephone that is not heard of for so long has gone."""

_FRESH_US = 600 * US_PER_S
# As of any footage that is attached at once.
_FOOTAGE_LIMIT_US = 6 * 3600 * US_PER_S
_own = field_lives.c


@row_operation("field.begin_live")
def begin(
    connection: sa.Connection, user_id: str, columns: dict[str, Any], incident_id: str | None
) -> dict[str, Any]:
    """``{camera_id, since_us}``. A telephone that comes back goes on with what it began.

    ``columns`` are those of the camera, if they never had one; its name and home hold anyway. On
    duty it stands where they are. Raises RowError as ``cameras.create``.
    """
    at_us = now_us()
    before = connection.execute(sa.select(field_lives).where(_own.user_id == user_id)).one_or_none()
    if before is not None and before.incident_id != incident_id:
        end(connection, user_id)
        before = None
    columns = columns | _place_on_duty(connection, user_id, at_us)
    camera_id = connection.scalar(
        sa.select(cameras.c.id).where(
            cameras.c.main_url == columns["main_url"], cameras.c.deleted_us.is_(None)
        )
    )
    if camera_id is None:
        camera_id = columns["id"]
        create(connection, [columns])
    else:
        named = ("name", "area_id", "longitude", "latitude", "enabled")
        change(connection, camera_id, {one: columns[one] for one in named})
    if before is not None:
        connection.execute(
            sa.update(field_lives)
            .where(_own.user_id == user_id)
            .values(camera_id=camera_id, seen_us=at_us)
        )
        return {"camera_id": camera_id, "since_us": before.since_us}
    connection.execute(
        sa.insert(field_lives).values(
            user_id=user_id, camera_id=camera_id, since_us=at_us, seen_us=at_us,
            incident_id=incident_id,
        )
    )  # fmt: skip
    return {"camera_id": camera_id, "since_us": at_us}


@row_operation("field.live_seen")
def seen(connection: sa.Connection, user_id: str, at_us: int) -> None:
    """The telephone is still there. Raises RowError ``conflict`` where that was ended meanwhile."""
    is_on = sa.exists().where(cameras.c.id == _own.camera_id, cameras.c.enabled)
    known = connection.execute(
        sa.update(field_lives).where(_own.user_id == user_id, is_on).values(seen_us=at_us)
    )
    if not known.rowcount:
        raise RowError("conflict", "you are not live any more: begin again")


@row_operation("field.end_live")
def end(connection: sa.Connection, user_id: str, unseen_since_us: int | None = None) -> str | None:
    """They are not; gives the camera's id, None where they were not. May be repeated.

    What was recorded is attached to the incident that it was about. ``unseen_since_us``: only if
    nothing was heard of them since then.
    """
    row = connection.execute(sa.select(field_lives).where(_own.user_id == user_id)).one_or_none()
    if row is None or (unseen_since_us is not None and row.seen_us >= unseen_since_us):
        return None
    connection.execute(sa.delete(field_lives).where(_own.user_id == user_id))
    standing = cameras.c.id == row.camera_id, cameras.c.deleted_us.is_(None)
    if connection.scalar(sa.select(cameras.c.id).where(*standing)) is not None:
        change(connection, row.camera_id, {"enabled": False})
    end_us = now_us() if unseen_since_us is None else row.seen_us
    if row.incident_id is not None and end_us > row.since_us:
        _attach(connection, row, end_us)
    camera_id: str = row.camera_id
    return camera_id


def _place_on_duty(connection: sa.Connection, user_id: str, at_us: int) -> dict[str, float | None]:
    duty = field_duties.c
    row = connection.execute(
        sa.select(duty.longitude, duty.latitude).where(
            duty.user_id == user_id, duty.ends_us > at_us, duty.at_us > at_us - _FRESH_US
        )
    ).one_or_none()
    if row is None:
        return {"longitude": None, "latitude": None}
    return {"longitude": row.longitude, "latitude": row.latitude}


def _attach(connection: sa.Connection, row: Any, end_us: int) -> None:
    states, _ = STEPS["attach"]
    state = connection.scalar(sa.select(incidents.c.state).where(incidents.c.id == row.incident_id))
    if state not in states:
        return
    who = connection.execute(
        sa.select(users.c.name, users.c.display_name).where(users.c.id == row.user_id)
    ).one()
    name = connection.scalar(sa.select(cameras.c.name).where(cameras.c.id == row.camera_id))
    footage = {
        "kind": "footage",
        "subject_id": row.camera_id,
        "name": name or "",
        "start_us": max(row.since_us, end_us - _FOOTAGE_LIMIT_US),
        "end_us": end_us,
    }
    take_step(
        connection, row.incident_id, "attach", row.user_id, who.display_name or who.name,
        attachments=[footage],
    )  # fmt: skip
