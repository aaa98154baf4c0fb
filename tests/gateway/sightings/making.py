"""Sightings in a test's county: rows and pictures as a platform would have told them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from camera_adapters.gat1400.objects import BY_KIND, read_sighting
from gateway.database.sighting_tables import sighting_places, sightings
from gateway.identifiers import now_us
from gateway.sightings.intake import Intake
from tests.gateway.api.conftest import County
from tests.peers.gat1400_device import CHECKPOINT, motor_vehicle


async def a_platform(county: County, area_id: str, name: str = "卡口平台") -> str:
    """A view library below, in this area; gives its id."""
    platform_id = f"plf_{area_id}"
    await county.write(
        "platforms.create",
        columns={
            "id": platform_id, "kind": "gat1400", "direction": "below", "name": name,
            "code": f"{abs(hash(area_id)) % 10**20:020d}", "area_id": area_id, "options": {},
            "enabled": True,
        },
    )  # fmt: skip
    return platform_id


async def told(
    county: County, platform_id: str, *documents: dict[str, Any], kind: str = "vehicle"
) -> list[str]:
    """Take these in; gives the ids of all rows of the platform, in order of arrival."""
    found = [
        read_sighting(BY_KIND[kind], one, "x", utc_offset_minutes=480)  # type: ignore[index]
        for one in documents
    ]
    with tempfile.TemporaryDirectory() as folder:
        services = county.services
        intake = Intake(services.reader, services.rows, services.storage.store, Path(folder))
        await intake.take(platform_id, found, CHECKPOINT, now_us())
    statement = (
        sa.select(sightings.c.id)
        .select_from(sightings.join(sighting_places, sighting_places.c.id == sightings.c.place_id))
        .where(sighting_places.c.platform_id == platform_id)
        .order_by(sightings.c.id)
    )
    async with services.reader.connect() as connection:
        return [str(one) for one in await connection.scalars(statement)]


async def link(county: County, platform_id: str, code: str, camera_id: str) -> None:
    """The device of this code is that camera."""
    engine = county.services.rows._engine  # type: ignore[attr-defined]

    def update() -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.update(sighting_places)
                .where(sighting_places.c.platform_id == platform_id, sighting_places.c.code == code)
                .values(camera_id=camera_id)
            )

    await asyncio.to_thread(update)


async def a_sighting(county: County, platform_id: str, camera_id: str) -> str:
    """One pass with pictures, at a camera; gives its id."""
    found = await told(county, platform_id, motor_vehicle())
    await link(county, platform_id, CHECKPOINT, camera_id)
    return found[-1]
