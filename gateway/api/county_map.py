"""The map: where cameras stand and how they are, and the ground that they are drawn on."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import aiohttp
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from gateway.api.access import Caller, permitted_areas
from gateway.api.errors import ApiError, unavailable
from gateway.api.services import Services, ServicesDep
from gateway.database.tables import cameras
from gateway.geo.coordinates import CoordinateSystem
from gateway.map.outlines import OutlinesError, read_outlines
from gateway.people.areas import cameras_within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/map", tags=["map"])
_log = structlog.get_logger(__name__)

_TILE_BYTES_LIMIT = 4 * 1024 * 1024
_TILE_TIMEOUT = aiohttp.ClientTimeout(total=10)
_TILE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/avif", "image/gif"})
_DAY_S = 86_400


class Tiles(BaseModel):
    """The county's raster tiles, at ``/api/map/tiles/{z}/{x}/{y}``."""

    coordinates: CoordinateSystem
    largest_zoom: int
    attribution: str


class MapAnswer(BaseModel):
    """``tiles`` null: there are none, and ``/api/map/outlines`` is what there is to draw on."""

    tiles: Tiles | None


class PlacedCamera(BaseModel):
    """A camera that may be seen; ``longitude`` null: nobody knows where it stands."""

    id: str
    name: str
    longitude: Annotated[float | None, Field(description="degrees of WGS-84, as latitude")]
    latitude: float | None
    heading_deg: float | None
    view_deg: float | None
    state: Literal["live", "away", "idle", "off"]


class PlacedCameras(BaseModel):
    """All at once: a map shows a county."""

    items: list[PlacedCamera]


class OutlineName(BaseModel):
    """What an outline is of; empty where the file does not say."""

    name: str


class Geometry(BaseModel):
    """RFC 7946 §3.1: lines and areas."""

    type: Literal["LineString", "MultiLineString", "Polygon", "MultiPolygon"]
    coordinates: list[Any]


class Outline(BaseModel):
    """A feature of GeoJSON."""

    type: Literal["Feature"]
    properties: OutlineName
    geometry: Geometry


class Outlines(BaseModel):
    """GeoJSON in WGS-84."""

    type: Literal["FeatureCollection"]
    features: list[Outline]


@router.get("", response_model=MapAnswer)
async def read_map(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What the ground is made of."""
    permitted_areas(caller, Right.LIVE)
    settings = services.settings.map
    if settings.tiles_url == "":
        return {"tiles": None}
    return {
        "tiles": {
            "coordinates": settings.tiles_coordinates,
            "largest_zoom": settings.tiles_largest_zoom,
            "attribution": settings.tiles_attribution,
        }
    }


@router.get("/cameras", response_model=PlacedCameras)
async def list_placed_cameras(caller: Caller, services: ServicesDep) -> Response:
    """Every camera where the caller sees live."""
    paths = permitted_areas(caller, Right.LIVE)
    own = cameras.c
    statement = (
        sa.select(
            own.id, own.name, own.longitude, own.latitude, own.heading_deg, own.view_deg,
            own.enabled,
        )
        .where(own.deleted_us.is_(None), cameras_within(paths))
        .order_by(own.id)
    )  # fmt: skip
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
    items = [
        {
            "id": row.id,
            "name": row.name,
            "longitude": row.longitude,
            "latitude": row.latitude,
            "heading_deg": row.heading_deg,
            "view_deg": row.view_deg,
            "state": _state(services, row.id) if row.enabled else "off",
        }
        for row in rows
    ]
    # Ten thousand rows are made into text elsewhere, and not checked one by one.
    return await asyncio.to_thread(JSONResponse, {"items": items})


@router.get("/outlines", response_model=Outlines)
async def read_map_outlines(caller: Caller, services: ServicesDep) -> Response:
    """GeoJSON of areas, in WGS-84; without any where no file is set."""
    permitted_areas(caller, Right.LIVE)
    settings = services.settings.map
    try:
        found = await asyncio.to_thread(
            read_outlines, settings.areas_file, settings.areas_coordinates
        )
    except OutlinesError as error:
        raise ApiError(503, "unavailable", str(error)) from error
    except OSError as error:
        _log.warning("the map's outlines cannot be read", why=str(error))
        raise unavailable("map.areas_file cannot be read") from error
    answer: Response = await asyncio.to_thread(JSONResponse, found)
    answer.headers["Cache-Control"] = f"private, max-age={_DAY_S // 24}"
    return answer


@router.get("/tiles/{zoom}/{column}/{row}", response_class=Response)
async def read_map_tile(
    zoom: Annotated[int, Path(ge=0, le=22)],
    column: Annotated[int, Path(ge=0, lt=2**22)],
    row: Annotated[int, Path(ge=0, lt=2**22)],
    caller: Caller,
    services: ServicesDep,
) -> Response:
    """One tile of the county's own; 404 where it has none."""
    permitted_areas(caller, Right.LIVE)
    settings = services.settings.map
    if settings.tiles_url == "" or zoom > settings.tiles_largest_zoom:
        raise ApiError(404, "not_found", "there is no such tile")
    url = settings.tiles_url
    for part, number in (("{z}", zoom), ("{x}", column), ("{y}", row)):
        url = url.replace(part, str(number))
    try:
        async with services.http.get(url, timeout=_TILE_TIMEOUT, allow_redirects=False) as answer:
            if answer.status in (204, 404):
                raise ApiError(404, "not_found", "there is no such tile")
            if answer.status != 200 or answer.content_type not in _TILE_TYPES:
                raise unavailable("the tile server gives no picture")
            data = await answer.content.read(_TILE_BYTES_LIMIT + 1)
            while not answer.content.at_eof() and len(data) <= _TILE_BYTES_LIMIT:
                data += await answer.content.read(_TILE_BYTES_LIMIT)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise unavailable("the tile server does not answer") from error
    if len(data) > _TILE_BYTES_LIMIT:
        raise unavailable("the tile server gives too large a picture")
    headers = {"Cache-Control": f"private, max-age={_DAY_S}"}
    return Response(data, media_type=answer.content_type, headers=headers)


def _state(services: Services, camera_id: str) -> str:
    states = services.states.of(camera_id)
    names = [state["state"] for state in states.values()]
    if "live" in names:
        return "live"
    return "idle" if not names or set(names) <= {"idle"} else "away"
