"""Who is on duty, and what the hotline's agents do at their seats."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field, model_validator

from gateway.api.access import Caller, CallerInPerson, act, not_there, permitted_area
from gateway.api.answers import Listing
from gateway.api.forms import Form
from gateway.api.incident_answers import SeatAnswer, ShiftAnswer
from gateway.api.incident_documents import named, names_of
from gateway.api.incident_forms import Identifier, Instant
from gateway.api.incident_units import may_choose
from gateway.api.services import Services, ServicesDep
from gateway.database.incident_tables import agent_seats, duty_shifts, units
from gateway.database.tables import areas, users
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import area_names, within
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api", tags=["incidents"])

_LONGEST_US = 31 * 24 * 3600 * US_PER_S
_SHIFTS_LIMIT = 2000


class ShiftForm(Form):
    """Somebody's duty; as long as a month."""

    area_id: Identifier
    unit_id: Identifier | None = None
    user_id: Identifier
    post: Literal["leader", "agent", "handler"] = "handler"
    start_us: Instant
    end_us: Instant
    phone: str = Field(default="", max_length=40)
    note: str = Field(default="", max_length=300)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 0 < self.end_us - self.start_us <= _LONGEST_US:
            raise ValueError("it ends after it begins, within a month")
        return self


class SeatForm(Form):
    """What an agent does; null: leaves the seat."""

    area_id: Identifier
    state: Literal["ready", "talking", "writing", "away"] | None


@router.get("/duty", response_model=Listing[ShiftAnswer])
async def list_duty(
    caller: Caller,
    services: ServicesDep,
    start_us: Annotated[int, Query(ge=0, lt=2**62)],
    end_us: Annotated[int, Query(ge=0, lt=2**62)],
    area_id: Annotated[str | None, Query(max_length=40)] = None,
) -> dict[str, Any]:
    """Duties that fall into the time, by their beginning; of an area and all below it."""
    may_choose(caller)
    table = duty_shifts.c
    async with services.reader.connect() as connection:
        statement = (
            sa.select(duty_shifts, areas.c.path, users.c.display_name, users.c.name)
            .join(users, users.c.id == table.user_id)
            .outerjoin(areas, areas.c.id == table.area_id)
            .where(table.start_us < end_us, table.end_us > start_us)
        )
        if area_id is not None:
            path = await connection.scalar(sa.select(areas.c.path).where(areas.c.id == area_id))
            statement = statement.where(within(areas.c.path, [path or "-"]))
        rows = (
            await connection.execute(
                statement.order_by(table.start_us, table.id).limit(_SHIFTS_LIMIT)
            )
        ).all()
        unit_names = await names_of(connection, units, {row.unit_id for row in rows})
        places = await area_names(connection, [row.path for row in rows if row.path])
    return {
        "items": [
            {
                "id": row.id,
                "area_id": row.area_id,
                "area_names": places.get(row.path, []),
                "unit": named(row.unit_id, unit_names),
                "user": {"id": row.user_id, "name": row.display_name or row.name},
                "post": row.post,
                "start_us": row.start_us,
                "end_us": row.end_us,
                "phone": row.phone,
                "note": row.note,
            }
            for row in rows
        ]
    }


@router.put("/duty/{shift_id}", status_code=204)
async def put_duty(
    shift_id: str, body: ShiftForm, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Change a duty; ``new`` in place of an id adds one."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.DISPATCH, body.area_id)
        for table, wanted in ((users, body.user_id), (units, body.unit_id)):
            if wanted is not None and not await connection.scalar(
                sa.select(table.c.id).where(table.c.id == wanted)
            ):
                raise not_there()
    if shift_id != "new":
        await _own_shift(services, caller, shift_id)
    await act(
        services, request, caller, "duty.put", "duty.put",
        {"shift_id": None if shift_id == "new" else shift_id, "columns": body.model_dump()},
        area=path, result_as="duty", detail=body.model_dump(exclude={"phone", "note"}),
    )  # fmt: skip


@router.delete("/duty/{shift_id}", status_code=204)
async def delete_duty(
    shift_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take somebody off duty."""
    path = await _own_shift(services, caller, shift_id)
    await act(
        services, request, caller, "duty.delete", "duty.delete", {"shift_id": shift_id},
        area=path, detail={"duty": shift_id},
    )  # fmt: skip


@router.get("/agents", response_model=Listing[SeatAnswer])
async def list_agents(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The seats that are taken, where the caller reads incidents or has one."""
    may_choose(caller)
    table = agent_seats.c
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(agent_seats, areas.c.path, users.c.display_name, users.c.name)
                .join(users, users.c.id == table.user_id)
                .join(areas, areas.c.id == table.area_id)
                .where(
                    sa.or_(
                        within(areas.c.path, caller.areas_with(Right.INCIDENTS, now_us())),
                        table.user_id == caller.user_id,
                    )
                )
                .order_by(table.since_us)
            )
        ).all()
        places = await area_names(connection, [row.path for row in rows])
    return {
        "items": [
            {
                "user": {"id": row.user_id, "name": row.display_name or row.name},
                "area_id": row.area_id,
                "area_names": places.get(row.path, []),
                "state": row.state,
                "since_us": row.since_us,
            }
            for row in rows
        ]
    }


@router.put("/agents/self", status_code=204)
async def take_seat(
    body: SeatForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Take a seat of an area where one dispatches, say what one does, or leave it."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.DISPATCH, body.area_id)
    await act(
        services, request, caller, "agent.seat", "agents.sit",
        {"user_id": caller.user_id, **body.model_dump()},
        area=path, detail={"state": body.state},
    )  # fmt: skip


async def _own_shift(services: Services, caller: Principal, shift_id: str) -> str:
    async with services.reader.connect() as connection:
        area_id = await connection.scalar(
            sa.select(duty_shifts.c.area_id).where(duty_shifts.c.id == shift_id)
        )
        if area_id is None:
            raise not_there()
        return await permitted_area(connection, caller, Right.DISPATCH, area_id)
