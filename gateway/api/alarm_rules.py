"""Alarm rules: who is told of alarms, when and how."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.alarms.priorities import Priority
from gateway.api.access import Caller, act, check, permitted_area, permitted_areas
from gateway.api.answers import Listing
from gateway.api.errors import invalid, not_found
from gateway.api.forms import Form
from gateway.api.patrols import WindowForm
from gateway.api.services import Services, ServicesDep
from gateway.database.alarm_rule_tables import alarm_rules
from gateway.database.outbox_tables import outbox_channels
from gateway.database.tables import areas, cameras, users
from gateway.identifiers import now_us
from gateway.people.areas import area_names, cameras_within, within
from gateway.people.authorize import COUNTY, AreaPlace, Principal
from gateway.people.roles import Right, Role

router = APIRouter(prefix="/api/alarm-rules", tags=["alarms"])

Id = Annotated[str, Field(min_length=1, max_length=40)]
Kind = Annotated[str, Field(min_length=1, max_length=20)]
_LATEST_MINUTES = 24 * 60


class StepForm(Form):
    """Who is told, so many minutes after the first when nobody has acknowledged by then."""

    after_minutes: int = Field(default=0, ge=0, le=_LATEST_MINUTES)
    user_ids: list[Id] = Field(default=[], max_length=50)
    roles: list[Role] = Field(default=[], max_length=len(Role))
    channel_ids: list[Id] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def _tells_somebody(self) -> StepForm:
        if not (self.user_ids or self.roles or self.channel_ids):
            raise ValueError("each step tells somebody: choose people, roles or channels")
        return self


class RuleForm(Form):
    """A rule. ``area_id`` null: the whole county; ``kinds``, ``camera_ids``, ``hours`` []: all."""

    name: str = Field(min_length=1, max_length=100)
    area_id: Id | None = None
    enabled: bool = True
    kinds: list[Kind] = Field(default=[], max_length=100)
    camera_ids: list[Id] = Field(default=[], max_length=2000)
    least_priority: Priority = "low"
    hours: list[WindowForm] = Field(default=[], max_length=14)
    quiet: list[WindowForm] = Field(default=[], max_length=14)
    utc_offset_minutes: int = Field(default=480, ge=-14 * 60, le=14 * 60)
    breaks_through: bool = True
    priority: Priority | None = None
    silent: bool = False
    steps: list[StepForm] = Field(default=[], max_length=5)

    @model_validator(mode="after")
    def _goes_up(self) -> RuleForm:
        minutes = [one.after_minutes for one in self.steps]
        if minutes and minutes[0] != 0:
            raise ValueError("the first step is told at once: after_minutes is 0")
        if any(later <= earlier for earlier, later in pairwise(minutes)):
            raise ValueError("each step is told later than the one before")
        return self


class RulePerson(BaseModel):
    """Somebody who is told."""

    id: str
    name: str


class RuleStep(BaseModel):
    """A step; ``people`` are those of ``user_ids`` by name."""

    after_minutes: int
    user_ids: list[str]
    roles: list[str]
    channel_ids: list[str]
    people: list[RulePerson]


class RuleWindow(BaseModel):
    """Times of the week."""

    days: list[int]
    start: str
    end: str


class AlarmRule(BaseModel):
    """A rule."""

    id: str
    name: str
    area_id: str | None
    area_path: list[str]
    enabled: bool
    kinds: list[str]
    camera_ids: list[str]
    least_priority: Priority
    hours: list[RuleWindow]
    quiet: list[RuleWindow]
    utc_offset_minutes: int
    breaks_through: bool
    priority: Priority | None
    silent: bool
    steps: list[RuleStep]


class RuleChannel(BaseModel):
    """A channel that a rule may name."""

    id: str
    name: str
    kind: str
    enabled: bool


@router.get("", response_model=Listing[AlarmRule])
async def list_rules(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Those of the caller's areas, in the order in which they are asked for a priority."""
    paths = permitted_areas(caller, Right.CONFIGURE)
    where = within(areas.c.path, paths)
    if "" in paths:
        where = sa.or_(where, alarm_rules.c.area_id.is_(None))
    async with services.reader.connect() as connection:
        return {"items": await _documents(connection, where)}


@router.get("/channels", response_model=Listing[RuleChannel])
async def list_channels(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Channels that rules may name, by name; none for who may not send to other systems."""
    permitted_areas(caller, Right.CONFIGURE)
    if Right.SYSTEM not in caller.rights_at(COUNTY, now_us()):
        return {"items": []}
    column = outbox_channels.c
    async with services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(column.id, column.name, column.kind, column.enabled)
            .where(column.deleted_us.is_(None))
            .order_by(column.name)
        )
        return {"items": [dict(row._mapping) for row in rows]}


@router.post("", status_code=201, response_model=AlarmRule)
async def create_rule(
    body: RuleForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add one."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        await _require(connection, caller, body, path, frozenset())
    columns = body.model_dump(mode="json")
    rule_id = await act(
        services, request, caller, "alarm_rule.create", "alarm_rules.create",
        {"columns": columns}, area=path, detail=columns, result_as="id",
    )  # fmt: skip
    return await _one(services, rule_id)


@router.put("/{alarm_rule_id}", response_model=AlarmRule)
async def change_rule(
    alarm_rule_id: str, body: RuleForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Replace it; what it has planned already is told as it was planned."""
    async with services.reader.connect() as connection:
        row = await _rule(connection, caller, alarm_rule_id)
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        known = frozenset(channel for step in row.steps for channel in step["channel_ids"])
        await _require(connection, caller, body, path, known)
    columns = body.model_dump(mode="json")
    await act(
        services, request, caller, "alarm_rule.change", "alarm_rules.change",
        {"rule_id": alarm_rule_id, "columns": columns},
        area=path, detail={"id": alarm_rule_id, **columns},
    )  # fmt: skip
    return await _one(services, alarm_rule_id)


@router.delete("/{alarm_rule_id}", status_code=204)
async def delete_rule(
    alarm_rule_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Nobody is told by it any more."""
    async with services.reader.connect() as connection:
        row = await _rule(connection, caller, alarm_rule_id)
    await act(
        services, request, caller, "alarm_rule.delete", "alarm_rules.remove",
        {"rule_id": alarm_rule_id},
        area=row.path or "", detail={"id": alarm_rule_id, "name": row.name},
    )  # fmt: skip


async def _rule(connection: AsyncConnection, caller: Principal, rule_id: str) -> sa.Row[Any]:
    row = (
        await connection.execute(
            sa.select(alarm_rules, areas.c.path)
            .outerjoin(areas, areas.c.id == alarm_rules.c.area_id)
            .where(alarm_rules.c.id == rule_id)
        )
    ).one_or_none()
    if row is None:
        raise not_found("rule")
    check(caller, Right.CONFIGURE, AreaPlace(row.path) if row.path else COUNTY)
    return row


async def _require(
    connection: AsyncConnection, caller: Principal, body: RuleForm, path: str, known: frozenset[str]
) -> None:
    """Raises ApiError where it names what is not there, or channels that the caller may not use;
    ``known`` are those that it names already.
    """
    named = {one for step in body.steps for one in step.channel_ids}
    if named - known:
        check(caller, Right.SYSTEM, COUNTY)
    people = {one for step in body.steps for one in step.user_ids}
    there = sa.select(users.c.id).where(users.c.id.in_(people))
    if len((await connection.execute(there)).all()) < len(people):
        raise invalid(steps="one of these people is not there any more: choose again")
    channel = outbox_channels.c
    living = sa.select(channel.id).where(
        channel.id.in_(named - known), channel.deleted_us.is_(None)
    )
    if len((await connection.execute(living)).all()) < len(named - known):
        raise invalid(steps="one of these channels is not there any more: choose again")
    chosen = set(body.camera_ids)
    standing = sa.select(cameras.c.id).where(cameras.c.id.in_(chosen), cameras_within([path]))
    if len((await connection.execute(standing)).all()) < len(chosen):
        raise invalid(camera_ids="choose cameras that stand in the rule's area")


async def _one(services: Services, rule_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        found = await _documents(connection, alarm_rules.c.id == rule_id)
    if not found:
        raise not_found("rule")
    return found[0]


async def _documents(
    connection: AsyncConnection, where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    rows = [
        dict(row)
        for row in (
            await connection.execute(
                sa.select(alarm_rules, areas.c.path)
                .outerjoin(areas, areas.c.id == alarm_rules.c.area_id)
                .where(where)
                .order_by(alarm_rules.c.created_us, alarm_rules.c.id)
            )
        ).mappings()
    ]
    names = await area_names(connection, [row["path"] for row in rows if row["path"]])
    told = {one for row in rows for step in row["steps"] for one in step["user_ids"]}
    people = {
        row.id: row.display_name or row.name
        for row in await connection.execute(
            sa.select(users.c.id, users.c.name, users.c.display_name).where(users.c.id.in_(told))
        )
    }
    for row in rows:
        row["area_path"] = names.get(row["path"] or "", [])
        row["steps"] = [
            {
                **step,
                "people": [
                    {"id": one, "name": people[one]} for one in step["user_ids"] if one in people
                ],
            }
            for step in row["steps"]
        ]
    return rows
