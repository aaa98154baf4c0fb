"""Addresses that name a platform's channel, given by hand: only by who configures that platform.

``gb28181://PLATFORM_ID/CHANNEL_CODE`` needs no password of the device's, and codes are counted
through: without this check whoever configures one township could have the channels of another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.errors import invalid
from gateway.database.platform_tables import platform_channels, platforms
from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right
from gateway.sources.addresses import scheme_of
from gateway.sources.gb28181 import GbAddress, parse_address

_NOT_YOURS = (
    "there is no such platform, or you do not configure it: its channels become cameras on the "
    "platform's page"
)
_TAKEN = "this channel is another camera already"


async def require_own_channels(
    connection: AsyncConnection,
    caller: Principal,
    addresses: Iterable[tuple[str, str | None]],
    *,
    known: Collection[str | None] = (),
    camera_id: str | None = None,
) -> None:
    """Raises ApiError 422 for an address (with its field's name) of a channel of a platform that
    the caller does not configure, or that is a camera other than ``camera_id``. What was there
    before (``known``) may stay.
    """
    for name, url in addresses:
        if not url or url in known or scheme_of(url) != "gb28181":
            continue
        trouble = await _trouble(connection, caller, parse_address(url), camera_id)
        if trouble:
            raise invalid(**{name: trouble})


async def _trouble(
    connection: AsyncConnection, caller: Principal, address: GbAddress, camera_id: str | None
) -> str:
    path = await connection.scalar(
        sa.select(areas.c.path)
        .join(platforms, platforms.c.area_id == areas.c.id)
        .where(
            platforms.c.id == address.platform_id,
            platforms.c.direction == "below",
            platforms.c.deleted_us.is_(None),
        )
    )
    # One answer for both: who may not know of a platform learns nothing of it.
    if path is None or not authorize(caller, Right.CONFIGURE, AreaPlace(path), now_us()).allowed:
        return _NOT_YOURS
    table = platform_channels
    taken = await connection.scalar(
        sa.select(cameras.c.id)
        .join(table, table.c.camera_id == cameras.c.id)
        .where(
            table.c.platform_id == address.platform_id,
            table.c.code == address.channel,
            cameras.c.deleted_us.is_(None),
        )
    )
    return _TAKEN if taken is not None and taken != camera_id else ""
