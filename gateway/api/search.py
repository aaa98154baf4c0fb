"""Search: hits as they are found, the best first, and what was not looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import StreamingResponse

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import (
    Caller,
    audit_records,
    permitted_area,
    permitted_areas,
    record,
    require_person,
)
from gateway.api.errors import ApiError, invalid, not_found
from gateway.api.holds import Instant
from gateway.api.json_lines import json_lines
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.pictures import jpeg_answer, stored_picture
from gateway.api.query_purpose import QueryPurpose, Said
from gateway.api.search_answers import Hit
from gateway.api.search_coverage import Compared, uncovered_line
from gateway.api.search_hits import Eyes, passage_hit
from gateway.api.search_likeness import Sought, permitted_passage, vector_of
from gateway.api.search_scope import Scope, search_scope
from gateway.api.search_sources import PassageSource, SightingSource
from gateway.api.search_turns import not_all_compared, safely_told, search_turn
from gateway.api.search_vectors import vectors_of_all
from gateway.api.search_watch import usable_still, watched
from gateway.api.services import Services, ServicesDep
from gateway.audit import ReasonGiven, append
from gateway.identifiers import US_PER_S
from gateway.investigations.filters import Filters, Source
from gateway.investigations.questions import drawn_on, passage_query, plate_pattern
from gateway.mask_cover import draw_over
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner
from gateway.sightings.places import SightingPlace, places_within, read_places
from search.plates import PatternError

router = APIRouter(prefix="/api/search", tags=["search"])

DAYS_LIMIT = 92
LIKE_DAYS_LIMIT = 31
_DAY_US = 24 * 3600 * US_PER_S
# As search/tracks cuts crops.
_CROP_MARGIN = 0.1


class SearchForm(Filters):
    """What is searched for, when, where and why; see docs/http-api.md."""

    start_us: Instant
    end_us: Instant
    sources: list[Source] = Field(default=["passage", "sighting"], max_length=2)
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=400)
    purpose: Purpose | None = None
    look: str | None = Field(default=None, max_length=4096)

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        days = DAYS_LIMIT if self.like is None else LIKE_DAYS_LIMIT
        if not self.start_us < self.end_us <= self.start_us + days * _DAY_US:
            raise ValueError(f"end_us: the range is empty or longer than {days} days")
        return self

    def asked(self) -> dict[str, Any]:
        """What makes it this search and no other: further pages carry its reason."""
        return self.model_dump(mode="json", exclude={"limit", "cursor", "purpose", "look"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search that may be made, and is on record."""

    form: SearchForm
    caller: Principal
    paths: list[str]
    scope: Scope
    places: list[SightingPlace] | None
    sought: Sought | None
    reason: ReasonGiven
    look: str


@router.post(
    "",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "JSON lines"}},
)
async def search(
    body: SearchForm, caller: Caller, request: Request, services: ServicesDep
) -> StreamingResponse:
    """What passed where the caller may search, each hit as it is found, and what was not looked
    at. On record, with its whole question, before anything is found.
    """
    cursor = read_cursor(body.cursor, 4)
    _check_words(body)
    if body.like is not None:
        require_person(caller)
    with contextlib.ExitStack() as turn:
        turn.enter_context(search_turn(services, caller))
        asked = await _ask(body, caller, request, services)
        return json_lines(safely_told(_lines(services, asked, cursor), turn.pop_all()))


@router.get("/passages/{passage_id}", response_model=Hit, response_model_by_alias=True)
async def read_passage(
    passage_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    said: QueryPurpose,
) -> dict[str, Any]:
    """One passage."""
    passage, camera, eyes = await permitted_passage(services, caller, passage_number(passage_id))
    eyes.reason, eyes.until_us = await _looked_at(
        services, caller, request, "search.passage", passage, camera, said
    )
    return passage_hit(eyes, passage, camera)


@router.get("/passages/{passage_id}/crop", response_class=Response)
async def show_crop(
    passage_id: str,
    caller: Caller,
    request: Request,
    services: ServicesDep,
    said: QueryPurpose,
) -> Response:
    """Its picture, with the masks of now and then drawn in for who may not lift them."""
    passage, camera, eyes = await permitted_passage(services, caller, passage_number(passage_id))
    await _looked_at(services, caller, request, "search.crop", passage, camera, said)
    if passage.crop is None:
        raise not_found("picture")
    place = passage.crop
    data = await stored_picture(services, place.store_key, place.offset, place.size_bytes)
    masks = eyes.masks(camera.id, passage.first_us, passage.last_us)
    if masks:
        try:
            data = await asyncio.to_thread(draw_over, data, passage.box, _CROP_MARGIN, masks)
        except ValueError:
            # Unavailable rather than unmasked.
            raise ApiError(409, "damaged", "this picture is damaged and cannot be masked") from None
    return jpeg_answer(data)


def passage_number(text: str) -> int:
    """An id as the row has it. Raises ApiError 404."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise not_found("passage")
    return int(text)


async def _looked_at(
    services: Services,
    caller: Principal,
    request: Request,
    action: str,
    passage: Any,
    camera: Any,
    said: Said,
) -> tuple[ReasonGiven, int | None]:
    """The reason: that of the search whose hit it is, which is on record, and until when that is
    good; else one of its own, put on record now.
    """
    if said.look is not None:
        about = {"passage": passage.id}
        looked = LookSigner(services.secret).read_until(said.look, caller.user_id, about)
        if looked is not None:
            return looked
    given = await require_purpose(services, caller, "search", said.purpose())
    await record(
        services, request, caller, action, cameras=[camera], start_us=passage.first_us,
        end_us=passage.last_us + 1, reason=given, passage_id=str(passage.id),
    )  # fmt: skip
    return given, None


def _check_words(body: SearchForm) -> None:
    try:
        plate_pattern(body.plate)
    except PatternError as error:
        raise invalid(plate=str(error)) from None
    try:
        drawn_on(body)
    except ValueError as error:
        raise invalid(region=str(error)) from None


async def _ask(body: SearchForm, caller: Principal, request: Request, services: Services) -> _Asked:
    paths = permitted_areas(caller, Right.SEARCH)
    drawn = drawn_on(body)
    sought = None if body.like is None else await vector_of(services, caller, body.like)
    async with services.reader.connect() as connection:
        area = None
        if body.area_id is not None:
            area = await permitted_area(connection, caller, Right.SEARCH, body.area_id)
        within = [one for one in (area, sought.area_path if sought else None) if one]
        scope = await search_scope(
            connection,
            paths,
            within=within,
            camera_ids=body.camera_ids or ([drawn] if drawn else []),
        )
        if drawn is not None and drawn not in scope.cameras:
            raise not_found("camera")
        places = None
        if "sighting" in body.sources and body.like is None:
            places = await _places(connection, paths, area, body)
    signer = LookSigner(services.secret)
    asked = body.asked()
    looked = None
    if body.look is not None and body.cursor is not None:
        looked = signer.read_until(body.look, caller.user_id, asked)
    given, until_us = looked if looked is not None else (None, None)
    if given is None:
        named = {*body.camera_ids, *([drawn] if drawn else [])}
        elsewhere = sought is not None and sought.camera_id is not None
        # To point at cameras where the same may have been is to follow it.
        follows = elsewhere and bool(named - {sought.camera_id if sought else None})
        given = await require_purpose(services, caller, "search", body.purpose, with_case=follows)
    filters: dict[str, Any] = {**body.told(), "page": body.cursor}
    for name in ("start_us", "end_us", "limit", "cursor", "purpose", "look"):
        filters.pop(name, None)
    if sought is not None:
        filters["like_camera_id"] = sought.camera_id
        filters["request_id"] = sought.request_id
    records = audit_records(
        request, caller, "search.passages", start_us=body.start_us, end_us=body.end_us,
        reason=given, area=area if area is not None else (paths[0] if len(paths) == 1 else ""),
        detail={"filters": {name: value for name, value in filters.items() if value}},
    )  # fmt: skip
    # Before anything is found.
    await append(services.rows, records)
    look = signer.sign(caller.user_id, given, asked, until_us)
    return _Asked(body, caller, paths, scope, places, sought, given, look)


async def _places(
    connection: AsyncConnection, paths: Sequence[str], area: str | None, body: SearchForm
) -> list[SightingPlace]:
    where = [places_within(paths)]
    if area is not None:
        where.append(places_within([area]))
    found = await read_places(connection, *where)
    if not body.camera_ids:
        return found
    return [one for one in found if one.camera_id in body.camera_ids]


async def _lines(
    services: Services, asked: _Asked, cursor: tuple[str, ...] | None
) -> AsyncIterator[dict[str, Any]]:
    by = None if asked.sought is None else asked.sought.request_id
    still = None if by is None else usable_still(by)
    with watched(services, asked.caller, still) as watch:
        async for line in _told(services, asked, cursor, watch.read):
            await watch.going_on()
            yield line


async def _told(
    services: Services,
    asked: _Asked,
    cursor: tuple[str, ...] | None,
    read: Callable[[Callable[[AsyncConnection], Awaitable[Any]]], Awaitable[Any]],
) -> AsyncIterator[dict[str, Any]]:
    body, scope = asked.form, asked.scope
    living = [one for one in scope.cameras.values() if one.deleted_us is None]
    yield {"type": "search", "look": asked.look, "total_cameras": len(living)}
    eyes = Eyes(asked.caller, LookSigner(services.secret), asked.reason)
    vectors = None if asked.sought is None else await vectors_of_all(services)
    passages_from, sightings_from = _resume(cursor)
    sources: list[PassageSource | SightingSource] = []
    if "passage" in body.sources and passages_from != _DONE:
        sources.append(
            PassageSource(
                read=read, eyes=eyes, scope=scope, filters=body, start_us=body.start_us,
                end_us=body.end_us, sought=asked.sought, vectors=vectors, cursor=passages_from,
            )
        )  # fmt: skip
    if asked.places is not None and sightings_from != _DONE:
        places = {one.id: one for one in asked.places}
        everywhere = "" in asked.paths and not body.area_id and not body.camera_ids
        sources.append(
            SightingSource(
                read=read, eyes=eyes, scope=scope, filters=body, start_us=body.start_us,
                end_us=body.end_us, places=places, everywhere=everywhere, cursor=sightings_from,
            )
        )  # fmt: skip
    left = body.limit
    while left > 0:
        heads = [(await one.head(), one) for one in sources]
        ready = [(hit, one) for hit, one in heads if hit is not None]
        if not ready:
            break
        hit, source = max(ready, key=lambda pair: pair[0]["first_us"])
        source.take()
        left -= 1
        yield {"type": "hit", "hit": hit}
    yield await read(
        lambda connection: uncovered_line(
            connection, scope.cameras, body.start_us, body.end_us,
            _compared(eyes, asked), described_for=eyes if body.asks_for_looks() else None,
        )
    )  # fmt: skip
    if vectors is not None and vectors.unanswered:
        yield not_all_compared(vectors)
    yield {"type": "end", "next_cursor": _following(sources)}


def _compared(eyes: Eyes, asked: _Asked) -> Compared | None:
    body, sought = asked.form, asked.sought
    if sought is None:
        return None
    query = passage_query(body, body.start_us, body.end_us, asked.scope.camera_ids)
    return Compared(eyes, asked.scope.cameras, query, sought.kind, sought.passage_id)


# Of a source that has told everything.
_DONE = (-1, -1)
_Place = tuple[int, int] | None
"""Where a source goes on: after what it told; None is from the beginning."""


def _following(sources: Sequence[PassageSource | SightingSource]) -> str | None:
    """Where the next page goes on; None when all was told."""
    if not any(one.goes_on for one in sources):
        return None
    key: list[str] = []
    for kind in (PassageSource, SightingSource):
        source = next((one for one in sources if isinstance(one, kind)), None)
        place = source.cursor if source is not None and source.goes_on else _DONE
        key += ["", ""] if place is None else [str(one) for one in place]
    return write_cursor(key)


def _resume(cursor: tuple[str, ...] | None) -> tuple[_Place, _Place]:
    if cursor is None:
        return None, None
    return _place(cursor[:2]), _place(cursor[2:])


def _place(parts: Sequence[str]) -> _Place:
    if not any(parts):
        return None
    return _number(parts[0]), _number(parts[1])


def _number(text: str) -> int:
    # Whoever makes up a cursor gets an empty page.
    if len(text) > 19 or not text.isascii() or not text.removeprefix("-").isdecimal():
        return -1
    return max(-(2**62), min(int(text), 2**62))
