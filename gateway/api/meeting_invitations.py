"""Inviting to a meeting: areas with their villages, people, cameras, telephones, codecs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import (
    CallerInPerson,
    audit_records,
    check,
    client_address,
    permitted_camera,
    require_full_sign_in,
)
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.meeting_access import find_led
from gateway.api.meeting_answers import InviteAnswer
from gateway.api.meeting_commands import changed
from gateway.api.meeting_players import RECORDINGS_LIMIT, RecordingForm, recordings_of
from gateway.api.services import ServicesDep
from gateway.audit import act as act_and_append
from gateway.cameras import Camera
from gateway.database.meeting_tables import meeting_participants
from gateway.database.tables import areas, users
from gateway.people.areas import subtree
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right
from gateway.people.sign_in import new_token, token_hash

router = APIRouter(prefix="/api/meetings", tags=["meetings"])

_IDS_LIMIT = 2000
# RFC 3261 §19.1.1 and RFC 3966 §3, as far as anybody dials.
_SIP = re.compile(
    r"^(sips?:[A-Za-z0-9._~+\-]{1,64}@[A-Za-z0-9.\-\[\]:]{1,100}(;transport=(udp|tcp|tls))?"
    r"|tel:\+?[0-9\-]{3,30})$"
)


def _dialled(uri: str) -> str:
    if not _SIP.match(uri):
        raise ValueError("this is no address to dial: write sip:name@host or tel:+86…")
    return uri


_Ids = Annotated[
    list[Annotated[str, Field(max_length=40)]], Field(default=[], max_length=_IDS_LIMIT)
]


class DeviceForm(BaseModel):
    """A hardware codec, or a program such as OBS."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=60)


class InviteForm(BaseModel):
    """Whom to invite. ``area_ids``: with everything below; ``only_area_ids``: these alone."""

    model_config = ConfigDict(extra="forbid")

    area_ids: _Ids
    only_area_ids: _Ids
    user_ids: _Ids
    camera_ids: _Ids
    sip_uris: list[Annotated[str, AfterValidator(_dialled)]] = Field(default=[], max_length=100)
    devices: list[DeviceForm] = Field(default=[], max_length=20)
    recordings: list[RecordingForm] = Field(default=[], max_length=RECORDINGS_LIMIT)
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        lists = (self.area_ids, self.only_area_ids, self.user_ids, self.camera_ids)
        if not any((*lists, self.sip_uris, self.devices, self.recordings)):
            raise ValueError("name whom to invite")
        return self


@router.post("/{meeting_id}/invite", response_model=InviteAnswer)
async def invite(
    meeting_id: str,
    body: InviteForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Invite sites of areas where the caller convenes, people at home there, cameras that the
    caller may look at live, recordings that they may play back. In a running meeting they are
    called at once.
    """
    async with services.reader.connect() as connection:
        seat = await find_led(connection, caller, meeting_id)
        sites = await _sites(connection, caller, body)
        people = await _people(connection, caller, body.user_ids)
        looked_at = await _cameras(connection, caller, body.camera_ids)
        known = set(
            await connection.scalars(
                sa.select(meeting_participants.c.id).where(
                    meeting_participants.c.meeting_id == meeting_id,
                    meeting_participants.c.state != "removed",
                )
            )
        )
    if body.sip_uris or body.devices:
        # A call may cost money, and reaches anybody; a device's key opens the door to who has it.
        check(caller, Right.CONVENE, seat.place)
        require_full_sign_in(caller)
    if body.sip_uris and not services.settings.meetings.sip.enabled:
        raise ApiError(409, "telephones_off", "nothing is dialled here: meetings.sip is off")
    played = await recordings_of(services, caller, meeting_id, body.recordings)
    if played.footage:
        why_played = await require_purpose(
            services, caller, "playback", body.purpose, address=client_address(request)
        )
    if looked_at:
        reason = await require_purpose(
            services, caller, "live", body.purpose, address=client_address(request)
        )
    # Named as people write it: the scheme tells nobody anything.
    dialled = [
        {"kind": "sip", "subject": uri, "name": uri.partition(":")[2]} for uri in body.sip_uris
    ]
    brought = [_brought(camera) for camera in looked_at]
    keys = [(one.name, new_token()) for one in body.devices]
    devices = [
        {"kind": "whip", "subject": "", "name": name, "token_hash": token_hash(token)}
        for name, token in keys
    ]
    records = audit_records(
        request, caller, "meeting.invite", area=seat.place.area_path or None,
        detail={
            "meeting": meeting_id, "title": seat.meeting.title, "sites": len(sites),
            "people": [one["name"] for one in people], "sip": body.sip_uris,
            "devices": [name for name, _ in keys],
        },
    )  # fmt: skip
    if looked_at:
        records += audit_records(
            request, caller, "meeting.camera", cameras=looked_at,
            reason=reason, detail={"meeting": meeting_id, "title": seat.meeting.title},
        )  # fmt: skip
    for camera, start_us, end_us in played.footage:
        records += audit_records(
            request, caller, "meeting.footage", cameras=[camera], start_us=start_us,
            end_us=end_us, reason=why_played,
            detail={"meeting": meeting_id, "title": seat.meeting.title},
        )  # fmt: skip
    for what in played.others:
        records += audit_records(
            request, caller, "meeting.recording_brought", area=seat.place.area_path or None,
            detail={"meeting": meeting_id, "title": seat.meeting.title, **what},
        )  # fmt: skip
    invited = [*sites, *people, *brought, *played.participants, *dialled, *devices]
    arguments: dict[str, Any] = {
        "meeting_id": meeting_id, "participants": invited, "invited_by": caller.user_id
    }  # fmt: skip
    operation = "meetings.invite"
    if played.participants:
        operation, arguments["playbacks"] = "meetings.bring", played.playbacks
    ids = await act_and_append(services.rows, operation, arguments, records)
    await changed(services, meeting_id)
    of_devices = ids[len(ids) - len(keys) :]
    return {
        "participant_ids": ids,
        "added": len(set(ids) - known),
        "devices": [
            {"participant_id": participant_id, "name": name, "token": token}
            for participant_id, (name, token) in zip(of_devices, keys, strict=True)
        ],
    }


async def _sites(
    connection: AsyncConnection, caller: Principal, body: InviteForm
) -> list[dict[str, Any]]:
    wanted = {*body.area_ids, *body.only_area_ids}
    rows = {
        row.id: row
        for row in await connection.execute(
            sa.select(areas.c.id, areas.c.path, areas.c.name, areas.c.axis).where(
                areas.c.id.in_(wanted)
            )
        )
    }
    found: dict[str, dict[str, Any]] = {}
    for area_id in (*body.area_ids, *body.only_area_ids):
        row = rows.get(area_id)
        if row is None:
            raise not_found("area")
        check(caller, Right.CONVENE, AreaPlace(row.path))
        if row.axis != "area":
            raise invalid(area_ids="sites are villages and offices of the axis of areas")
        below: list[Any] = [row]
        if area_id in body.area_ids:
            statement = sa.select(areas.c.id, areas.c.name).where(subtree(areas.c.path, row.path))
            below = list((await connection.execute(statement)).all())
        for one in below:
            found[one.id] = {
                "kind": "site", "subject": one.id, "area_id": one.id, "name": one.name
            }  # fmt: skip
    if len(found) > _IDS_LIMIT:
        raise ApiError(409, "too_many", f"a meeting has at most {_IDS_LIMIT} participants")
    return list(found.values())


async def _people(
    connection: AsyncConnection, caller: Principal, user_ids: list[str]
) -> list[dict[str, Any]]:
    rows = {
        row.id: row
        for row in await connection.execute(
            sa.select(users.c.id, users.c.name, users.c.display_name, users.c.area_id, areas.c.path)
            .select_from(users.outerjoin(areas, areas.c.id == users.c.area_id))
            .where(users.c.id.in_(user_ids), users.c.deleted_us.is_(None), users.c.enabled)
        )
    }
    people = []
    for user_id in dict.fromkeys(user_ids):
        row = rows.get(user_id)
        if row is None:
            raise not_found("account")
        check(caller, Right.CONVENE, AreaPlace(row.path or ""))
        people.append(
            {
                "kind": "person",
                "subject": row.id,
                "user_id": row.id,
                "area_id": row.area_id,
                "name": row.display_name or row.name,
            }
        )
    return people


async def _cameras(
    connection: AsyncConnection, caller: Principal, camera_ids: list[str]
) -> list[Camera]:
    found = []
    for one in dict.fromkeys(camera_ids):
        camera, _ = await permitted_camera(connection, caller, Right.LIVE, one)
        if not camera.enabled:
            raise ApiError(
                409, "camera_disabled", "this camera is switched off in its configuration"
            )
        found.append(camera)
    return found


def _brought(camera: Camera) -> dict[str, Any]:
    return {
        "kind": "camera",
        "subject": camera.id,
        "camera_id": camera.id,
        "area_id": camera.area_id,
        "name": camera.name,
        "role": "observer",
    }
