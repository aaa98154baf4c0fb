"""Where else the same object may have been seen: candidates on cameras that it can have reached."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import StreamingResponse

from gateway.accountability import Purpose
from gateway.api.access import CallerInPerson, audit_records, not_there, permitted_areas
from gateway.api.errors import ApiError
from gateway.api.json_lines import json_lines
from gateway.api.search import passage_number
from gateway.api.search_coverage import uncovered_line
from gateway.api.search_hits import Eyes, as_told, hides, passage_hit
from gateway.api.search_likeness import permitted_passage
from gateway.api.search_scope import Scope, search_scope
from gateway.api.search_turns import not_all_compared, safely_told, search_turn
from gateway.api.search_vectors import EveryMachinesVectors, vectors_of_all
from gateway.api.search_watch import usable_still, watched
from gateway.api.services import ServicesDep
from gateway.audit import ReasonGiven, append
from gateway.identifiers import US_PER_S, now_us
from gateway.investigations.filters import Form, Id
from gateway.investigations.requests import find_request, in_force, is_member
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner
from search.index import neighbours
from search.index.messages import StoredPassage

router = APIRouter(prefix="/api/search", tags=["search"])

_DAY_S = 86_400


class AlsoSeenForm(Form):
    """Where else: by which request, how long after, and before too where ``both_ways``."""

    request_id: Id
    within_s: int = Field(default=3600, ge=1, le=_DAY_S)
    both_ways: bool = False
    limit: int = Field(default=50, ge=1, le=200)
    purpose: Purpose | None = None


@router.post(
    "/passages/{passage_id}/also-seen",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "JSON lines"}},
)
async def also_seen(
    passage_id: str,
    body: AlsoSeenForm,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> StreamingResponse:
    """Candidates for the same object on other cameras that it can have reached, the likeliest
    first. A suggestion for people to judge, never a finding.
    """
    passage, camera, eyes = await permitted_passage(services, caller, passage_number(passage_id))
    paths = permitted_areas(caller, Right.SEARCH)
    async with services.reader.connect() as connection:
        asked = await usable_trail(connection, caller, body.request_id)
        scope = await search_scope(connection, paths, within=[asked.area_path])
    if camera.id not in scope.cameras:
        raise ApiError(403, "not_allowed", "this camera is outside of the request's area")
    eyes.reason = ReasonGiven(text=asked.reason, case_id=asked.case_id)
    within_us = body.within_s * US_PER_S
    span = (passage.first_us - (within_us if body.both_ways else 0), passage.last_us + within_us)

    async def lines() -> AsyncIterator[dict[str, Any]]:
        with watched(services, caller, usable_still(asked.id)) as watch:
            living = [one for one in scope.cameras.values() if one.deleted_us is None]
            look = LookSigner(services.secret).sign(caller.user_id, eyes.reason, {})
            yield {"type": "search", "look": look, "total_cameras": len(living)}
            vectors = await vectors_of_all(services) if passage.vector_kind else None
            found = await _candidates(watch.read, eyes, scope, passage, body, vectors)
            for line in found:
                await watch.going_on()
                yield line
            yield await watch.read(
                lambda connection: uncovered_line(connection, scope.cameras, *span)
            )
            if vectors is not None and vectors.unanswered:
                yield not_all_compared(vectors)
            yield {"type": "end", "next_cursor": None}

    with contextlib.ExitStack() as turn:
        turn.enter_context(search_turn(services, caller))
        await append(
            services.rows,
            audit_records(
                request, caller, "search.also_seen", start_us=span[0], end_us=span[1],
                area=asked.area_path, reason=eyes.reason,
                detail={"passage_id": passage_id, "camera_id": camera.id, "request_id": asked.id},
            ),
        )  # fmt: skip
        return json_lines(safely_told(lines(), turn.pop_all()))


async def _candidates(
    read: Any,
    eyes: Eyes,
    scope: Scope,
    passage: StoredPassage,
    body: AlsoSeenForm,
    vectors: EveryMachinesVectors | None,
) -> list[dict[str, Any]]:
    places = [
        neighbours.CameraPlace(one.id, one.area_path, one.longitude, one.latitude)
        for one in scope.cameras.values()
    ]
    vector = None
    if vectors is not None:
        vector = await vectors.find(passage.vector_kind, passage.id)
    found: list[Any] = []
    for way in ("after", "before") if body.both_ways else ("after",):
        reaches = await asyncio.to_thread(
            neighbours.reachable,
            passage,
            places,
            within_us=body.within_s * US_PER_S,
            way=way,
        )

        async def work(
            connection: AsyncConnection, reaches: Any = reaches, way: Any = way
        ) -> list[Any]:
            near = {one.camera_id for one in reaches}
            await eyes.read(connection, [scope.cameras[one] for one in near])
            return await neighbours.also_seen(
                connection, vectors, passage, reaches, vector=vector, limit=body.limit, way=way,
                told=lambda other: as_told(eyes, other),
            )  # fmt: skip

        found += await read(work)
    found.sort(key=lambda one: -one.score)
    told = []
    for one in found[: body.limit]:
        other: StoredPassage = one.passage
        if hides(eyes, other):
            continue
        later = other.first_us - passage.last_us
        earlier = passage.first_us - other.last_us
        gap_us = later if other.first_us >= passage.first_us else earlier
        # The way there, at the highest speed: where no distance is known, nothing can be said.
        soonest_us = one.reach.from_us - passage.last_us
        if other.first_us < passage.first_us:
            soonest_us = passage.first_us - one.reach.until_us
        told.append(
            {
                "type": "hit",
                "hit": passage_hit(
                    eyes, other, scope.cameras[other.camera_id], likeness=one.likeness
                ),
                "also_seen": {
                    "gap_s": gap_us / US_PER_S,
                    "distance_m": one.reach.least_m if one.reach.measured else None,
                    "earliest_s": max(0, soonest_us) / US_PER_S,
                    "score": one.score,
                },
            }
        )
    return told


async def usable_trail(
    connection: AsyncConnection, caller: Principal, request_id: str
) -> sa.Row[Any]:
    """A request of kind trail that the caller may use now."""
    asked = await find_request(connection, caller, request_id)
    if asked is None:
        raise not_there()
    if not await is_member(connection, caller, asked.case_id):
        raise ApiError(403, "not_member", "only members of the case may use its requests")
    if asked.kind != "trail" or not in_force(asked, now_us()):
        raise ApiError(409, "request_not_usable", "this request is not in force: ask for another")
    return asked
