"""The channels of a platform, and making cameras of them."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, permitted_area
from gateway.api.camera_answers import Camera as CameraAnswer
from gateway.api.cameras import camera_document
from gateway.api.errors import ApiError, invalid
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.platform_answers import ChannelPage
from gateway.api.platforms import permitted_platform
from gateway.api.services import ServicesDep
from gateway.camera_form import Record
from gateway.database.platform_tables import platform_channels
from gateway.database.tables import cameras
from gateway.identifiers import new_id
from gateway.people.roles import Right
from gateway.platforms.taking_over import camera_of_channel
from gateway.secrets import SealError, unseal

router = APIRouter(prefix="/api/platforms/{platform_id}", tags=["devices and platforms"])

TAKEN_AT_ONCE_LIMIT = 500
# Groups and areas before cameras.
_ORDER = sa.case((platform_channels.c.kind == "camera", 1), else_=0)


class ChosenChannel(BaseModel):
    """A channel that shall be a camera; without a name it has the channel's."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    code: str = Field(max_length=80)
    name: str | None = Field(default=None, min_length=1, max_length=200)
    area_id: str | None = Field(default=None, max_length=40)
    number: str | None = Field(default=None, max_length=40, pattern=r"^[^\x00-\x1f/\\]*$")


class TakeOverForm(BaseModel):
    """Which channels become cameras, and in which area unless they say otherwise."""

    model_config = ConfigDict(extra="forbid")

    area_id: str = Field(max_length=40)
    record: Record = "continuous"
    channels: list[ChosenChannel] = Field(min_length=1, max_length=TAKEN_AT_ONCE_LIMIT)


class TakenOver(BaseModel):
    """The cameras that were made, in the order asked for."""

    cameras: list[CameraAnswer]


@router.get("/channels", response_model=ChannelPage)
async def list_channels(
    platform_id: str,
    caller: Caller,
    services: ServicesDep,
    parent: Annotated[str | None, Query(max_length=80)] = None,
    query: Annotated[str, Query(max_length=200)] = "",
    taken: bool | None = None,
    gone: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Groups first, by name. ``parent`` lists what is directly beneath one ("" for the top);
    ``gone`` also shows those that are in the catalogue no longer.
    """
    table = platform_channels
    living = cameras.alias("living")
    joined = table.outerjoin(
        living, sa.and_(living.c.id == table.c.camera_id, living.c.deleted_us.is_(None))
    )
    where = [table.c.platform_id == platform_id]
    if parent is not None:
        where.append(table.c.parent_code == parent if parent else table.c.parent_code.is_(None))
    if query:
        where.append(
            table.c.name.icontains(query, autoescape=True)
            | table.c.code.icontains(query, autoescape=True)
        )
    if taken is not None:
        where.append(living.c.id.is_not(None) if taken else living.c.id.is_(None))
    if not gone:
        where.append(table.c.gone_us.is_(None))
    below = table.alias("below")
    children = (
        sa.select(sa.func.count())
        .select_from(below)
        .where(
            below.c.platform_id == table.c.platform_id,
            below.c.parent_code == table.c.code,
            below.c.gone_us.is_(None),
        )
        .correlate(table)
        .scalar_subquery()
    )
    async with services.reader.connect() as connection:
        await permitted_platform(connection, caller, platform_id)
        total = await connection.scalar(
            sa.select(sa.func.count()).select_from(joined).where(*where)
        )
        key = read_cursor(cursor, 3)
        if key is not None:
            if key[0] not in ("0", "1"):
                raise invalid(cursor="this is not a cursor that was given out")
            after = sa.tuple_(sa.literal(int(key[0])), sa.literal(key[1]), sa.literal(key[2]))
            where.append(sa.tuple_(_ORDER, table.c.name, table.c.code) > after)
        rows = (
            await connection.execute(
                sa.select(
                    *(column for column in table.c if column.name != "camera_id"),
                    living.c.id.label("camera_id"),
                    children.label("children"),
                    _ORDER.label("order"),
                )
                .select_from(joined)
                .where(*where)
                .order_by(_ORDER, table.c.name, table.c.code)
                .limit(limit + 1)
            )
        ).mappings()
        found = list(rows)
    last = found[limit - 1] if len(found) > limit else None
    return {
        "items": [dict(row) for row in found[:limit]],
        "next_cursor": (
            write_cursor((str(last["order"]), last["name"], last["code"])) if last else None
        ),
        "total": total,
    }


@router.post(
    "/cameras",
    status_code=201,
    response_model=TakenOver,
    response_model_exclude_unset=True,
)
async def take_over_channels(
    platform_id: str,
    body: TakeOverForm,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Make cameras of channels, all or none."""
    async with services.reader.connect() as connection:
        platform = await permitted_platform(connection, caller, platform_id)
        paths = {
            area_id: await permitted_area(connection, caller, Right.CONFIGURE, area_id)
            for area_id in {body.area_id, *(one.area_id for one in body.channels if one.area_id)}
        }
        known = await _channels(connection, platform_id, [one.code for one in body.channels])
    try:
        password = (
            unseal(services.secret, platform.password_sealed, platform_id)
            if platform.password_sealed
            else None
        )
    except SealError as error:
        raise ApiError(409, "conflict", str(error)) from None
    made = []
    for chosen in body.channels:
        channel = known.get(chosen.code)
        if channel is None:
            raise invalid(channels=f"there is no channel {chosen.code}")
        try:
            columns = camera_of_channel(platform, channel, new_id("cam"), password, services.secret)
        except ValueError as error:
            raise invalid(channels=f"{channel['name']}: {error}") from None
        made.append(
            {
                **columns,
                "name": chosen.name or channel["name"],
                "number": chosen.number or None,
                "area_id": chosen.area_id or body.area_id,
                "record": body.record,
            }
        )
    await act(
        services, request, caller, "platform.take_over", "platforms.take_over",
        {"platform_id": platform_id, "cameras_columns": made},
        area=paths[body.area_id],
        detail={
            "id": platform_id, "name": platform.name, "cameras": [one["id"] for one in made],
        },
    )  # fmt: skip
    await services.processes.configuration_changed()
    async with services.reader.connect() as connection:
        return {
            "cameras": [
                await camera_document(connection, services, caller, one["id"]) for one in made
            ]
        }


async def _channels(
    connection: AsyncConnection, platform_id: str, codes: list[str]
) -> dict[str, dict[str, Any]]:
    table = platform_channels
    rows = await connection.execute(
        sa.select(table).where(table.c.platform_id == platform_id, table.c.code.in_(codes))
    )
    return {row["code"]: dict(row) for row in rows.mappings()}
