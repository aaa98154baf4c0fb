"""Boxes of objects in a camera's live picture, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from gateway.accountability import require_purpose
from gateway.api.access import Caller, find_caller, permitted_camera, record
from gateway.api.errors import unavailable
from gateway.api.services import Services, ServicesDep
from gateway.cameras import find_cameras
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.mask_cover import MOSTLY, covered_shares
from gateway.masks import MaskReader, Polygons
from gateway.people.authorize import authorize
from gateway.people.roles import Right

router = APIRouter(prefix="/api/analysis", tags=["analysis"])

# A right that is withdrawn ends it within this time; so does somebody who is gone.
ASK_AGAIN_S = 1.5
_PING_S = 15.0


@router.get("/boxes", response_class=StreamingResponse)
async def watch_boxes(
    camera_id: Annotated[str, Query(max_length=40)],
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> StreamingResponse:
    """Right ``live``. Events ``boxes``: ``{at_us, boxes: [{passage_id, class, box, confidence}]}``,
    at most as many a second as are looked at; ``end``: ``{code}``. What lies beneath masks is left
    out for who may not lift them.
    """
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.LIVE, camera_id)
    # As live pictures are: the purpose of the shift.
    given = await require_purpose(services, caller, "live", None)
    await record(services, request, caller, "analysis.boxes", cameras=[camera], reason=given)
    try:
        client = await services.analysts.of(camera_id)
        stream = client.stream("analysis.boxes", camera_id=camera_id)
        await stream.__aenter__()
    except (ControlError, ConnectionError, TimeoutError):
        raise unavailable("analysis does not answer: try again") from None

    async def events() -> AsyncIterator[bytes]:
        try:
            async for event in _events(services, request, camera_id, stream):
                yield event
        finally:
            await stream.close()

    return StreamingResponse(
        events(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    services: Services, request: Request, camera_id: str, stream: Any
) -> AsyncIterator[bytes]:
    masks = MaskReader(services.reader)
    loop = asyncio.get_running_loop()
    permitted_until, ping_at = 0.0, loop.time() + _PING_S
    may_lift = False
    newest: asyncio.Task[Mapping[str, Any]] = asyncio.ensure_future(anext(stream))
    yield b": boxes\n\n"
    try:
        while True:
            if loop.time() >= permitted_until:
                found = await _permission(services, request, camera_id)
                if found is None:
                    yield _event("end", {"code": "not_allowed"})
                    return
                may_lift = found
                permitted_until = loop.time() + ASK_AGAIN_S
            done, _ = await asyncio.wait({newest}, timeout=ASK_AGAIN_S)
            if done:
                covering: Polygons = ()
                boxes = newest.result()
                if not may_lift:
                    at_us = boxes["at_us"]
                    covering = await masks.covering(camera_id, at_us, at_us + 1)
                yield _event("boxes", _shown(boxes, covering))
                newest = asyncio.ensure_future(anext(stream))
            elif loop.time() >= ping_at:
                ping_at = loop.time() + _PING_S
                yield b": still there\n\n"
    except (StopAsyncIteration, ControlError, ConnectionError):
        yield _event("end", {"code": "unavailable"})
    finally:
        newest.cancel()


async def _permission(services: Services, request: Request, camera_id: str) -> bool | None:
    """Whether they may see beneath masks; None where they may not look any more."""
    caller = await find_caller(request, services)
    if caller is None:
        return None
    async with services.reader.connect() as connection:
        camera = (await find_cameras(connection, [camera_id])).get(camera_id)
    if camera is None:
        return None
    decision = authorize(caller, Right.LIVE, camera, now_us())
    return decision.may_lift_masks if decision.allowed else None


def _shown(boxes: Mapping[str, Any], covering: Polygons) -> dict[str, Any]:
    """Without what lies mostly beneath masks."""
    shares = covered_shares([one["box"] for one in boxes["boxes"]], covering)
    return {
        "at_us": boxes["at_us"],
        "boxes": [one for one, share in zip(boxes["boxes"], shares, strict=True) if share < MOSTLY],
    }


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
