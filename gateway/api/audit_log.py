"""Reading the register of who looked at what."""

from __future__ import annotations

import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request

from gateway.api.access import Caller, record
from gateway.api.answers import AuditPage
from gateway.api.errors import ApiError
from gateway.api.services import ServicesDep
from gateway.database.tables import audit_log, cameras
from gateway.identifiers import now_us
from gateway.people.areas import within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/audit", tags=["audit"])

_SHOWN = (
    "sequence",
    "at_us",
    "user_id",
    "user_name",
    "address",
    "action",
    "camera_id",
    "camera_name",
    "start_us",
    "end_us",
    "reason",
)


@router.get("", response_model=AuditPage)
async def list_audit(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    camera_id: str | None = None,
    user_id: str | None = None,
    action: str | None = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
    cursor: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Records of the areas in which the caller is auditor, newest first. Reading leaves one too."""
    paths = caller.areas_with(Right.AUDIT, now_us())
    if not paths:
        raise ApiError(403, "not_allowed", "you do not have the right to read the audit log")
    statement = (
        sa.select(audit_log, cameras.c.name.label("camera_name"))
        .outerjoin(cameras, cameras.c.id == audit_log.c.camera_id)
        .where(audit_log.c.at_us >= start_us, audit_log.c.at_us < end_us)
    )
    if paths != [""]:
        statement = statement.where(within(audit_log.c.area_path, paths))
    if camera_id is not None:
        statement = statement.where(audit_log.c.camera_id == camera_id)
    if user_id is not None:
        statement = statement.where(audit_log.c.user_id == user_id)
    if action is not None:
        statement = statement.where(audit_log.c.action == action)
    if cursor is not None:
        statement = statement.where(audit_log.c.sequence < cursor)
    else:
        await record(
            services,
            request,
            caller,
            "audit.read",
            start_us=start_us or None,
            filters={"camera_id": camera_id, "user_id": user_id},
        )
    async with services.reader.connect() as connection:
        rows = (
            (
                await connection.execute(
                    statement.order_by(audit_log.c.sequence.desc()).limit(limit + 1)
                )
            )
            .mappings()
            .all()
        )
    items = [
        {**{name: row[name] for name in _SHOWN}, "detail": json.loads(row["detail"])}
        for row in rows[:limit]
    ]
    return {"items": items, "next_cursor": items[-1]["sequence"] if len(rows) > limit else None}
