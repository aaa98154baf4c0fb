"""Holds: footage that nothing deletes, for as long as somebody needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, audit_records, check, permitted_camera
from gateway.api.answers import Listing
from gateway.api.case_access import joined_case, sees_every_case, select_cases, visible_case
from gateway.api.errors import invalid, not_found
from gateway.api.evidence_answers import Hold
from gateway.api.services import ServicesDep
from gateway.audit.records import act as act_and_append
from gateway.cameras import Camera, find_cameras
from gateway.database.evidence_tables import holds
from gateway.database.tables import cameras, users
from gateway.identifiers import now_us
from gateway.people.areas import cameras_within
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from recorder.tables import sources, spans

router = APIRouter(prefix="/api/holds", tags=["evidence"])

_HOLDS_LIMIT = 1000
_RANGE_LIMIT_US = 366 * 86_400_000_000
Instant = Annotated[int, Field(ge=0, lt=2**61)]


class HoldForm(BaseModel):
    """Which footage to keep, and why."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    camera_id: str = Field(max_length=40)
    start_us: Instant
    end_us: Instant
    reason: str = Field(min_length=1, max_length=500)
    case_id: str | None = Field(default=None, max_length=40)
    expires_us: Instant | None = None


class HoldChange(BaseModel):
    """Until when it is kept; null: until it is released."""

    expires_us: Instant | None


class HoldRelease(BaseModel):
    """Why it is not needed any more."""

    model_config = ConfigDict(str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=500)


def select_holds(caller: Principal) -> sa.Select[Any]:
    """Holds with the names that go with them. A case is named to who may see it."""
    creator, releaser = users.alias("creator"), users.alias("releaser")
    visible = select_cases(caller).order_by(None).subquery("visible")
    return sa.select(
        *(column for column in holds.c if column.name != "case_id"),
        visible.c.id.label("case_id"),
        visible.c.number.label("case_number"),
        cameras.c.name.label("camera_name"),
        creator.c.display_name.label("creator"),
        releaser.c.display_name.label("releaser"),
    ).select_from(
        holds.join(cameras, cameras.c.id == holds.c.camera_id)
        .outerjoin(visible, visible.c.id == holds.c.case_id)
        .outerjoin(creator, creator.c.id == holds.c.created_by)
        .outerjoin(releaser, releaser.c.id == holds.c.released_by)
    )


async def hold_documents(
    connection: AsyncConnection, rows: Sequence[sa.Row[Any]]
) -> list[dict[str, Any]]:
    """Hold documents, with how much footage is in each."""
    names = (
        "id", "case_id", "case_number", "camera_id", "camera_name", "start_us", "end_us", "reason",
        "created_us", "expires_us", "released_us", "release_reason",
    )  # fmt: skip
    return [
        {
            **{name: row._mapping[name] for name in names},
            "created_by": row.creator,
            "released_by": row.releaser,
            "recorded_us": await recorded_us(connection, row.camera_id, row.start_us, row.end_us),
        }
        for row in rows
    ]


async def recorded_us(
    connection: AsyncConnection, camera_id: str, start_us: int, end_us: int
) -> int:
    """How much footage of the main variant is stored in the range: the longest of its sources."""
    rows = await connection.execute(
        sa.select(spans.c.source_id, spans.c.start_us, spans.c.end_us)
        .join(sources, sources.c.id == spans.c.source_id)
        .where(
            sources.c.camera_id == camera_id,
            sources.c.variant == "main",
            spans.c.start_us < end_us,
            spans.c.end_us > start_us,
        )
    )
    totals: dict[str, int] = {}
    for row in rows:
        part_us = min(row.end_us, end_us) - max(row.start_us, start_us)
        totals[row.source_id] = totals.get(row.source_id, 0) + part_us
    return max(totals.values(), default=0)


@router.get("", response_model=Listing[Hold])
async def list_holds(
    caller: Caller,
    services: ServicesDep,
    camera_id: str | None = None,
    start_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
    end_us: Annotated[int, Query(ge=0, lt=2**62)] = 2**61,
    case_id: str | None = None,
    released: bool = False,
) -> dict[str, Any]:
    """Holds at cameras that the caller may play back or hold; ``released`` ones too if asked."""
    at_us = now_us()
    places = [
        *caller.areas_with(Right.PLAYBACK, at_us),
        *caller.areas_with(Right.HOLD, at_us),
    ]
    statement = select_holds(caller).where(
        cameras_within(places), holds.c.start_us < end_us, holds.c.end_us > start_us
    )
    if camera_id is not None:
        statement = statement.where(holds.c.camera_id == camera_id)
    if not released:
        statement = statement.where(holds.c.released_us.is_(None))
    async with services.reader.connect() as connection:
        if case_id is not None:
            await visible_case(connection, caller, case_id)
            statement = statement.where(holds.c.case_id == case_id)
        rows = await connection.execute(
            statement.order_by(holds.c.start_us.desc(), holds.c.id).limit(_HOLDS_LIMIT)
        )
        return {"items": await hold_documents(connection, rows.all())}


@router.post("", status_code=201, response_model=Hold)
async def place_hold(
    body: HoldForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Keep footage, whatever the retention, recorded already or not."""
    if not body.start_us < body.end_us <= body.start_us + _RANGE_LIMIT_US:
        raise invalid(end_us="the range is empty or longer than a year")
    _check_expiry(body.expires_us)
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(
            connection, caller, Right.HOLD, body.camera_id, deleted=True
        )
        if body.case_id is not None:
            await joined_case(connection, caller, body.case_id)
    records = audit_records(
        request,
        caller,
        "hold.place",
        cameras=[camera],
        start_us=body.start_us,
        end_us=body.end_us,
        detail={"reason": body.reason, "case_id": body.case_id, "expires_us": body.expires_us},
    )
    arguments = {"created_by": caller.user_id, **body.model_dump()}
    placed = await act_and_append(
        services.rows, "evidence.hold", arguments, records, result_as="hold"
    )
    return await _document(services, caller, placed["id"])


@router.patch("/{hold_id}", response_model=Hold)
async def prolong_hold(
    hold_id: str, body: HoldChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Keep it for longer, or not so long."""
    _check_expiry(body.expires_us)
    row, camera = await _own(services, caller, hold_id)
    detail = {"hold_id": hold_id, "from_us": row.expires_us, "to_us": body.expires_us}
    await act(
        services, request, caller, "hold.prolong", "evidence.prolong_hold",
        {"hold_id": hold_id, "expires_us": body.expires_us}, cameras=[camera], detail=detail,
    )  # fmt: skip
    return await _document(services, caller, hold_id)


@router.post("/{hold_id}/release", response_model=Hold)
async def release_hold(
    hold_id: str, body: HoldRelease, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Let footage go: what nobody else holds is deleted when its retention says so."""
    row, camera = await _own(services, caller, hold_id)
    records = audit_records(
        request,
        caller,
        "hold.release",
        cameras=[camera],
        start_us=row.start_us,
        end_us=row.end_us,
        detail={"hold_id": hold_id, "case_id": row.case_id, "reason": body.reason},
    )
    arguments = {"hold_id": hold_id, "released_by": caller.user_id, "reason": body.reason}
    await act_and_append(
        services.rows, "evidence.release_hold", arguments, records, result_as="segments"
    )
    return await _document(services, caller, hold_id)


def _check_expiry(expires_us: int | None) -> None:
    if expires_us is not None and expires_us <= now_us():
        raise invalid(expires_us="this time is over already")


async def _own(
    services: ServicesDep, caller: Principal, hold_id: str
) -> tuple[sa.Row[Any], Camera]:
    """A hold that the caller may change. Who holds no right at its camera knows nothing of it; one
    of a case is its members' (and system administrators').
    """
    async with services.reader.connect() as connection:
        row = (await connection.execute(sa.select(holds).where(holds.c.id == hold_id))).first()
        if row is None:
            raise not_found("hold")
        camera = (await find_cameras(connection, [row.camera_id], deleted=True))[row.camera_id]
        check(caller, Right.HOLD, camera)
        if row.case_id is not None and not sees_every_case(caller):
            await joined_case(connection, caller, row.case_id)
    return row, camera


async def _document(services: ServicesDep, caller: Principal, hold_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        rows = await connection.execute(select_holds(caller).where(holds.c.id == hold_id))
        return (await hold_documents(connection, rows.all()))[0]
