"""Alarms: pages of them, and seeing to one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.alarms.priorities import BY_KIND, OTHERWISE, Priority
from gateway.alarms.rule_rows import ESCALATED
from gateway.api.access import Caller, act, check, permitted_area, permitted_camera
from gateway.api.alarm_audience import may_know_of
from gateway.api.alarm_documents import alarm_documents
from gateway.api.errors import invalid, not_found
from gateway.api.masked_alarms import beside_masks
from gateway.api.operating_answers import AlarmAnswer, AlarmPage
from gateway.api.paging import cursor_number, read_cursor, write_cursor
from gateway.api.services import ServicesDep
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import cameras_within, within
from gateway.people.authorize import Place, Principal
from gateway.people.roles import Right

_SNOOZE_AT_MOST_US = 7 * 86_400 * US_PER_S

router = APIRouter(prefix="/api/alarms", tags=["alarms"])


class Acknowledgement(BaseModel):
    """What whoever sees to it has to say."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    note: str | None = Field(default=None, max_length=500)


class Snooze(BaseModel):
    """``until_us``: when it comes back; null ends what was put off."""

    model_config = ConfigDict(extra="forbid")

    until_us: int | None = Field(ge=0, lt=2**62)


class Escalation(BaseModel):
    """Why others must hear of it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    words: str = Field(min_length=1, max_length=500)


@router.get("", response_model=AlarmPage)
async def list_alarms(
    caller: Caller,
    services: ServicesDep,
    state: Literal["open", "ended"] | None = None,
    acknowledged: bool | None = None,
    snoozed: bool | None = None,
    kind: Annotated[str | None, Query(max_length=20)] = None,
    priority: Priority | None = None,
    camera_id: Annotated[str | None, Query(max_length=40)] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    folded_into: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Where the caller may look live, the newest first."""
    table = alarms.c
    visible = sa.and_(_within(caller.areas_with(Right.LIVE, now_us())), may_know_of(caller))
    sleeping = sa.func.coalesce(table.snoozed_until_us, 0) > now_us()
    where = [visible]
    async with services.reader.connect() as connection:
        if camera_id is not None:
            await permitted_camera(connection, caller, Right.LIVE, camera_id)
            where.append(table.camera_id == camera_id)
        if area_id is not None:
            path = await permitted_area(connection, caller, Right.LIVE, area_id)
            where.append(_within([path]))
        where.append(
            table.folded_into.is_(None) if folded_into is None else table.folded_into == folded_into
        )
        if state is not None:
            where.append(table.end_us.is_(None) if state == "open" else table.end_us.is_not(None))
        if acknowledged is not None:
            seen = table.acknowledged_us.is_not(None)
            where.append(seen if acknowledged else ~seen)
        if snoozed is not None:
            where.append(sleeping if snoozed else ~sleeping)
        if kind is not None:
            where.append(table.kind == kind)
        if priority is not None:
            where.append(_of_priority(priority))
        key = read_cursor(cursor, 2)
        if key is not None:
            place = sa.tuple_(cursor_number(key[0]), key[1])
            where.append(sa.tuple_(table.begin_us, table.id) < place)
        found = await alarm_documents(connection, *where, limit=limit + 1)
        items = await beside_masks(connection, caller, found[:limit])
        count = await connection.scalar(
            sa.select(sa.func.count())
            .select_from(alarms)
            .where(
                visible,
                table.end_us.is_(None),
                table.acknowledged_us.is_(None),
                table.folded_into.is_(None),
                ~sleeping,
            )
        )
    last = items[-1] if len(found) > limit else None
    return {
        "items": items,
        "next_cursor": write_cursor((str(last["begin_us"]), last["id"])) if last else None,
        "open": count or 0,
    }


@router.get("/{alarm_id}", response_model=AlarmAnswer)
async def read_alarm(alarm_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One alarm."""
    async with services.reader.connect() as connection:
        return (await _alarm(connection, caller, alarm_id))[1]


@router.post("/{alarm_id}/acknowledge", response_model=AlarmAnswer)
async def acknowledge(
    alarm_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    body: Acknowledgement | None = None,
) -> dict[str, Any]:
    """Say that one sees to it."""
    note = body.note if body is not None else None
    async with services.reader.connect() as connection:
        place, document = await _alarm(connection, caller, alarm_id)
    check(caller, Right.BOOKMARK, place)
    await act(
        services, request, caller, "alarm.acknowledge", "alarms.acknowledge",
        {
            "alarm_id": alarm_id, "user_id": caller.user_id,
            "name": caller.display_name or caller.name, "note": note,
        },
        area=place.area_path,
        detail={
            "id": alarm_id, "kind": document["kind"], "camera_id": document["camera_id"],
            "note": note,
        },
    )  # fmt: skip
    services.alarm_watch.tell([alarm_id])
    async with services.reader.connect() as connection:
        return (await _alarm(connection, caller, alarm_id))[1]


@router.post("/{alarm_id}/snooze", response_model=AlarmAnswer)
async def snooze(
    alarm_id: str, body: Snooze, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Put it off until a time; it waits for somebody again then, when it is still on."""
    async with services.reader.connect() as connection:
        place, document = await _alarm(connection, caller, alarm_id)
    check(caller, Right.BOOKMARK, place)
    at_us = now_us()
    if body.until_us is not None and not at_us < body.until_us <= at_us + _SNOOZE_AT_MOST_US:
        raise invalid(until_us="choose a time within the next seven days")
    await act(
        services, request, caller, "alarm.snooze", "alarms.snooze",
        {
            "alarm_id": alarm_id, "until_us": body.until_us,
            "name": caller.display_name or caller.name,
        },
        area=place.area_path,
        detail={
            "id": alarm_id, "kind": document["kind"], "camera_id": document["camera_id"],
            "until_us": body.until_us,
        },
    )  # fmt: skip
    services.alarm_watch.tell([alarm_id])
    async with services.reader.connect() as connection:
        return (await _alarm(connection, caller, alarm_id))[1]


@router.post("/{alarm_id}/escalate", response_model=AlarmAnswer)
async def escalate(
    alarm_id: str, body: Escalation, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """One level more urgent, and whoever its rules name next is told now."""
    async with services.reader.connect() as connection:
        place, document = await _alarm(connection, caller, alarm_id)
    check(caller, Right.BOOKMARK, place)
    await act(
        services, request, caller, ESCALATED, "alarms.escalate",
        {
            "alarm_id": alarm_id, "name": caller.display_name or caller.name, "words": body.words,
        },
        area=place.area_path,
        detail={
            "id": alarm_id, "kind": document["kind"], "camera_id": document["camera_id"],
            "words": body.words,
        },
    )  # fmt: skip
    services.alarm_watch.tell([alarm_id])
    async with services.reader.connect() as connection:
        return (await _alarm(connection, caller, alarm_id))[1]


async def _alarm(
    connection: AsyncConnection, caller: Principal, alarm_id: str
) -> tuple[Place, dict[str, Any]]:
    found = await alarm_documents(connection, alarms.c.id == alarm_id, may_know_of(caller))
    if not found:
        raise not_found("alarm")
    place = found[0][0]
    check(caller, Right.LIVE, place)
    (told,) = await beside_masks(connection, caller, found)
    return place, told


def _of_priority(priority: Priority) -> sa.ColumnElement[bool]:
    kind = alarms.c.kind
    named = kind.in_([one for one, given in BY_KIND.items() if given == priority])
    by_kind = named | kind.not_in(list(BY_KIND)) if priority == OTHERWISE else named
    given = alarms.c.priority
    return sa.or_(given == priority, sa.and_(given.is_(None), by_kind))


def _within(paths: list[str]) -> sa.ColumnElement[bool]:
    """Alarms about cameras that stand there, and about other things whose home is there."""
    if "" in paths:
        return sa.true()
    standing = sa.select(cameras.c.id).where(cameras_within(paths))
    homes = sa.select(areas.c.id).where(within(areas.c.path, paths))
    return alarms.c.camera_id.in_(standing) | (
        alarms.c.camera_id.is_(None) & alarms.c.area_id.in_(homes)
    )
