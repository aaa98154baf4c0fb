"""Devices and platforms: what brings channels, what takes them, and their configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, check, check_visible, permitted_area, permitted_areas
from gateway.api.errors import invalid, not_found
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.platform_answers import Platform, PlatformPage
from gateway.api.services import Services, ServicesDep
from gateway.control.channel import ControlError
from gateway.database.platform_tables import platform_channels, platform_states, platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import new_id, now_us
from gateway.people.areas import within
from gateway.people.authorize import COUNTY, AreaPlace, Principal
from gateway.people.roles import Right
from gateway.platforms.form import (
    PlatformChange,
    PlatformForm,
    checked_options,
    platform_columns,
    require_addresses,
)
from gateway.secrets import seal

router = APIRouter(prefix="/api/platforms", tags=["devices and platforms"])

_SHOWN = (
    "id", "kind", "direction", "name", "code", "area_id", "host", "port", "username", "enabled",
    "options", "created_us",
)  # fmt: skip
_STATE = (
    "state", "since_us", "fault", "detail", "host", "port", "transport", "expires_us", "seen_us",
    "facts", "catalog",
)  # fmt: skip


async def permitted_platform(
    connection: AsyncConnection, caller: Principal, platform_id: str
) -> sa.Row[Any]:
    """The platform's row with ``area_path``, if the caller configures it: those below us by the
    right in their area, those above by that for the whole system. Raises ApiError.
    """
    statement = (
        sa.select(platforms, areas.c.path.label("area_path"))
        .join(areas, areas.c.id == platforms.c.area_id)
        .where(platforms.c.id == platform_id, platforms.c.deleted_us.is_(None))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise not_found("platform")
    require_configuring(caller, row.direction, row.area_path)
    return row


def require_configuring(caller: Principal, direction: str, area_path: str) -> None:
    """Raises ApiError for who may not say anything of such a platform."""
    if direction == "above":
        check_visible(caller, AreaPlace(area_path))
        check(caller, Right.SYSTEM, COUNTY)
    else:
        check(caller, Right.CONFIGURE, AreaPlace(area_path))


@router.get("", response_model=PlatformPage)
async def list_platforms(
    caller: Caller,
    services: ServicesDep,
    direction: Literal["below", "above"] | None = None,
    kind: Literal["onvif", "gb28181", "gat1400"] | None = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    query: Annotated[str, Query(max_length=200)] = "",
    state: Literal["connecting", "online", "offline", "refused", "disabled"] | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Those that the caller configures, by name. ``query`` finds name, code and host."""
    where = [
        platforms.c.deleted_us.is_(None),
        within(areas.c.path, permitted_areas(caller, Right.CONFIGURE)),
    ]
    if not _sees_those_above(caller):
        where.append(platforms.c.direction == "below")
    if direction is not None:
        where.append(platforms.c.direction == direction)
    if kind is not None:
        where.append(platforms.c.kind == kind)
    if query:
        columns = (platforms.c.name, platforms.c.code, platforms.c.host)
        where.append(sa.or_(*(one.icontains(query, autoescape=True) for one in columns)))
    if state is not None:
        where.append(_state_column() == state)
    placed = platforms.join(areas, areas.c.id == platforms.c.area_id).outerjoin(
        platform_states, platform_states.c.platform_id == platforms.c.id
    )
    async with services.reader.connect() as connection:
        if area_id is not None:
            path = await permitted_area(connection, caller, Right.CONFIGURE, area_id)
            where.append(within(areas.c.path, [path]))
        total = await connection.scalar(
            sa.select(sa.func.count()).select_from(placed).where(*where)
        )
        key = read_cursor(cursor, 2)
        if key is not None:
            where.append(sa.tuple_(platforms.c.name, platforms.c.id) > sa.tuple_(*key))
        statement = (
            sa.select(platforms.c.id)
            .select_from(placed)
            .where(*where)
            .order_by(platforms.c.name, platforms.c.id)
            .limit(limit + 1)
        )
        found = list(await connection.scalars(statement))
        items = await platform_documents(connection, found[:limit])
    last = items[-1] if len(found) > limit else None
    return {
        "items": items,
        "next_cursor": write_cursor((last["name"], last["id"])) if last else None,
        "total": total,
    }


@router.post("", status_code=201, response_model=Platform)
async def create_platform(
    body: PlatformForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add one; signalling takes it up at once."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
    require_configuring(caller, body.direction, path)
    _require_lifting(caller, body.options)
    platform_id = new_id("plf")
    await act(
        services, request, caller, "platform.create", "platforms.create",
        {"columns": platform_columns(body, platform_id, services.secret)},
        area=path,
        detail={
            "id": platform_id, "name": body.name, "kind": body.kind, "direction": body.direction,
            "code": body.code, "host": body.host,
        },
    )  # fmt: skip
    await signalling_changed(services)
    return await _read_one(services, platform_id)


@router.get("/{platform_id}", response_model=Platform)
async def read_platform(platform_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One platform."""
    async with services.reader.connect() as connection:
        await permitted_platform(connection, caller, platform_id)
        return (await platform_documents(connection, [platform_id]))[0]


@router.patch("/{platform_id}", response_model=Platform)
async def change_platform(
    platform_id: str,
    body: PlatformChange,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Change it. A new host needs the password again: the old one is not sent elsewhere."""
    async with services.reader.connect() as connection:
        row = await permitted_platform(connection, caller, platform_id)
        if "area_id" in body.model_fields_set and body.area_id != row.area_id:
            path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
            require_configuring(caller, row.direction, path)
        brought = list(
            await connection.scalars(
                sa.select(cameras.c.id).where(
                    cameras.c.platform_id == platform_id, cameras.c.deleted_us.is_(None)
                )
            )
        )
    columns = _changed_columns(body, row, services.secret)
    _require_lifting(caller, columns.get("options", {}))
    accounts = _camera_accounts(body, row.kind, brought, services.secret)
    if columns:
        named = sorted({"password" if name == "password_sealed" else name for name in columns})
        await act(
            services, request, caller, "platform.change", "platforms.change",
            {"platform_id": platform_id, "columns": columns, "accounts": accounts},
            area=row.area_path,
            detail={"id": platform_id, "name": row.name, "fields": named},
        )  # fmt: skip
        await signalling_changed(services)
        if accounts:
            await services.processes.configuration_changed()
    return await _read_one(services, platform_id)


@router.delete("/{platform_id}", status_code=204)
async def delete_platform(
    platform_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    with_cameras: bool = False,
) -> None:
    """Remove it. Its cameras stay unless asked for, and their footage stays its time either way."""
    async with services.reader.connect() as connection:
        row = await permitted_platform(connection, caller, platform_id)
        if with_cameras:
            paths = await connection.scalars(
                sa.select(areas.c.path)
                .join(cameras, cameras.c.area_id == areas.c.id)
                .where(cameras.c.platform_id == platform_id, cameras.c.deleted_us.is_(None))
                .distinct()
            )
            for path in paths:
                check(caller, Right.CONFIGURE, AreaPlace(path))
    await act(
        services, request, caller, "platform.delete", "platforms.delete",
        {"platform_id": platform_id, "with_cameras": with_cameras},
        area=row.area_path,
        detail={"id": platform_id, "name": row.name, "with_cameras": with_cameras},
        result_as="cameras",
    )  # fmt: skip
    await signalling_changed(services)
    await services.processes.configuration_changed()


async def signalling_changed(services: Services) -> None:
    """Have signalling look at the rows at once; it would anyway in a few seconds."""
    try:
        await services.processes.client("signalling").call("platforms.reconcile")
    except (ConnectionError, TimeoutError, ControlError):
        return


async def platform_documents(
    connection: AsyncConnection, platform_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """The platforms with these ids as the API shows them, by name."""
    rows = await connection.execute(
        sa.select(
            platforms,
            areas.c.name.label("area_name"),
            *(platform_states.c[name].label(f"state_{name}") for name in _STATE),
        )
        .join(areas, areas.c.id == platforms.c.area_id)
        .outerjoin(platform_states, platform_states.c.platform_id == platforms.c.id)
        .where(platforms.c.id.in_(platform_ids))
        .order_by(platforms.c.name, platforms.c.id)
    )
    counts = await _channel_counts(connection, platform_ids)
    return [_document(row._mapping, counts.get(row.id)) for row in rows]


async def _read_one(services: Services, platform_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        return (await platform_documents(connection, [platform_id]))[0]


def _document(row: sa.RowMapping, counts: dict[str, int] | None) -> dict[str, Any]:
    state = {name: row[f"state_{name}"] for name in _STATE}
    if state["state"] is None:
        state |= {"state": "connecting", "since_us": row["changed_us"], "fault": "", "detail": ""}
        state |= {"facts": {}, "catalog": {}}
    if not row["enabled"]:
        state |= {"state": "disabled", "fault": "", "detail": ""}
    return {
        **{name: row[name] for name in _SHOWN},
        "area_name": row["area_name"],
        "has_password": row["password_sealed"] is not None,
        "state": state,
        "channels": counts or {"total": 0, "on": 0, "gone": 0, "taken": 0},
    }


async def _channel_counts(
    connection: AsyncConnection, platform_ids: Sequence[str]
) -> dict[str, dict[str, int]]:
    table = platform_channels
    present = table.c.gone_us.is_(None)
    # A camera that was deleted leaves its channel free.
    taken = sa.exists().where(cameras.c.id == table.c.camera_id, cameras.c.deleted_us.is_(None))
    rows = await connection.execute(
        sa.select(
            table.c.platform_id,
            _count(present).label("total"),
            _count(present & (table.c.status == "on")).label("on"),
            _count(table.c.gone_us.is_not(None)).label("gone"),
            _count(taken).label("taken"),
        )
        .where(table.c.platform_id.in_(platform_ids), table.c.kind == "camera")
        .group_by(table.c.platform_id)
    )
    return {
        row.platform_id: {"total": row.total, "on": row.on, "gone": row.gone, "taken": row.taken}
        for row in rows
    }


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def _state_column() -> sa.ColumnElement[str]:
    return sa.case(
        (platforms.c.enabled.is_(False), "disabled"),
        else_=sa.func.coalesce(platform_states.c.state, "connecting"),
    )


def _sees_those_above(caller: Principal) -> bool:
    return "" in caller.areas_with(Right.SYSTEM, now_us())


def _changed_columns(body: PlatformChange, row: sa.Row[Any], secret: bytes) -> dict[str, Any]:
    columns = body.model_dump(include=body.model_fields_set, exclude={"password"})
    merged = {**row._mapping, **columns}
    try:
        if "options" in columns:
            columns["options"] = checked_options(
                row.kind, row.direction, {**row.options, **columns["options"]}
            )
        require_addresses(row.kind, row.direction, merged["code"], merged["host"], merged["port"])
    except ValueError as error:
        name, _, why = str(error).partition(": ")
        raise invalid(**{name: why or name}) from None
    moved = (merged["host"], merged["port"]) != (row.host, row.port)
    if moved and row.host and row.password_sealed and "password" not in body.model_fields_set:
        raise invalid(password="the address has changed: give the password again")
    if "password" in body.model_fields_set:
        columns["password_sealed"] = (
            None if not body.password else seal(secret, body.password, row.id)
        )
    return columns


def _camera_accounts(
    body: PlatformChange, kind: str, camera_ids: Sequence[str], secret: bytes
) -> list[dict[str, Any]]:
    """An ONVIF device's cameras are pulled by its account: the new one, sealed to each."""
    given = body.model_fields_set & {"username", "password"}
    if kind != "onvif" or not given:
        return []
    accounts = []
    for camera_id in camera_ids:
        columns: dict[str, Any] = {}
        if "username" in given:
            columns["username"] = body.username
        if "password" in given:
            columns["password_sealed"] = (
                None if not body.password else seal(secret, body.password, camera_id)
            )
        accounts.append({"camera_id": camera_id, "columns": columns})
    return accounts


def _require_lifting(caller: Principal, options: dict[str, Any]) -> None:
    """Only who may see beneath every mask may let others do so."""
    if options.get("may_lift_masks"):
        check(caller, Right.LIFT_MASKS, COUNTY)
