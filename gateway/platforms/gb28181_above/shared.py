"""What one platform above may know of, out of the rows: its catalogue, and which camera each code
names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.gb28181.shared_catalog import SharedArea, SharedCamera, SharedCatalog
from gateway.database.cascade_tables import platform_shares
from gateway.database.platform_tables import platform_channels
from gateway.database.tables import areas, cameras
from gateway.people.areas import cameras_within, within
from recorder.rows import RowWriter

_CIVIL_CODE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class SharedRows:
    """Areas (parents before children) and cameras that are shared, as rows."""

    areas: Sequence[Any]
    cameras: Sequence[Any]


async def read_shared(connection: AsyncConnection, platform_id: str) -> SharedRows:
    """What the shares of a platform mean at this moment: of an area everything below it, too."""
    table = platform_shares
    rows = (
        await connection.execute(
            sa.select(table.c.camera_id, areas.c.path)
            .outerjoin(areas, areas.c.id == table.c.area_id)
            .where(table.c.platform_id == platform_id)
        )
    ).all()
    paths = [row.path for row in rows if row.path is not None]
    single = [row.camera_id for row in rows if row.camera_id is not None]
    found_areas = await connection.execute(
        sa.select(areas.c.id, areas.c.parent_id, areas.c.name, areas.c.code, areas.c.path)
        .where(within(areas.c.path, paths))
        .order_by(sa.func.length(areas.c.path), areas.c.position, areas.c.name)
    )
    channel = platform_channels
    found_cameras = await connection.execute(
        sa.select(
            cameras.c.id,
            cameras.c.name,
            cameras.c.area_id,
            cameras.c.enabled,
            channel.c.status,
            channel.c.facts,
            cameras.c.longitude,
            cameras.c.latitude,
        )
        .outerjoin(
            channel,
            sa.and_(
                channel.c.platform_id == cameras.c.platform_id,
                channel.c.code == cameras.c.channel,
            ),
        )
        .where(
            cameras.c.deleted_us.is_(None),
            sa.or_(cameras_within(paths) if paths else sa.false(), cameras.c.id.in_(single)),
        )
        .order_by(cameras.c.name, cameras.c.id)
    )
    return SharedRows(found_areas.all(), found_cameras.all())


async def give_codes(
    rows: RowWriter, platform_id: str, local_code: str, shared: SharedRows
) -> Mapping[str, Mapping[str, str]]:
    """Codes by kind and id, durable before anybody is told of one. Raises RowError."""
    items = [("group", platform_id)]
    items += [("area", area.id) for area in shared.areas]
    items += [("camera", camera.id) for camera in shared.cameras]
    codes: Mapping[str, Mapping[str, str]] = await rows.write(
        "platforms.codes", platform_id=platform_id, centre=local_code[:8], items=items
    )
    return codes


def build_catalog(
    platform_id: str,
    local_code: str,
    name: str,
    shared: SharedRows,
    codes: Mapping[str, Mapping[str, str]],
    is_online: Callable[[str], bool],
) -> SharedCatalog:
    """The catalogue, pure; of a whole county it belongs off the loop."""
    area_codes, camera_codes = codes["area"], codes["camera"]
    civil = {area.id: (area.code or "")[:_CIVIL_CODE_DIGITS] for area in shared.areas}
    return SharedCatalog.of(
        local_code,
        codes["group"][platform_id],
        name,
        [
            SharedArea(
                area_codes[area.id],
                area.name,
                area_codes.get(area.parent_id or "", ""),
                _civil_code(civil[area.id]),
            )
            for area in shared.areas
        ],
        [
            SharedCamera(
                code=camera_codes[camera.id],
                camera_id=camera.id,
                name=camera.name,
                # A single camera's own area is not for this platform to know.
                parent=area_codes.get(camera.area_id, ""),
                online=camera.enabled and camera.status != "off" and is_online(camera.id),
                steerable="ptz" in (camera.facts or {}).get("capabilities", ()),
                civil_code=_civil_code(civil.get(camera.area_id, "") or local_code[:6]),
                manufacturer=str((camera.facts or {}).get("manufacturer", ""))[:100],
                model=str((camera.facts or {}).get("model", ""))[:100],
                longitude=camera.longitude,
                latitude=camera.latitude,
            )
            for camera in shared.cameras
        ],
    )


def _civil_code(text: str) -> str:
    return text if text.isascii() and text.isdigit() and len(text) == _CIVIL_CODE_DIGITS else ""
