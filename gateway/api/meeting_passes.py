"""Passing a meeting on: areas that may watch it too, until a day."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, CallerInPerson, act, require_full_sign_in
from gateway.api.answers import Listing
from gateway.api.errors import invalid
from gateway.api.forms import Form
from gateway.api.meeting_recording_access import decidable
from gateway.api.meeting_recording_answers import MeetingPass
from gateway.api.services import ServicesDep
from gateway.database.meeting_tables import meeting_passes
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_names

router = APIRouter(tags=["meetings"])

_AREAS_LIMIT = 1000
_PASS_LIMIT_US = 366 * 24 * 3600 * US_PER_S


class PassForm(Form):
    """To whom a meeting is passed on, until when and why. ``live``: while it runs, too."""

    area_ids: list[Annotated[str, Field(max_length=40)]] = Field(
        min_length=1, max_length=_AREAS_LIMIT
    )
    expires_us: int = Field(ge=0, lt=2**61)
    reason: str = Field(min_length=1, max_length=500)
    live: bool = False


@router.get("/api/meetings/{meeting_id}/passes", response_model=Listing[MeetingPass])
async def list_passes(meeting_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """To whom the meeting was passed on, the newest first; passes that are over as well."""
    async with services.reader.connect() as connection:
        await decidable(connection, caller, meeting_id)
        return {"items": await _passes(connection, meeting_id)}


@router.post(
    "/api/meetings/{meeting_id}/passes", status_code=201, response_model=Listing[MeetingPass]
)
async def pass_on(
    meeting_id: str,
    body: PassForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Let areas watch it, with all below them, until a day; gives all passes of the meeting."""
    require_full_sign_in(caller)
    at_us = now_us()
    if not at_us < body.expires_us <= at_us + _PASS_LIMIT_US:
        raise invalid(expires_us="choose a time within a year from now")
    async with services.reader.connect() as connection:
        recorded = await decidable(connection, caller, meeting_id)
    await act(
        services, request, caller, "meeting.pass", "meetings.pass_on",
        {"meeting_id": meeting_id, "by": caller.user_id, **body.model_dump()},
        area=recorded.place.area_path or None, result_as="passes",
        detail={"meeting": meeting_id, **body.model_dump()},
    )  # fmt: skip
    # One that was good for watching it live may have been replaced by one that is not.
    services.rights_changed.set()
    async with services.reader.connect() as connection:
        return {"items": await _passes(connection, meeting_id)}


@router.delete("/api/meetings/{meeting_id}/passes/{pass_id}", status_code=204)
async def revoke_pass(
    meeting_id: str,
    pass_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> None:
    """End a pass; whoever watches by it sees no more within seconds."""
    async with services.reader.connect() as connection:
        recorded = await decidable(connection, caller, meeting_id)
    await act(
        services, request, caller, "meeting.unpass", "meetings.revoke_pass",
        {"meeting_id": meeting_id, "pass_id": pass_id, "by": caller.user_id},
        area=recorded.place.area_path or None, detail={"meeting": meeting_id, "pass": pass_id},
    )  # fmt: skip
    services.rights_changed.set()


async def _passes(connection: AsyncConnection, meeting_id: str) -> list[dict[str, Any]]:
    table = meeting_passes.c
    rows = (
        await connection.execute(
            sa.select(meeting_passes, areas.c.path, users.c.display_name)
            .select_from(
                meeting_passes.outerjoin(areas, areas.c.id == table.area_id).outerjoin(
                    users, users.c.id == table.created_by
                )
            )
            .where(table.meeting_id == meeting_id)
            .order_by(table.created_us.desc(), table.id)
        )
    ).all()
    names = await area_names(connection, [row.path for row in rows if row.path])
    return [
        {
            "id": row.id,
            "meeting_id": row.meeting_id,
            "area_id": row.area_id,
            "area_path": names.get(row.path or "", []),
            "live": row.live,
            "reason": row.reason,
            "created_us": row.created_us,
            "created_by": row.display_name or "",
            "expires_us": row.expires_us,
            "revoked_us": row.revoked_us,
        }
        for row in rows
    ]
