"""Opening a live view: which rendering, which transport, on which shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import (
    Caller,
    audit_records,
    client_address,
    permitted_camera,
    record,
)
from gateway.api.errors import ApiError, unavailable
from gateway.api.live_answers import LiveSession
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import open_viewing, overlay
from gateway.cameras import Camera
from gateway.control.channel import ControlError
from gateway.masks import masks_in_force_of
from gateway.people.roles import Right
from gateway.transcoder.choosing import places
from gateway.watermark import viewer_name

router = APIRouter(tags=["live"])

Quality = Literal["main", "sub", "auto"]
Transport = Literal["webrtc", "mse"]


class ClientAbilities(BaseModel):
    """What the browser says that it can play."""

    webrtc: bool = True
    webrtc_h265: bool = False
    mse_h265: bool = False


class LiveForm(BaseModel):
    """What is to be watched."""

    camera_id: str = Field(max_length=40)
    quality: Quality = "auto"
    # Of the tile, in device pixels.
    height_px: int | None = Field(default=None, ge=1, le=16384)
    client: ClientAbilities = ClientAbilities()
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A rendering and how it travels."""

    variant: str
    transport: Transport
    transcoded: bool
    made_from: str = "main"


# A picture that is enlarged by more than half looks soft to everybody.
_ENLARGED_AT_MOST = 1.5


def asked_quality(
    states: dict[str, dict[str, Any]], quality: Quality, height_px: int | None, has_sub: bool
) -> Quality:
    """``auto`` decided by the tile's size: the sub-stream, unless it would be enlarged by more than
    half and the main stream is higher. Stays ``auto`` where the sizes are not known.
    """
    if quality != "auto" or height_px is None or not has_sub:
        return quality
    sub_height = states.get("sub", {}).get("height")
    if not sub_height:
        return quality
    main_height = states.get("main", {}).get("height") or 0
    soft = height_px > sub_height * _ENLARGED_AT_MOST
    return "main" if soft and main_height > sub_height else "sub"


def choose_masked(quality: Quality, client: ClientAbilities, has_sub: bool) -> Choice:
    """The rendering for who must not see beneath the masks: every client can play it."""
    made_from = "sub" if quality in ("sub", "auto") and has_sub else "main"
    return Choice("masked", "webrtc" if client.webrtc else "mse", True, made_from)


def choose(
    states: dict[str, dict[str, Any]], quality: Quality, client: ClientAbilities, has_sub: bool
) -> Choice:
    """The rendering that this client can play: as asked, else the other stream, else transcoded.

    WebRTC carries no B-frames, and H.265 only where the browser says so; MSE takes B-frames. A
    camera whose codec is not known yet is tried as it is.
    """
    transport: Transport = "webrtc" if client.webrtc else "mse"
    wanted = "sub" if quality in ("sub", "auto") and has_sub else "main"
    # A larger picture than asked for is no stand-in on a wall of tiles, so main never is.
    candidates = [wanted] + (["sub"] if wanted == "main" and has_sub else [])
    for variant in candidates:
        if _plays(states.get(variant, {}), transport, client):
            return Choice(variant, transport, False)
    return Choice("h264", transport, True)


def _plays(state: dict[str, Any], transport: Transport, client: ClientAbilities) -> bool:
    codec = state.get("codec")
    if codec == "h265":
        return client.webrtc_h265 if transport == "webrtc" else client.mse_h265
    return not (transport == "webrtc" and state.get("has_b_frames"))


@router.post("/api/live", response_model=LiveSession)
async def open_live(
    body: LiveForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Decide, write it into the audit log, and hand out a ticket for 30 s."""
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(connection, caller, Right.LIVE, body.camera_id)
        masked = bool(await masks_in_force_of(connection, camera.id))
    if not camera.enabled:
        raise ApiError(409, "camera_disabled", "this camera is switched off in its configuration")
    reason = await require_purpose(
        services, caller, "live", body.purpose, address=client_address(request)
    )
    owner = await _owner(services, camera.id)
    shard = await services.live_places.place(owner)
    if shard is None:
        raise unavailable("no media process can be reached from here: try again")
    if masked and not decision.may_lift_masks:
        quality = asked_quality(
            services.states.of(camera.id), body.quality, body.height_px, camera.sub_url is not None
        )
        choice = choose_masked(quality, body.client, camera.sub_url is not None)
        await _require_place(services, camera.id)
    else:
        choice = await _choose_knowing(services, owner, camera, body)
    session_id, ticket = await open_viewing(
        services,
        caller,
        audit_records(
            request,
            caller,
            "live.open",
            cameras=[camera],
            reason=reason,
            detail={"variant": choice.variant},
        ),
        process=shard,
        action="live",
        camera_ids=[camera.id],
        variant=choice.variant,
        start_us=None,
        end_us=None,
        may_lift_masks=decision.may_lift_masks,
        made_from=choice.made_from,
        relay=shard if shard != owner else None,
    )
    query = urlencode({"ticket": ticket})
    return {
        "session_id": session_id,
        "shard": shard,
        "variant": choice.variant,
        "transport": choice.transport,
        "whep_url": f"/s/{shard}/whep?{query}",
        "mse_url": f"/s/{shard}/mse?{query}",
        "transcoded": choice.transcoded,
        "queue": await _queue(services, camera.id, choice.variant) if choice.transcoded else None,
        "overlay": overlay(request, caller),
    }


@router.get("/api/cameras/{camera_id}/snapshot.jpg", response_class=Response)
async def snapshot(
    camera_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    width: Annotated[int | None, Query(ge=16, le=4096)] = None,
) -> Response:
    """The newest keyframe as a JPEG, not wider than ``width``."""
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(connection, caller, Right.LIVE, camera_id)
    reason = await require_purpose(services, caller, "live", None)
    shard = await _owner(services, camera.id)
    await record(services, request, caller, "live.snapshot", cameras=[camera], reason=reason)
    try:
        jpeg = await services.processes.client(shard).call(
            "snapshot.jpeg",
            camera_id=camera.id,
            width=width,
            may_lift_masks=decision.may_lift_masks,
            camera=camera.name,
            viewer=viewer_name(caller.name, caller.display_name),
        )
    except ControlError as error:
        raise ApiError(503, "no_picture", str(error)) from None
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _owner(services: Services, camera_id: str) -> str:
    owner = await services.processes.shard_of(camera_id)
    if owner is None or owner not in await services.processes.names("shard"):
        raise unavailable("this camera is just being taken up by a media process: try again")
    return owner


async def _choose_knowing(services: Services, shard: str, camera: Camera, body: LiveForm) -> Choice:
    """:func:`choose`, having a camera pulled first of which nobody knows yet what it sends."""
    states = dict(services.states.of(camera.id))
    has_sub = camera.sub_url is not None
    quality = asked_quality(states, body.quality, body.height_px, has_sub)
    waits = states.get("sub", {}).get("state") not in ("offline", "refused")
    if quality == "auto" and body.height_px is not None and has_sub and waits:
        # How large its pictures are is not known before it was pulled once.
        states["sub"] = {**states.get("sub", {}), **await _formats(services, shard, camera, "sub")}
        quality = asked_quality(states, body.quality, body.height_px, has_sub)
    choice = choose(states, quality, body.client, has_sub)
    while not choice.transcoded:
        state = states.get(choice.variant, {})
        if "codec" in state or state.get("state") in ("offline", "refused"):
            break
        formats = await _formats(services, shard, camera, choice.variant)
        if "codec" not in formats:
            break
        states[choice.variant] = {**state, **formats}
        choice = choose(states, quality, body.client, has_sub)
    return choice


async def _formats(services: Services, shard: str, camera: Camera, variant: str) -> dict[str, Any]:
    """What a variant sends, pulled for it if need be; nothing while it does not come."""
    try:
        formats: dict[str, Any] = await services.processes.client(shard).call(
            "stream.formats", camera_id=camera.id, variant=variant
        )
    except (ConnectionError, TimeoutError, ControlError):
        return {}
    return formats


async def _require_place(services: Services, camera_id: str) -> None:
    """Whoever must not see beneath masks sees nothing where nobody can draw them."""
    if services.states.of(camera_id).get("masked", {}).get("state") == "live":
        return  # it is being made for others, and shared
    try:
        status = await places(services.processes.transcoders())
    except ConnectionError:
        status = {}
    limit = int(status.get("limit", 0))
    # Playback gives way to live, so that only live views count.
    if int(status.get("live", 0)) >= limit:
        raise ApiError(
            503,
            "masked_unavailable",
            "parts of this picture are masked, and the transcoder has no place to draw the masks: "
            "try again later",
            {"running": int(status.get("running", 0)), "limit": limit},
        )


async def _queue(services: Services, camera_id: str, variant: str) -> dict[str, int] | None:
    made = services.states.of(camera_id).get(variant, {})
    if "queue" in made:
        waiting: dict[str, int] = made["queue"]
        return waiting
    try:
        status = await places(services.processes.transcoders())
    except ConnectionError:
        return None
    queued = int(status.get("queued", 0))
    running, limit = int(status.get("running", 0)), int(status.get("limit", 0))
    return {"position": queued + 1, "length": queued + 1} if running >= limit else None
