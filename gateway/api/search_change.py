"""Change in a region: every moment at which it changed, from what was recorded."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from starlette.responses import StreamingResponse

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import Caller, check, client_address, permitted_camera, record
from gateway.api.errors import ApiError, unavailable
from gateway.api.holds import Instant
from gateway.api.json_lines import json_lines
from gateway.api.search_turns import change_turn, safely_told
from gateway.api.search_watch import watched
from gateway.api.services import Services, ServicesDep
from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S
from gateway.investigations.filters import Form, Id, Share
from gateway.masks import Polygons, covering, mask_history
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/search", tags=["search"])

DAYS_LIMIT = 7
CORNERS_LIMIT = 32

Point = tuple[float, float]


class ChangeForm(Form):
    """Where and when. ``points``: the region's corners, as shares of the picture."""

    camera_id: Id
    start_us: Instant
    end_us: Instant
    points: list[tuple[Share, Share]] = Field(min_length=3, max_length=CORNERS_LIMIT)
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if not self.start_us < self.end_us <= self.start_us + DAYS_LIMIT * 86_400 * US_PER_S:
            raise ValueError(f"end_us: the range is empty or longer than {DAYS_LIMIT} days")
        return self


@router.post(
    "/change",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "JSON lines"}},
)
async def find_changes(
    body: ChangeForm, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """Every moment a region changed, each as it is found, and what was not looked at. On record
    before anything is looked at. Rights ``search`` and ``playback``.
    """
    with contextlib.ExitStack() as turn:
        turn.enter_context(change_turn(services, caller))
        async with services.reader.connect() as connection:
            camera, decision = await permitted_camera(
                connection, caller, Right.SEARCH, body.camera_id, deleted=True
            )
        check(caller, Right.PLAYBACK, camera)
        await _require_unmasked(services, body, may_lift_masks=decision.may_lift_masks)
        given = await require_purpose(
            services, caller, "search", body.purpose, address=client_address(request)
        )
        servers = await services.processes.at_hand("footage")
        if not servers:
            raise unavailable("no footage server is running: try again")
        await record(
            services, request, caller, "search.change", cameras=[camera],
            start_us=body.start_us, end_us=body.end_us, reason=given, points=body.points,
        )  # fmt: skip
        # The same camera from the same server: its index and files are warm there.
        server = servers[zlib.crc32(camera.id.encode()) % len(servers)]
        lines = _lines(services, caller, server, body, may_lift_masks=decision.may_lift_masks)
        return json_lines(safely_told(lines, turn.pop_all()))


async def _lines(
    services: Services,
    caller: Principal,
    server: str,
    body: ChangeForm,
    *,
    may_lift_masks: bool,
) -> AsyncIterator[dict[str, Any]]:
    stream = services.processes.client(server).stream(
        "change.find",
        camera_id=body.camera_id,
        start_us=body.start_us,
        end_us=body.end_us,
        points=[list(point) for point in body.points],
    )
    with watched(services, caller) as watch:
        try:
            async with stream as lines:
                async for line in lines:
                    watch.check()
                    if line["type"] == "moment":
                        # Masks may have been drawn since.
                        await _require_unmasked(services, body, may_lift_masks=may_lift_masks)
                    yield line
        except ControlError as error:
            if error.code != "invalid":
                raise
            raise ApiError(422, "invalid", str(error)) from None


async def _require_unmasked(services: Services, body: ChangeForm, *, may_lift_masks: bool) -> None:
    """Raises ApiError where masks cover part of the region, for who may not lift them: that
    something moved beneath a mask is seen through it.
    """
    if may_lift_masks:
        return
    async with services.reader.connect() as connection:
        versions = await mask_history(connection, body.camera_id)
    masks: Polygons = covering(versions, body.start_us, body.end_us)
    if any(_meet(body.points, mask) for mask in masks):
        raise ApiError(
            403,
            "masked",
            "part of this region is masked, now or when it was recorded, and you may not lift"
            " masks: draw it beside the mask",
        )


def _meet(one: Sequence[Point], other: Sequence[Point]) -> bool:
    """Whether two polygons have a point in common; touching counts."""
    return (
        _holds(one, other[0])
        or _holds(other, one[0])
        or any(_cross(a, b, c, d) for a, b in _sides(one) for c, d in _sides(other))
    )


def _sides(polygon: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))


def _holds(polygon: Sequence[Point], point: Point) -> bool:
    """By the even-odd rule."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in _sides(polygon):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0
