"""Requests for what needs a second person: trails across cameras, photos, standing searches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    not_there,
    permitted_area,
    record,
    require_full_sign_in,
)
from gateway.api.case_access import joined_case
from gateway.api.errors import ApiError, invalid
from gateway.api.holds import Instant
from gateway.api.paging import behind, cursor_behind, cursor_number, read_cursor, write_cursor
from gateway.api.search_answers import (
    MatchPage,
    RequestKind,
    RequestPage,
    RequestState,
    SearchRequest,
)
from gateway.api.search_coverage import standing_coverage
from gateway.api.search_hits import Eyes
from gateway.api.search_likeness import vector_of
from gateway.api.search_matches import match_documents
from gateway.api.second_person import WITHOUT_WORDS, Approval, Refusal, Said
from gateway.api.services import Services, ServicesDep
from gateway.audit import ReasonGiven
from gateway.database.investigation_tables import search_requests
from gateway.identifiers import new_id, now_us
from gateway.investigations.filters import StandingQuery
from gateway.investigations.request_rows import LONGEST_US
from gateway.investigations.requests import (
    LISTED_LIMIT,
    find_request,
    is_member,
    request_documents,
    select_requests,
    visible_to,
)
from gateway.investigations.sealed import seal_vector
from gateway.people.authorize import AreaPlace, Principal
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner

router = APIRouter(prefix="/api/search/requests", tags=["search"])

_TOLERATED_US = 60_000_000
_MATCHES_LIMIT = 200


class RequestForm(Said):
    """What is asked for. ``area_id``: how far it goes, the case's area where it is left out."""

    kind: RequestKind
    case_id: str = Field(max_length=40)
    area_id: str | None = Field(default=None, max_length=40)
    reason: str = Field(min_length=1, max_length=1000)
    expires_us: Instant
    query: StandingQuery | None = None


class GlassBreaking(Said):
    """Why it cannot wait."""

    reason: str = Field(min_length=1, max_length=1000)


class Review(Said):
    """Whether it was right not to wait."""

    justified: bool
    note: str = Field(min_length=1, max_length=1000)


@router.get("", response_model=RequestPage)
async def list_requests(
    caller: Caller,
    services: ServicesDep,
    state: RequestState | None = None,
    kind: RequestKind | None = None,
    case_id: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=LISTED_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> dict[str, Any]:
    """Those of the caller's cases, and those that the caller may approve; the newest first."""
    table = search_requests.c
    statement = select_requests().where(visible_to(caller)).limit(limit + 1)
    statement = statement.where(behind(cursor, table.created_us, table.id))
    for column, value in ((table.state, state), (table.kind, kind), (table.case_id, case_id)):
        if value is not None:
            statement = statement.where(column == value)
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        items = await request_documents(connection, caller, rows[:limit])
    following = cursor_behind(items[-1]) if len(rows) > limit else None
    return {"items": items, "next_cursor": following}


@router.post("", status_code=201, response_model=SearchRequest)
async def ask(
    body: RequestForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Ask a second person, for a case that the caller works on."""
    at_us = now_us()
    if not at_us < body.expires_us <= at_us + LONGEST_US + _TOLERATED_US:
        raise invalid(expires_us="a request ends within seven days from now")
    if (body.query is not None) != (body.kind == "standing"):
        raise invalid(query="a standing search says what it searches for, the others do not")
    async with services.reader.connect() as connection:
        case = await joined_case(connection, caller, body.case_id)
        area_id = body.area_id or case.area_id
        area = await permitted_area(connection, caller, Right.SEARCH, area_id)
        if body.query is not None and body.query.area_id is not None:
            await permitted_area(connection, caller, Right.SEARCH, body.query.area_id)
    request_id = new_id("req")
    kind, sealed = None, None
    if body.query is not None and body.query.like is not None:
        sought = await vector_of(services, caller, body.query.like, case_id=body.case_id)
        kind, sealed = sought.kind, seal_vector(services.secret, sought.vector, request_id)
    query = None if body.query is None else body.query.told()
    arguments = {
        "kind": body.kind, "case_id": body.case_id, "area_id": area_id, "reason": body.reason,
        "user_id": caller.user_id, "desk_id": caller.desk_id, "expires_us": body.expires_us,
        "query": query, "vector_kind": kind, "vector_sealed": sealed, "request_id": request_id,
    }  # fmt: skip
    await act(
        services, request, caller, "search.request", "investigations.ask", arguments,
        area=area, reason=ReasonGiven(text=body.reason, case_id=body.case_id),
        detail={"request_id": request_id, "kind": body.kind, "expires_us": body.expires_us,
                "query": query},
    )  # fmt: skip
    return await _document(services, caller, request_id)


@router.get("/{request_id}", response_model=SearchRequest)
async def read_request(request_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One request."""
    return await _document(services, caller, request_id)


@router.post("/{request_id}/approve", response_model=SearchRequest)
async def approve(
    request_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: Approval = WITHOUT_WORDS,
) -> dict[str, Any]:
    """It may be used from now on, until it expires."""
    return await _decide(services, caller, request, request_id, True, body.note)


@router.post("/{request_id}/refuse", response_model=SearchRequest)
async def refuse(
    request_id: str, body: Refusal, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """It may not be used."""
    return await _decide(services, caller, request, request_id, False, body.note)


@router.post("/{request_id}/break-glass", response_model=SearchRequest)
async def break_glass(
    request_id: str,
    body: GlassBreaking,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Use it at once: life does not wait. It must be reviewed within 24 hours."""
    row = await _visible(services, caller, request_id)
    check(caller, Right.SEARCH, AreaPlace(row.area_path))
    await _act(
        services, caller, request, row, "search.request_break", "investigations.break_glass",
        {"user_id": caller.user_id, "reason": body.reason}, body.reason,
    )  # fmt: skip
    return await _document(services, caller, request_id)


@router.post("/{request_id}/review", response_model=SearchRequest)
async def review(
    request_id: str, body: Review, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """The second person's word on what was used before it was approved."""
    require_full_sign_in(caller)
    row = await _visible(services, caller, request_id)
    check(caller, Right.APPROVE, AreaPlace(row.area_path))
    arguments = {
        "user_id": caller.user_id, "desk_id": caller.desk_id,
        "justified": body.justified, "note": body.note,
    }  # fmt: skip
    told = await _act(
        services, caller, request, row, "search.request_review", "investigations.review",
        arguments, body.note, justified=body.justified,
    )  # fmt: skip
    services.alarm_watch.tell(told)
    return await _document(services, caller, request_id)


@router.post("/{request_id}/end", response_model=SearchRequest)
async def end(
    request_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: Approval = WITHOUT_WORDS,
) -> dict[str, Any]:
    """End it with its photos, its matches, and its trails that no case keeps."""
    row = await _visible(services, caller, request_id)
    async with services.reader.connect() as connection:
        (document,) = await request_documents(connection, caller, [row])
        if "end" not in document["can"]:
            # Who may approve here may end it; others must work on the case.
            await joined_case(connection, caller, row.case_id)
    told = await _act(
        services, caller, request, row, "search.request_end", "investigations.end",
        {"user_id": caller.user_id, "note": body.note}, body.note,
    )  # fmt: skip
    services.alarm_watch.tell(told)
    return await _document(services, caller, request_id)


@router.get("/{request_id}/matches", response_model=MatchPage, response_model_by_alias=True)
async def list_matches(
    request_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=_MATCHES_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> dict[str, Any]:
    """What a standing search found where the caller may search, the newest first; members of the
    case alone; and what it did not see. On record: its pictures are looked at by it.
    """
    row = await _visible(services, caller, request_id)
    key = read_cursor(cursor, 1)
    async with services.reader.connect() as connection:
        if not await is_member(connection, caller, row.case_id):
            raise ApiError(403, "not_member", "only members of the case may do this")
        before = 2**62 if key is None else cursor_number(key[0])
        items, last = await match_documents(
            connection, services, caller, row, before=before, limit=limit
        )
        unseen = None
        if key is None and row.kind == "standing":
            reason = ReasonGiven(text=row.reason, case_id=row.case_id)
            eyes = Eyes(caller, LookSigner(services.secret), reason)
            paths = caller.areas_with(Right.SEARCH, now_us())
            unseen = await standing_coverage(connection, eyes, paths, row)
    await record(
        services, request, caller, "search.matches", area=row.area_path,
        reason=ReasonGiven(text=row.reason, case_id=row.case_id), request_id=row.id,
        matches=len(items), camera_ids=sorted({one["camera_id"] for one in items}),
    )  # fmt: skip
    following = None if last is None else write_cursor((str(last),))
    return {"items": items, "next_cursor": following, "coverage": unseen}


async def _decide(
    services: Services,
    caller: Principal,
    request: Request,
    request_id: str,
    approve: bool,
    note: str | None,
) -> dict[str, Any]:
    require_full_sign_in(caller)
    row = await _visible(services, caller, request_id)
    check(caller, Right.APPROVE, AreaPlace(row.area_path))
    arguments = {
        "user_id": caller.user_id, "desk_id": caller.desk_id, "approve": approve, "note": note,
    }  # fmt: skip
    action: Literal["approve", "refuse"] = "approve" if approve else "refuse"
    await _act(
        services, caller, request, row, f"search.request_{action}", "investigations.decide",
        arguments, note,
    )  # fmt: skip
    return await _document(services, caller, request_id)


async def _act(
    services: Services,
    caller: Principal,
    request: Request,
    row: sa.Row[Any],
    action: str,
    operation: str,
    arguments: dict[str, Any],
    words: str | None,
    **detail: Any,
) -> Any:
    return await act(
        services, request, caller, action, operation, {"request_id": row.id, **arguments},
        area=row.area_path, reason=ReasonGiven(text=words, case_id=row.case_id),
        detail={"request_id": row.id, "kind": row.kind, **detail},
    )  # fmt: skip


async def _visible(services: Services, caller: Principal, request_id: str) -> sa.Row[Any]:
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, request_id)
    if row is None:
        raise not_there()
    return row


async def _document(services: Services, caller: Principal, request_id: str) -> dict[str, Any]:
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, request_id)
        if row is None:
            raise not_there()
        return (await request_documents(connection, caller, [row]))[0]
