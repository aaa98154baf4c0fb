"""Searching what checkpoints told of, and looking at its pictures: each on record, with its why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from camera_adapters.gat1400.codes import COLOR_CODES, COLORS, DIRECTIONS, PICTURE_KINDS
from gateway.accountability import require_purpose
from gateway.api.access import (
    Caller,
    audit_records,
    check,
    not_there,
    permitted_area,
    permitted_areas,
)
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.pictures import jpeg_answer, stored_picture
from gateway.api.query_purpose import QueryPurpose
from gateway.api.services import ServicesDep
from gateway.api.sighting_answers import Checkpoints, Kind, SightingPage
from gateway.api.timeline import TimeUs
from gateway.audit import append
from gateway.cameras import Camera, find_cameras
from gateway.database.sighting_tables import sighting_places
from gateway.identifiers import US_PER_S, now_us
from gateway.masks import covering, mask_history
from gateway.people.areas import area_names
from gateway.people.authorize import Principal, authorize
from gateway.people.roles import Right
from gateway.sightings.keys import store_key
from gateway.sightings.looks import LookSigner
from gateway.sightings.places import SightingPlace, find_places, places_within, read_places
from gateway.sightings.search import SightingQuery, find_sighting, search
from search.plates import PatternError, PlatePattern, read_pattern

router = APIRouter(prefix="/api/sightings", tags=["sightings"])

_DAYS_LIMIT = 92
_RANGE_LIMIT_US = _DAYS_LIMIT * 24 * 3600 * US_PER_S
_VALUES_LIMIT = 20
_CHECKPOINTS_LIMIT = 200
# What of the facts is for people.
_SHOWN_FACTS = (
    "lane", "direction", "speed_kmh", "road", "brand", "model", "styles", "vehicle_class",
    "plate_class", "plate_covered", "plate_altered", "plate_doubled", "length_mm", "title",
    "accompanied_by", "coat_style", "coat_length", "trousers_style", "trousers_length",
    "shoes_color", "cap_color", "bag_color", "umbrella_color", "disappeared_us", "ends_us",
    "storage_path", "own_id", "tollgate_id", "clock_doubtful",
)  # fmt: skip
_COLOR_FACTS = frozenset({"shoes_color", "cap_color", "bag_color", "umbrella_color"})

Values = Annotated[list[str], Query(max_length=_VALUES_LIMIT)]


@router.get("", response_model=SightingPage)
async def search_sightings(
    caller: Caller,
    request: Request,
    services: ServicesDep,
    said: QueryPurpose,
    start_us: TimeUs,
    end_us: TimeUs,
    kind: Annotated[list[Kind], Query(max_length=5)] = [],  # noqa: B006
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    checkpoint_id: Annotated[list[str], Query(max_length=_CHECKPOINTS_LIMIT)] = [],  # noqa: B006
    camera_id: Annotated[list[str], Query(max_length=_CHECKPOINTS_LIMIT)] = [],  # noqa: B006
    plate: Annotated[str, Query(max_length=40)] = "",
    infix: bool = False,
    look_alikes: bool = False,
    plate_color: Values = [],  # noqa: B006
    color: Values = [],  # noqa: B006
    lower_color: Values = [],  # noqa: B006
    vehicle_type: Values = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """What passed in a time range where the caller may search, the newest first.

    ``plate``: ``?`` stands for one character, ``*`` for any number; ``infix`` finds it anywhere,
    ``look_alikes`` takes 0 and O, 1 and I, 8 and B and the like for one. The purpose is asked with
    every search; further pages carry it by ``look``.
    """
    if not start_us < end_us <= start_us + _RANGE_LIMIT_US:
        raise invalid(end_us=f"the range is empty or longer than {_DAYS_LIMIT} days")
    key = read_cursor(cursor, 2)
    pattern = _pattern(plate, infix, look_alikes)
    async with services.reader.connect() as connection:
        paths = permitted_areas(caller, Right.SEARCH)
        area = None
        if area_id is not None:
            area = await permitted_area(connection, caller, Right.SEARCH, area_id)
        places = await _places(connection, paths, area, checkpoint_id, camera_id)
    filters = {
        "kind": kind, "area_id": area_id, "checkpoint_id": checkpoint_id, "camera_id": camera_id,
        "plate": None if pattern is None else pattern.text, "look_alikes": look_alikes,
        "plate_color": plate_color, "color": color, "lower_color": lower_color,
        "vehicle_type": vehicle_type,
    }  # fmt: skip
    # Further pages are of this very search: another one needs a reason of its own.
    asked = {**filters, "start_us": start_us, "end_us": end_us, "infix": infix}
    signer = LookSigner(services.secret)
    given = None
    if said.look is not None and key is not None:
        given = signer.read(said.look, caller.user_id, asked)
    if given is None:
        given = await require_purpose(services, caller, "search", said.purpose())
    query = SightingQuery(
        start_us,
        end_us,
        kind or None,
        None if places is None else [one.id for one in places],
        pattern,
        _colors(plate_color, "plate_color"),
        _colors(color, "color"),
        _colors(lower_color, "lower_color"),
        vehicle_type or None,
    )
    filters["page"] = cursor
    records = audit_records(
        request, caller, "search.sightings", start_us=start_us, end_us=end_us, reason=given,
        area=area if area is not None else (paths[0] if len(paths) == 1 else ""),
        detail={"filters": {name: value for name, value in filters.items() if value}},
    )  # fmt: skip
    # Before anything is found.
    await append(services.rows, records)
    after = None if key is None else _after(key)
    async with services.reader.connect() as connection:
        rows = await search(connection, query, limit + 1, after)
        page = rows[:limit]
        held = await find_places(connection, {row.place_id for row in page})
        signed = signer.sign(caller.user_id, given, asked)
        items = await _documents(connection, caller, page, held, signed)
    following = None
    if len(rows) > limit:
        following = write_cursor((str(page[-1].at_us), str(page[-1].id)))
    return {"items": items, "next_cursor": following, "look": signed}


@router.get("/checkpoints", response_model=Checkpoints)
async def list_checkpoints(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The devices and checkpoints of which the caller may search."""
    paths = permitted_areas(caller, Right.SEARCH)
    async with services.reader.connect() as connection:
        found = await read_places(connection, places_within(paths))
        names = await area_names(connection, [one.area_path for one in found])
    return {"items": [_checkpoint(one, names) for one in found]}


@router.get("/{sighting_id}/pictures/{number}", response_class=Response)
async def show_picture(
    sighting_id: str,
    number: int,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    said: QueryPurpose,
) -> Response:
    """One picture, as it came. On record; withheld where the camera is, or was then, masked, from
    who may not lift masks.
    """
    async with services.reader.connect() as connection:
        row = await find_sighting(connection, _number(sighting_id))
        if row is None:
            raise not_there()
        place = (await find_places(connection, [row.place_id]))[row.place_id]
        decision = check(caller, Right.SEARCH, place.as_place())
        masked = not decision.may_lift_masks and await _is_masked(connection, row, place)
        camera = await _camera(connection, place)
    if not 0 <= number < len(row.pictures):
        raise not_found("picture")
    if masked:
        raise ApiError(403, "masked", "this camera is masked: its pictures are not shown to you")
    given = None
    if said.look is not None:
        given = LookSigner(services.secret).read(said.look, caller.user_id)
    if given is None:
        given = await require_purpose(services, caller, "search", said.purpose())
    await append(
        services.rows,
        audit_records(
            request, caller, "sighting.picture",
            cameras=[] if camera is None else [camera], area=place.area_path,
            start_us=row.at_us, end_us=row.at_us + 1, reason=given,
            detail={"sighting_id": sighting_id, "number": number, "plate": row.plate,
                    "checkpoint": place.code, "platform_id": place.platform_id},
        ),
    )  # fmt: skip
    _, offset, length, _, _ = row.pictures[number]
    key = store_key(place.platform_id, row.at_us, row.own_key)
    return jpeg_answer(await stored_picture(services, key, offset, length))


async def _places(
    connection: AsyncConnection,
    paths: Sequence[str],
    area: str | None,
    checkpoint_ids: Sequence[str],
    camera_ids: Sequence[str],
) -> list[SightingPlace] | None:
    """Where to look; None for everywhere. What the caller may not search is left out, as if it were
    not there.
    """
    where = [places_within(paths)]
    if area is not None:
        where.append(places_within([area]))
    if checkpoint_ids:
        where.append(sighting_places.c.id.in_([_number(one) for one in checkpoint_ids]))
    if camera_ids:
        where.append(sighting_places.c.camera_id.in_(camera_ids))
    if "" in paths and len(where) == 2 - (area is None) and (area is None or area == ""):
        return None
    return await read_places(connection, *where)


async def _documents(
    connection: AsyncConnection,
    caller: Principal,
    rows: Sequence[sa.Row[Any]],
    places: dict[int, SightingPlace],
    look: str,
) -> list[dict[str, Any]]:
    names = await area_names(connection, [one.area_path for one in places.values()])
    at_us = now_us()
    versions = {
        place.camera_id: await mask_history(connection, place.camera_id)
        for place in places.values()
        if place.camera_id is not None
        and not authorize(caller, Right.SEARCH, place.as_place(), at_us).may_lift_masks
    }
    items = []
    for row in rows:
        place = places[row.place_id]
        covered = versions.get(place.camera_id or "", [])
        masked = bool(covering(covered, row.at_us, row.at_us + 1))
        items.append(
            {
                "id": str(row.id),
                "kind": row.kind,
                "at_us": row.at_us,
                "received_us": row.received_us,
                "checkpoint": _checkpoint(place, names),
                "plate": row.plate,
                "plate_color": COLORS.get(row.plate_color),
                "color": COLORS.get(row.color),
                "lower_color": COLORS.get(row.lower_color),
                "vehicle_type": row.vehicle_type,
                "facts": _facts(row.facts),
                "pictures": [] if masked else _pictures(row, look),
                "withheld": "masked" if masked and row.pictures else None,
                "playback": place.camera_id is not None
                and authorize(caller, Right.PLAYBACK, place.as_place(), at_us).allowed,
            }
        )
    return items


def _checkpoint(place: SightingPlace, names: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "id": str(place.id),
        "code": place.code,
        "name": place.name,
        "platform_id": place.platform_id,
        "platform_name": place.platform_name,
        "camera_id": place.camera_id,
        "area_path": names[place.area_path],
    }


def _pictures(row: sa.Row[Any], look: str) -> list[dict[str, Any]]:
    return [
        {
            "number": number,
            "kind": PICTURE_KINDS.get(code, "plain"),
            "width": width,
            "height": height,
            "url": f"/api/sightings/{row.id}/pictures/{number}?look={look}",
        }
        for number, (code, _, _, width, height) in enumerate(row.pictures)
    ]


def _facts(facts: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in _SHOWN_FACTS:
        value = facts.get(name)
        if value is None:
            continue
        if name in _COLOR_FACTS:
            value = COLORS.get(int(value)) if str(value).isdecimal() else None
        elif name == "direction":
            value = DIRECTIONS.get(value, "other")
        if value is not None:
            shown[name] = value
    return shown


async def _is_masked(connection: AsyncConnection, row: sa.Row[Any], place: SightingPlace) -> bool:
    if place.camera_id is None:
        return False
    versions = await mask_history(connection, place.camera_id)
    return bool(covering(versions, row.at_us, row.at_us + 1))


async def _camera(connection: AsyncConnection, place: SightingPlace) -> Camera | None:
    if place.camera_id is None:
        return None
    return (await find_cameras(connection, [place.camera_id], deleted=True)).get(place.camera_id)


def _pattern(plate: str, infix: bool, look_alikes: bool) -> PlatePattern | None:
    if not plate.strip():
        return None
    try:
        return read_pattern(plate, infix=infix, look_alikes=look_alikes)
    except PatternError as error:
        raise invalid(plate=str(error)) from None


def _colors(names: Sequence[str], field: str) -> list[int] | None:
    if not names:
        return None
    unknown = [name for name in names if name not in COLOR_CODES]
    if unknown:
        raise invalid(**{field: f"one of {', '.join(COLOR_CODES)}"})
    return [COLOR_CODES[name] for name in names]


def _after(key: tuple[str, ...]) -> tuple[int, int]:
    return _number(key[0]), _number(key[1])


def _number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise not_found("sighting")
    return int(text)
