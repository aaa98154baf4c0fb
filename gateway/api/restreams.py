"""RTSP addresses for other players: a token, an address list, an expiry; every one audited."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import secrets
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, field_validator

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, act, check, client_address, permitted_camera
from gateway.api.errors import ApiError, not_found, unavailable
from gateway.api.live import ClientAbilities, Quality, choose
from gateway.api.live_answers import CreatedRestream, Restreams
from gateway.api.services import Services, ServicesDep
from gateway.cameras import place_columns, place_of
from gateway.cluster.interface import number_of
from gateway.control.channel import ControlError
from gateway.database.tables import areas, cameras, restreams
from gateway.identifiers import US_PER_S, now_us
from gateway.people.areas import cameras_within
from gateway.people.roles import Right

router = APIRouter(prefix="/api/restreams", tags=["restreams"])

_LONGEST_S = 366 * 24 * 3600


class RestreamForm(BaseModel):
    """Which camera, for whom, for how long."""

    camera_id: str = Field(max_length=40)
    quality: Quality = "main"
    expires_in_s: int = Field(ge=60, le=_LONGEST_S)
    addresses: list[str] = Field(min_length=1, max_length=64)
    purpose: Purpose | None = None

    @field_validator("addresses")
    @classmethod
    def _networks(cls, addresses: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(address, strict=False)) for address in addresses]


@router.post("", status_code=201, response_model=CreatedRestream)
async def create_restream(
    body: RestreamForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Hand out an address. The URL is shown this once; only the token's hash is kept."""
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(
            connection, caller, Right.RESTREAM, body.camera_id
        )
    if not services.settings.restream.enabled:
        raise ApiError(409, "restream_off", "restreaming is off: set restream.enabled = true")
    shard = await services.processes.shard_of(camera.id)
    if shard is None:
        raise unavailable("this camera is just being taken up by a media process: try again")
    reason = await require_purpose(
        services, caller, "live", body.purpose, address=client_address(request)
    )
    # Other players take H.265 and B-frames as they come.
    anything = ClientAbilities(webrtc=False, mse_h265=True)
    choice = choose({}, body.quality, anything, camera.sub_url is not None)
    token = secrets.token_urlsafe(24)
    expires_us = now_us() + body.expires_in_s * US_PER_S
    restream_id = await act(
        services,
        request,
        caller,
        "restream.create",
        "restreams.create",
        {
            "camera_id": camera.id,
            "variant": choice.variant,
            "token_hash": hashlib.sha256(token.encode()).hexdigest(),
            "addresses": body.addresses,
            "user_id": caller.user_id,
            "user_name": caller.name,
            "may_lift_masks": decision.may_lift_masks,
            "expires_us": expires_us,
        },
        cameras=[camera],
        reason=reason,
        result_as="id",
        detail={"addresses": body.addresses, "expires_us": expires_us},
    )
    await _tell_shard(services, shard)
    return {
        "id": restream_id,
        "camera_id": camera.id,
        "url": _url(services, request, shard, token),
        "expires_us": expires_us,
        "addresses": body.addresses,
    }


@router.get("", response_model=Restreams)
async def list_restreams(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The valid restreams of cameras on which the caller has the right."""
    statement = (
        sa.select(restreams)
        .select_from(
            restreams.join(cameras, cameras.c.id == restreams.c.camera_id).join(
                areas, areas.c.id == cameras.c.area_id
            )
        )
        .where(
            cameras_within(caller.areas_with(Right.RESTREAM, now_us())),
            restreams.c.revoked_us.is_(None),
            restreams.c.expires_us > now_us(),
        )
        .order_by(restreams.c.created_us)
    )
    names = ("id", "camera_id", "variant", "addresses", "user_name", "created_us", "expires_us")
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).mappings().all()
    return {
        "enabled": services.settings.restream.enabled,
        "items": [{name: row[name] for name in names} for row in rows],
    }


@router.delete("/{restream_id}", status_code=204)
async def revoke_restream(
    restream_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take an address back; who plays it is cut off."""
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(restreams.c.camera_id, *place_columns())
                .select_from(
                    restreams.join(cameras, cameras.c.id == restreams.c.camera_id).join(
                        areas, areas.c.id == cameras.c.area_id
                    )
                )
                .where(restreams.c.id == restream_id)
            )
        ).one_or_none()
    if row is None:
        raise not_found("restream")
    check(caller, Right.RESTREAM, place_of(row.area_path, row.area_paths))
    await act(
        services,
        request,
        caller,
        "restream.revoke",
        "restreams.revoke",
        {"restream_id": restream_id},
        area=row.area_path,
        detail={"id": restream_id, "camera_id": row.camera_id},
    )
    shard = await services.processes.shard_of(row.camera_id)
    if shard is not None:
        await _tell_shard(services, shard)
        # A shard that is away reads the rows when it is back.
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            await services.processes.client(shard).call("live.revoke", session_ids=[restream_id])


async def _tell_shard(services: Services, shard: str) -> None:
    try:
        await services.processes.client(shard).call("shard.reconcile")
    except (ConnectionError, TimeoutError, ControlError):
        return


def _url(services: Services, request: Request, shard: str, token: str) -> str:
    configured = services.settings.restream
    host = configured.address
    if host in ("0.0.0.0", "::", ""):
        # It listens everywhere: the name by which the console was reached leads here too.
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    # Each shard has a port of its own, counted from the configured one.
    number = number_of(shard)
    return f"rtsp://{shown}:{configured.port + number - 1}/{token}"
