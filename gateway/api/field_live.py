"""Live from the scene: a telephone's picture, as a camera of its own while it lasts."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    client_address,
    permitted_areas,
    permitted_by_any,
)
from gateway.api.answers import Listing, TimeUs
from gateway.api.errors import ApiError, unavailable
from gateway.api.forms import Form
from gateway.api.incident_access import find_incident, steps_open_to
from gateway.api.meeting_answers import IceServerAnswer
from gateway.api.meeting_joining import ice_servers
from gateway.api.services import Services, ServicesDep
from gateway.camera_form import CameraForm, camera_columns
from gateway.control.channel import ControlError
from gateway.database.field_tables import field_lives
from gateway.database.tables import areas, cameras, users
from gateway.field.live_rows import SILENT_US
from gateway.field.placing import home_area
from gateway.identifiers import new_id, now_us
from gateway.live.sdp_exchange import OFFER_BYTES_LIMIT
from gateway.people.areas import area_names, within
from gateway.people.roles import Right
from gateway.sources.addresses import scene_address

router = APIRouter(prefix="/api/field", tags=["field"])

_LISTED = 200
# Until a media process has taken the new camera up.
_TAKEN_UP_S = 12.0
_ASK_AGAIN_S = 0.1
_REFUSED_STATUS = {"offer_malformed": 400, "not_playable": 422, "busy": 503}
_WORKING = (Right.REPORT, Right.HANDLE)


class LiveAnswer(BaseModel):
    """Whether one is live oneself, what about, who watches; and how media find their way."""

    since_us: TimeUs | None
    camera_id: str | None
    incident_id: str | None
    viewers: int
    ice_servers: list[IceServerAnswer]


class OfferForm(Form):
    """An SDP offer of H.264 and, if there is sound, Opus. ``incident_id``: what it is about."""

    sdp: Annotated[str, Field(min_length=1, max_length=OFFER_BYTES_LIMIT)]
    incident_id: str | None = Field(default=None, max_length=40)


class BegunAnswer(BaseModel):
    """The SDP answer, with all candidates."""

    sdp: str
    camera_id: str
    since_us: TimeUs


class SceneAnswer(BaseModel):
    """Somebody who is live, and the camera that they are."""

    user_id: str
    name: str
    camera_id: str
    area_path: list[str]
    since_us: TimeUs
    incident_id: str | None


@router.get("/live", response_model=LiveAnswer)
async def read_live(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """One's own."""
    own = field_lives.c
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(own.since_us, own.camera_id, own.incident_id).where(
                    own.user_id == caller.user_id, own.seen_us > now_us() - SILENT_US
                )
            )
        ).one_or_none()
    servers = services.settings.field.ice_servers or services.settings.webrtc.ice_servers
    answer = {"ice_servers": ice_servers(servers, f"scene-{caller.user_id}"), "viewers": 0}
    if row is None:
        return {**answer, "since_us": None, "camera_id": None, "incident_id": None}
    main = services.states.of(row.camera_id).get("main", {})
    return {**answer, **row._mapping, "viewers": main.get("viewers", 0)}


@router.post("/live", status_code=201, response_model=BegunAnswer)
async def begin_live(
    body: OfferForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Begin, or go on after a dead spot: the camera is there from now on, and recorded."""
    paths = permitted_by_any(caller, _WORKING)
    async with services.reader.connect() as connection:
        if body.incident_id is not None:
            row, scope = await find_incident(connection, caller, body.incident_id)
            if "attach" not in steps_open_to(caller, row, scope):
                raise ApiError(403, "not_allowed", "this task is not yours any more")
            area_id: str | None = row["area_id"]
        else:
            area_id = await home_area(connection, caller.user_id, paths)
    if area_id is None:
        raise ApiError(409, "conflict", "there is no area here yet in which a camera could be")
    form = CameraForm(
        name=f"{caller.display_name or caller.name} · 现场",
        area_id=area_id,
        main_url=scene_address(caller.user_id),
        password=secrets.token_urlsafe(32),
    )
    begun = await act(
        services, request, caller, "scene.begin", "field.begin_live",
        {
            "user_id": caller.user_id,
            "columns": camera_columns(form, new_id("cam"), services.secret),
            "incident_id": body.incident_id,
        },
        detail={"incident": body.incident_id},
    )  # fmt: skip
    await services.processes.configuration_changed()
    try:
        answer = await _publish(services, begun["camera_id"], body.sdp, client_address(request))
    except ApiError as error:
        if error.status < 500:
            # This telephone will not do better the next time.
            await end_live(caller, request, services)
        raise
    return {"sdp": answer, **begun}


@router.put("/live", response_model=LiveAnswer)
async def stay_live(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """That one is still there, told every few seconds; 409 where it was ended meanwhile."""
    permitted_by_any(caller, _WORKING)
    await services.rows.write("field.live_seen", user_id=caller.user_id, at_us=now_us())
    return await read_live(caller, services)


@router.delete("/live", status_code=204)
async def end_live(caller: CallerInPerson, request: Request, services: ServicesDep) -> None:
    """End: the camera is switched off; its footage stays as any other's."""
    permitted_by_any(caller, _WORKING)
    await act(
        services, request, caller, "scene.end", "field.end_live", {"user_id": caller.user_id},
        result_as="camera",
    )  # fmt: skip
    await services.processes.configuration_changed()


@router.get("/lives", response_model=Listing[SceneAnswer])
async def list_lives(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """Who is live where one may watch, the newest first."""
    own = field_lives.c
    paths = permitted_areas(caller, Right.LIVE)
    async with services.reader.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(
                    field_lives, areas.c.path, users.c.display_name, users.c.name.label("user_name")
                )
                .join(users, users.c.id == own.user_id)
                .join(cameras, cameras.c.id == own.camera_id)
                .join(areas, areas.c.id == cameras.c.area_id)
                .where(
                    own.seen_us > now_us() - SILENT_US,
                    cameras.c.enabled,
                    within(areas.c.path, paths),
                )
                .order_by(own.since_us.desc())
                .limit(_LISTED)
            )
        ).all()
        names = await area_names(connection, [row.path for row in rows])
    return {
        "items": [
            {
                **row._mapping,
                "name": row.display_name or row.user_name,
                "area_path": names[row.path],
            }
            for row in rows
        ]
    }


async def _publish(services: Services, camera_id: str, offer: str, address: str) -> str:
    deadline = asyncio.get_running_loop().time() + _TAKEN_UP_S
    while await services.processes.names("shard"):
        try:
            owner = await services.processes.shard_of(camera_id)
            if owner is not None:
                answer: str = await services.processes.client(owner).call(
                    "scene.publish", camera_id=camera_id, offer=offer, address=address
                )
                return answer
        except ControlError as error:
            if error.code != "not_here":
                raise ApiError(
                    _REFUSED_STATUS.get(error.code, 409), error.code, str(error)
                ) from None
        except (ConnectionError, TimeoutError):
            pass  # it is being restarted, or another takes its place
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(_ASK_AGAIN_S)
    raise unavailable("no media process has taken this up yet: try again")
