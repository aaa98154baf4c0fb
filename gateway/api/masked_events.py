"""Events of zones as masks let somebody know of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.cameras import read_places
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.masks import mask_histories
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right
from gateway.zones.beside_masks import Row, of_zone, told_beside_masks


async def events_beside_masks(
    connection: AsyncConnection, principal: Principal, rows: Sequence[Row]
) -> list[Row]:
    """The rows that may be told, in their order; those of devices as they are."""
    of_zones = {row["camera_id"] for row in rows if of_zone(row)}
    if not of_zones:
        return list(rows)
    at_us = now_us()
    places = await read_places(connection, cameras.c.id.in_(of_zones))
    unlifted = [
        one
        for one in of_zones
        if one not in places
        or not authorize(principal, Right.LIVE, places[one], at_us).may_lift_masks
    ]
    versions = await mask_histories(connection, unlifted) if unlifted else {}
    told = (
        told_beside_masks(row, versions.get(row["camera_id"], ())) if of_zone(row) else row
        for row in rows
    )
    return [row for row in told if row is not None]
