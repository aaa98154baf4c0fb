"""Where hardware codecs and OBS send to and receive from a meeting: one address for each of both.

``/m/MEETING/whip`` and ``…/whep`` lead to the process that runs the meeting, whichever that is at
the moment: what is typed into a device once stays right. Who may is decided there, by the token.
"""

from __future__ import annotations

import re
from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.api.errors import ApiError, not_found
from gateway.api.passthrough import forward
from gateway.api.services import Services, ServicesDep
from gateway.database.meeting_tables import meetings

router = APIRouter(include_in_schema=False)

Way = Literal["whip", "whep"]
_METHODS = ["POST", "PATCH", "DELETE", "OPTIONS"]
# As the shard names them.
_RESOURCE = re.compile(r"^[A-Za-z0-9_\-]{1,64}$")


@router.api_route("/m/{meeting_id}/{way}", methods=_METHODS)
async def device(meeting_id: str, way: Way, request: Request, services: ServicesDep) -> Response:
    """A device begins to send (RFC 9725) or to receive (draft-ietf-wish-whep)."""
    return await _lead(services, request, meeting_id, way)


@router.api_route("/m/{meeting_id}/{way}/{resource_id}", methods=_METHODS)
async def device_session(
    meeting_id: str, way: Way, resource_id: str, request: Request, services: ServicesDep
) -> Response:
    """It ends what it began."""
    if not _RESOURCE.match(resource_id):
        raise not_found("session")
    return await _lead(services, request, meeting_id, f"{way}/{resource_id}")


async def _lead(services: Services, request: Request, meeting_id: str, path: str) -> Response:
    async with services.reader.connect() as connection:
        shard = await connection.scalar(
            sa.select(meetings.c.shard).where(
                meetings.c.id == meeting_id, meetings.c.state == "running"
            )
        )
    if shard is None:
        # Said alike of a meeting that is not there.
        raise ApiError(409, "meeting_not_running", "no such meeting is running: try again later")
    return await forward(shard, request, services, f"/s/{shard}/meeting/{path}")
