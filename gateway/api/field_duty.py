"""Duty in the field: switched on and off by the worker, the position taken only in between."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from gateway.api.access import Caller, CallerInPerson, act, permitted_area, permitted_areas, record
from gateway.api.answers import Listing, TimeUs
from gateway.api.errors import ApiError
from gateway.api.forms import Form
from gateway.api.services import ServicesDep
from gateway.database.field_tables import field_duties
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_names, within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/field", tags=["field"])

_HOUR_US = 3600 * US_PER_S
_WORKERS_LIMIT = 2000


class DutyAnswer(BaseModel):
    """One's own duty; all null off duty. ``at_us``: of the position that is known."""

    since_us: TimeUs | None
    ends_us: TimeUs | None
    at_us: TimeUs | None


class PositionForm(Form):
    """WGS-84, as of now."""

    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    accuracy_m: float | None = Field(default=None, ge=0, le=1e7, allow_inf_nan=False)


class WorkerAnswer(BaseModel):
    """Somebody on duty; without a position until the first has come."""

    user_id: str
    name: str
    area_path: list[str]
    since_us: TimeUs
    longitude: float | None
    latitude: float | None
    accuracy_m: float | None
    at_us: TimeUs | None


@router.get("/duty", response_model=DutyAnswer)
async def read_duty(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """Whether one is on duty, since when, and whether one's position is known."""
    own = field_duties.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(own.since_us, own.ends_us, own.at_us).where(
                    own.user_id == caller.user_id, own.ends_us > now_us()
                )
            )
        ).one_or_none()
    if row is None:
        return {"since_us": None, "ends_us": None, "at_us": None}
    return dict(row._mapping)


@router.put("/duty", response_model=DutyAnswer)
async def begin_duty(
    caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Begin: from now on one's position may be sent, and is shown to who reads incidents here."""
    path = permitted_areas(caller, Right.REPORT)[0]
    async with services.reader.connect() as connection:
        home = await connection.scalar(
            sa.select(areas.c.path)
            .join(users, users.c.area_id == areas.c.id)
            .where(users.c.id == caller.user_id, within(areas.c.path, [path]))
        )
    ends_us = now_us() + round(services.settings.field.duty_hours * _HOUR_US)
    await act(
        services, request, caller, "position.begin", "field.begin_duty",
        {"user_id": caller.user_id, "area_path": home or path, "ends_us": ends_us},
        area=home or path or None,
    )  # fmt: skip
    return await read_duty(caller, services)


@router.delete("/duty", status_code=204)
async def end_duty(caller: CallerInPerson, request: Request, services: ServicesDep) -> None:
    """End: the position is forgotten."""
    permitted_areas(caller, Right.REPORT)
    await act(
        services, request, caller, "position.end", "field.end_duty", {"user_id": caller.user_id}
    )


@router.post("/position", status_code=204)
async def send_position(body: PositionForm, caller: CallerInPerson, services: ServicesDep) -> None:
    """Where one is now; 409 ``off_duty`` off duty, and nothing is kept."""
    permitted_areas(caller, Right.REPORT)
    if (await read_duty(caller, services))["since_us"] is None:
        raise ApiError(409, "off_duty", "you are not on duty: your position is not taken")
    await services.rows.write(
        "field.position", user_id=caller.user_id, at_us=now_us(), **body.model_dump()
    )


@router.get("/workers", response_model=Listing[WorkerAnswer])
async def list_workers(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Who is on duty where one reads incidents. That one looks is on record, once a minute."""
    own = field_duties.c
    async with services.reader.connect() as connection:
        if area_id is None:
            paths = permitted_areas(caller, Right.INCIDENTS)
        else:
            paths = [await permitted_area(connection, caller, Right.INCIDENTS, area_id)]
        rows = (
            await connection.execute(
                sa.select(field_duties, users.c.display_name, users.c.name.label("user_name"))
                .join(users, users.c.id == own.user_id)
                .where(
                    own.ends_us > now_us(),
                    within(own.area_path, paths),
                    users.c.enabled,
                    users.c.deleted_us.is_(None),
                )
                .order_by(own.user_id)
                .limit(_WORKERS_LIMIT)
            )
        ).all()
        names = await area_names(connection, [row.area_path for row in rows])
    # A map asks again and again.
    if services.looks_at_workers.is_first(caller.user_id, area_id):
        await record(services, request, caller, "position.look", workers=len(rows), area_id=area_id)
    return {
        "items": [
            {
                **row._mapping,
                "name": row.display_name or row.user_name,
                "area_path": names[row.area_path],
            }
            for row in rows
        ]
    }
