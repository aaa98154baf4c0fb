"""Sites: when one takes calls unasked, and tests of their devices before a meeting.

A site's hours are its own to name: nobody opens a village's microphone from the county.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    not_there,
    permitted_areas,
)
from gateway.api.answers import Listing, TimeUs
from gateway.api.errors import AccessRefused, invalid, not_found, unavailable
from gateway.api.forms import Form
from gateway.api.meeting_access import find_led
from gateway.api.meeting_answers import IceServerAnswer
from gateway.api.meeting_joining import ice_servers, seat_ticket
from gateway.api.meetings import living_shard
from gateway.api.services import ServicesDep
from gateway.database.meeting_tables import meeting_participants, meeting_sites, site_checks
from gateway.database.tables import areas
from gateway.identifiers import new_id, now_us
from gateway.meetings.hours import HOURS_LIMIT, Hours
from gateway.meetings.seats import sites_of
from gateway.meetings.site_rows import ASKED_FOR_US
from gateway.meetings.tree_order import AreaRow, tree_order
from gateway.people.areas import area_names, area_path, subtree
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right

router = APIRouter(tags=["meetings"])

Finding = Literal["good", "poor", "failed", "refused", "absent"]
_SITES_LIMIT = 2000
_DETAIL_LENGTH = 200


class HoursForm(Form):
    """When calls are taken unasked; none: never."""

    hours: list[Hours] = Field(max_length=HOURS_LIMIT)


class CheckFigures(Form):
    """What was measured, and the browser's own words."""

    round_trip_ms: float | None = Field(default=None, ge=0, le=600_000)
    up_bps: float | None = Field(default=None, ge=0, le=1e12)
    down_bps: float | None = Field(default=None, ge=0, le=1e12)
    loss: float | None = Field(default=None, ge=0, le=1)
    why: dict[
        Literal["microphone", "camera", "speaker", "network"],
        Annotated[str, Field(max_length=_DETAIL_LENGTH)],
    ] = Field(default={})


class CheckForm(Form):
    """What a test found; with ``check_id`` one that was asked for."""

    area_id: str = Field(max_length=40)
    check_id: str | None = Field(default=None, max_length=40)
    microphone: Finding | None = None
    camera: Finding | None = None
    speaker: Finding | None = None
    network: Finding | None = None
    detail: CheckFigures = CheckFigures()


class AskForm(Form):
    """Of whom: the sites of a meeting, or of an area with everything below."""

    meeting_id: str | None = Field(default=None, max_length=40)
    area_id: str | None = Field(default=None, max_length=40)


class OwnSite(BaseModel):
    """A site that the caller may sit for, and the test that it was asked to make."""

    area_id: str
    name: str
    area_path: list[str]
    hours: list[Hours]
    check_id: str | None
    check_asked_us: TimeUs | None


class SiteCheck(BaseModel):
    """A site's newest test; without a time it has never been tested."""

    area_id: str
    name: str
    area_path: list[str]
    asked_us: Annotated[TimeUs | None, Field(description="waiting to be tested since")]
    done_us: TimeUs | None
    microphone: Finding | None
    camera: Finding | None
    speaker: Finding | None
    network: Finding | None
    detail: CheckFigures | None


class Asked(BaseModel):
    """How many sites there are, and how many of them are asked anew."""

    sites: int
    asked: int


class ProbeAnswer(BaseModel):
    """Where to try whether packets reach the port of sound and pictures, within 30 s, once."""

    url: str
    ice_servers: list[IceServerAnswer]


class CheckMade(BaseModel):
    """The test as it was kept."""

    id: str


@router.get("/api/sites", response_model=Listing[OwnSite])
async def own_sites(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The sites that the caller may sit for."""
    table = site_checks.c
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(areas.c.id, areas.c.name, areas.c.path, meeting_sites.c.hours)
                .select_from(areas.outerjoin(meeting_sites, meeting_sites.c.area_id == areas.c.id))
                .where(areas.c.path.in_(sites_of(caller)), areas.c.axis == "area")
                .order_by(areas.c.path)
            )
        ).all()
        names = await area_names(connection, [row.path for row in rows])
        asked = {
            row.area_id: row
            for row in await connection.execute(
                sa.select(table.id, table.area_id, table.asked_us).where(
                    table.area_id.in_([row.id for row in rows]),
                    table.done_us.is_(None),
                    table.asked_us > now_us() - ASKED_FOR_US,
                )
            )
        }
    return {
        "items": [
            {
                "area_id": row.id,
                "name": row.name,
                "area_path": names[row.path],
                "hours": row.hours or [],
                "check_id": asked[row.id].id if row.id in asked else None,
                "check_asked_us": asked[row.id].asked_us if row.id in asked else None,
            }
            for row in rows
        ]
    }


@router.put("/api/sites/{site_id}", status_code=204)
async def set_hours(
    site_id: str, body: HoursForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Name the hours in which this site takes calls unasked. Only who sits for it may."""
    async with services.reader.connect() as connection:
        path = await own_site(connection, caller, site_id)
    hours = [one.model_dump() for one in body.hours]
    await act(
        services, request, caller, "site.hours", "sites.hours",
        {"area_id": site_id, "hours": hours, "user_id": caller.user_id},
        area=path, detail={"hours": hours},
    )  # fmt: skip


@router.get("/api/site-checks", response_model=Listing[SiteCheck])
async def list_checks(
    caller: Caller,
    services: ServicesDep,
    meeting_id: Annotated[str | None, Query(max_length=40)] = None,
    area_id: Annotated[str | None, Query(max_length=40)] = None,
    since_us: Annotated[int, Query(ge=0, lt=2**62)] = 0,
) -> dict[str, Any]:
    """The rehearsal board: of the sites of a meeting that the caller leads, or of an area where
    they convene with everything below. With ``since_us`` those that were asked or tested since.
    """
    async with services.reader.connect() as connection:
        ids, _ = await _asked_of(connection, caller, meeting_id, area_id)
        return {"items": await _board(connection, ids, since_us)}


@router.post("/api/site-checks", status_code=201, response_model=CheckMade)
async def report_check(
    body: CheckForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """What a test of a site's devices found there."""
    async with services.reader.connect() as connection:
        path = await own_site(connection, caller, body.area_id)
    found = body.model_dump(exclude={"area_id", "check_id"})
    check_id = await act(
        services, request, caller, "site.check", "sites.checked",
        {
            "area_id": body.area_id, "check_id": body.check_id, "user_id": caller.user_id,
            "found": found,
        },
        area=path, detail={name: found[name] for name in found if name != "detail"},
    )  # fmt: skip
    return {"id": check_id}


@router.post("/api/site-checks/ask", status_code=202, response_model=Asked)
async def ask_checks(
    body: AskForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Have them all tested: whoever has the site's page open sees it. No microphone opens by it."""
    async with services.reader.connect() as connection:
        ids, path = await _asked_of(connection, caller, body.meeting_id, body.area_id)
    asked = await act(
        services, request, caller, "site.ask_checks", "sites.ask_checks",
        {"area_ids": ids, "meeting_id": body.meeting_id, "user_id": caller.user_id},
        area=path or None, result_as="asked",
        detail={"meeting": body.meeting_id, "sites": len(ids)},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        found = await connection.scalars(sa.select(areas.c.path).where(areas.c.id.in_(ids)))
        paths = frozenset(found)
    services.site_checks.tell(paths)
    services.neighbours.tell("site_check", paths=sorted(paths))
    return {"sites": len(ids), "asked": asked}


@router.post("/api/site-checks/probe", response_model=ProbeAnswer, response_model_exclude_none=True)
async def open_probe(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """Try the way to a media process without joining anything."""
    permitted_areas(caller, Right.MEET)
    shard = await living_shard(services)
    if shard is None:
        raise unavailable("no media process is running: try again")
    session_id = new_id("prb")
    # It names no meeting, and so opens none.
    ticket = seat_ticket(session_id, "", "", user_id=caller.user_id, name=caller.name)
    query = urlencode({"ticket": services.signer.sign(ticket)})
    return {
        "url": f"/s/{shard}/meeting/probe?{query}",
        "ice_servers": ice_servers(services.settings.webrtc.ice_servers, session_id),
    }


async def own_site(connection: AsyncConnection, caller: Principal, area_id: str) -> str:
    """The path of a site that the caller may sit for. Raises ApiError 404."""
    path = await area_path(connection, area_id)
    if path is None:
        raise not_found("area")
    place = AreaPlace(path)
    check(caller, Right.MEET, place)
    if path not in sites_of(caller):
        raise AccessRefused(not_there(), caller, Right.MEET, place)
    return path


async def _asked_of(
    connection: AsyncConnection, caller: Principal, meeting_id: str | None, area_id: str | None
) -> tuple[list[str], str]:
    """The areas of the sites of a meeting or below an area, and where that is."""
    if (meeting_id is None) == (area_id is None):
        raise invalid(area_id="name a meeting or an area")
    if meeting_id is not None:
        seat = await find_led(connection, caller, meeting_id)
        own = meeting_participants.c
        statement = (
            sa.select(own.area_id)
            .where(own.meeting_id == meeting_id, own.kind == "site", own.state != "removed")
            .order_by(own.position)
        )
        return list(await connection.scalars(statement)), seat.place.area_path
    assert area_id is not None
    path = await area_path(connection, area_id)
    if path is None:
        raise not_found("area")
    check(caller, Right.CONVENE, AreaPlace(path))
    below = await connection.execute(
        sa.select(areas.c.id, areas.c.parent_id, areas.c.position, areas.c.name)
        .where(subtree(areas.c.path, path), areas.c.axis == "area")
        .limit(_SITES_LIMIT)
    )
    return list(tree_order(AreaRow(*row) for row in below)), path


async def _board(
    connection: AsyncConnection, area_ids: list[str], since_us: int
) -> list[dict[str, Any]]:
    table = site_checks.c
    newest = (
        sa.select(table.area_id, sa.func.max(table.done_us).label("done_us"))
        .where(table.area_id.in_(area_ids), table.done_us >= since_us)
        .group_by(table.area_id)
        .subquery()
    )
    done = {
        row.area_id: row
        for row in await connection.execute(
            sa.select(site_checks).join(
                newest, (newest.c.area_id == table.area_id) & (newest.c.done_us == table.done_us)
            )
        )
    }
    asked = {
        row.area_id: row.asked_us
        for row in await connection.execute(
            sa.select(table.area_id, table.asked_us).where(
                table.area_id.in_(area_ids),
                table.done_us.is_(None),
                table.asked_us >= since_us,
                table.asked_us > now_us() - ASKED_FOR_US,
            )
        )
    }
    shown = [one for one in area_ids if one in done or one in asked] if since_us else area_ids
    rows = {
        row.id: row
        for row in await connection.execute(
            sa.select(areas.c.id, areas.c.name, areas.c.path).where(areas.c.id.in_(shown))
        )
    }
    names = await area_names(connection, [row.path for row in rows.values()])
    found = ("done_us", "microphone", "camera", "speaker", "network", "detail")
    return [
        {
            "area_id": one,
            "name": rows[one].name,
            "area_path": names[rows[one].path],
            "asked_us": asked.get(one),
            **{name: done[one]._mapping[name] if one in done else None for name in found},
        }
        for one in shown
        if one in rows
    ]
