"""Assist requests: asked of chosen villages, approved, reminded, extended, closed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from gateway.api.access import (
    Caller,
    CallerInPerson,
    act,
    check,
    not_there,
    permitted_areas,
    record,
    require_full_sign_in,
)
from gateway.api.assist_answers import (
    AskableAreas,
    AssistOutcome,
    AssistPage,
    AssistRequest,
    AssistState,
)
from gateway.api.case_access import joined_case
from gateway.api.errors import ApiError, invalid
from gateway.api.holds import Instant
from gateway.api.meeting_sheets import Offset, sheet_answer
from gateway.api.paging import behind, cursor_behind
from gateway.api.second_person import WITHOUT_WORDS, Approval, Refusal, Said
from gateway.api.services import Services, ServicesDep
from gateway.assist.reading import (
    LISTED_LIMIT,
    asked_areas,
    board,
    find_request,
    is_asked_of,
    is_managed_by,
    select_requests,
    summaries,
)
from gateway.assist.sheet import Language, board_rows
from gateway.audit import ReasonGiven
from gateway.database.assist_tables import assist_requests
from gateway.database.tables import areas, cameras
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.people.authorize import AreaPlace, Principal, authorize
from gateway.people.roles import Right
from gateway.settings.assist import AssistSettings

router = APIRouter(prefix="/api/assist", tags=["assist"])

# A browser's clock may be a little ahead.
_TOLERATED_US = 60 * US_PER_S
_HOUR_US = 3600 * US_PER_S
_DAY_US = 24 * _HOUR_US


class AskForm(Said):
    """Whom one looks for, where and when, for which case, and until when."""

    case_id: str = Field(max_length=40)
    title: str = Field(min_length=1, max_length=200)
    words: str = Field(default="", max_length=2000)
    plate: str = Field(default="", max_length=40)
    start_us: Instant
    end_us: Instant
    deadline_us: Instant
    area_ids: list[Annotated[str, Field(max_length=40)]] = Field(min_length=1, max_length=1000)
    photo_ids: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=20)


class Reminder(Said):
    """Whom to urge; all who have not answered where it is left out."""

    area_ids: list[Annotated[str, Field(max_length=40)]] | None = Field(
        default=None, max_length=1000
    )
    note: str | None = Field(default=None, max_length=1000)


class Extension(Said):
    """Until when, and why."""

    deadline_us: Instant
    note: str = Field(min_length=1, max_length=1000)


class Closing(Said):
    """What came of it."""

    outcome: AssistOutcome
    note: str = Field(min_length=1, max_length=2000)


@router.get("", response_model=AssistPage)
async def list_requests(
    caller: Caller,
    services: ServicesDep,
    side: Literal["asked", "managed"] | None = None,
    state: AssistState | None = None,
    limit: Annotated[int, Query(ge=1, le=LISTED_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> dict[str, Any]:
    """Those that the caller is asked in, and those of the caller's cases or for them to approve;
    the newest first.
    """
    table = assist_requests.c
    asked, managed = is_asked_of(caller), is_managed_by(caller)
    sides = {"asked": asked, "managed": managed, None: sa.or_(asked, managed)}
    statement = select_requests().where(sides[side]).limit(limit + 1)
    statement = statement.where(behind(cursor, table.created_us, table.id))
    if state is not None:
        statement = statement.where(table.state == state)
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        items = await summaries(connection, caller, rows[:limit])
        waiting = (await connection.execute(select_requests().where(asked))).all()
        told = await summaries(connection, caller, waiting)
    following = cursor_behind(items[-1]) if len(rows) > limit else None
    unanswered = sum(area["state"] == "asked" for one in told for area in one["own"])
    return {"items": items, "next_cursor": following, "unanswered": unanswered}


@router.get("/areas", response_model=AskableAreas)
async def list_areas(caller: CallerInPerson, services: ServicesDep) -> dict[str, Any]:
    """All areas, to whoever searches anywhere: one may ask where one may not look."""
    permitted_areas(caller, Right.SEARCH)
    counts = (
        sa.select(cameras.c.area_id, sa.func.count().label("number"))
        .where(cameras.c.deleted_us.is_(None))
        .group_by(cameras.c.area_id)
        .subquery("counts")
    )
    statement = (
        sa.select(
            areas.c.id, areas.c.parent_id, areas.c.name,
            sa.func.coalesce(counts.c.number, 0).label("cameras"),
        )
        .select_from(areas.outerjoin(counts, counts.c.area_id == areas.c.id))
        .where(areas.c.axis == "area")
        .order_by(areas.c.position, areas.c.name, areas.c.id)
    )  # fmt: skip
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).mappings().all()
    limits = services.settings.assist
    return {
        "items": [dict(row) for row in rows],
        "areas_limit": limits.areas_limit,
        "photos_limit": limits.photos_limit,
        "photo_bytes_limit": limits.photo_bytes_limit,
        "window_limit_us": round(limits.window_hours * _HOUR_US),
        "longest_us": round(limits.longest_days * _DAY_US),
    }


@router.post("", status_code=201, response_model=AssistRequest)
async def ask(
    body: AskForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Ask the clerks of these areas, for a case that the caller works on. Where the caller may not
    play back everywhere themselves, it waits for the approval of somebody who may approve in all of
    them; else it is open at once.
    """
    permitted_areas(caller, Right.SEARCH)
    _check_times(services.settings.assist, body)
    area_ids = list(dict.fromkeys(body.area_ids))
    limits = services.settings.assist
    if len(area_ids) > limits.areas_limit:
        raise invalid(area_ids=f"one request asks at most {limits.areas_limit} areas: send several")
    if len(body.photo_ids) > limits.photos_limit:
        raise invalid(photo_ids=f"a request has at most {limits.photos_limit} photos")
    if not (body.words or body.plate or body.photo_ids):
        raise invalid(words="say what they look like or wear, give a plate, or send a photo")
    async with services.reader.connect() as connection:
        case = await joined_case(connection, caller, body.case_id)
        rows = (
            await connection.execute(
                sa.select(areas.c.id, areas.c.path, areas.c.name).where(areas.c.id.in_(area_ids))
            )
        ).all()
    if len(rows) != len(area_ids):
        raise invalid(area_ids="one of these areas is not there any more: choose again")
    is_approved = all(_sees(caller, row.path) for row in rows)
    assist_id = new_id("ast")
    arguments = {
        "request_id": assist_id, "case_id": body.case_id, "user_id": caller.user_id,
        "desk_id": caller.desk_id, "title": body.title, "words": body.words, "plate": body.plate,
        "start_us": body.start_us, "end_us": body.end_us, "deadline_us": body.deadline_us,
        "areas": [{"area_id": row.id, "path": row.path, "name": row.name} for row in rows],
        "photo_ids": list(dict.fromkeys(body.photo_ids)), "is_approved": is_approved,
    }  # fmt: skip
    await act(
        services, request, caller, "assist.ask", "assist.ask", arguments,
        area=case.area_path, reason=ReasonGiven(text=body.title, case_id=body.case_id),
        detail={
            "request_id": assist_id, "area_ids": area_ids, "photos": len(body.photo_ids),
            "start_us": body.start_us, "end_us": body.end_us, "deadline_us": body.deadline_us,
            "words": body.words, "plate": body.plate, "is_approved": is_approved,
        },
    )  # fmt: skip
    return await _document(services, caller, assist_id)


@router.get("/{assist_id}", response_model=AssistRequest)
async def read_request(assist_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One request: the board of who asked, what clerks are asked of the own areas."""
    return await _document(services, caller, assist_id)


@router.post("/{assist_id}/approve", response_model=AssistRequest)
async def approve(
    assist_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: Approval = WITHOUT_WORDS,
) -> dict[str, Any]:
    """Its clerks are told, and what they attach is lent to who asked."""
    return await _decide(services, caller, request, assist_id, True, body.note)


@router.post("/{assist_id}/refuse", response_model=AssistRequest)
async def refuse(
    assist_id: str, body: Refusal, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Nobody is asked, and its photos are deleted."""
    return await _decide(services, caller, request, assist_id, False, body.note)


@router.post("/{assist_id}/remind", response_model=AssistRequest)
async def remind(
    assist_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    body: Reminder | None = None,
) -> dict[str, Any]:
    """Urge those who have not answered."""
    said = body or Reminder()
    row = await own(services, caller, assist_id)
    await _act(services, caller, request, row, "remind",
               {"area_ids": said.area_ids, "words": said.note}, said.note)  # fmt: skip
    return await _document(services, caller, assist_id)


@router.post("/{assist_id}/extend", response_model=AssistRequest)
async def extend(
    assist_id: str,
    body: Extension,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
) -> dict[str, Any]:
    """Give it a later deadline, and say why."""
    row = await own(services, caller, assist_id)
    _check_deadline(services.settings.assist, body.deadline_us)
    await _act(services, caller, request, row, "extend",
               {"deadline_us": body.deadline_us, "words": body.note}, body.note,
               deadline_us=body.deadline_us)  # fmt: skip
    return await _document(services, caller, assist_id)


@router.post("/{assist_id}/close", response_model=AssistRequest)
async def close(
    assist_id: str, body: Closing, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """End it with what came of it: its photos are deleted, and nothing is lent any more."""
    row = await own(services, caller, assist_id)
    await _act(services, caller, request, row, "close",
               {"outcome": body.outcome, "words": body.note}, body.note,
               outcome=body.outcome)  # fmt: skip
    # What is being played by it ends now.
    services.rights_changed.set()
    return await _document(services, caller, assist_id)


@router.get("/{assist_id}/summary.xlsx", response_class=Response)
async def summary_sheet(
    assist_id: str,
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    language: Language = "zh",
    utc_offset_minutes: Offset = 480,
) -> Response:
    """The answers as a sheet, one line for each area."""
    row = await managed_request(services, caller, assist_id)
    async with services.reader.connect() as connection:
        document = await board(connection, caller, row)
    await record(
        services, request, caller, "assist.summary", assist_id=assist_id,
        reason=ReasonGiven(text=row.title, case_id=row.case_id),
    )  # fmt: skip
    return await sheet_answer("assist", board_rows(document, language, utc_offset_minutes))


async def managed_request(services: Services, caller: Principal, assist_id: str) -> sa.Row[Any]:
    """The request, if all of it is the caller's to see. Raises ApiError 404."""
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, assist_id, managed=True)
    if row is None:
        raise not_there()
    return row


async def own(services: Services, caller: Principal, assist_id: str) -> sa.Row[Any]:
    """The caller's own request. Raises ApiError 404, 403 ``not_requester``."""
    row = await managed_request(services, caller, assist_id)
    if row.created_by != caller.user_id:
        raise ApiError(403, "not_requester", "only who asked may do this")
    async with services.reader.connect() as connection:
        await joined_case(connection, caller, row.case_id)
    return row


async def _decide(
    services: Services,
    caller: Principal,
    request: Request,
    assist_id: str,
    approve: bool,
    note: str | None,
) -> dict[str, Any]:
    require_full_sign_in(caller)
    row = await managed_request(services, caller, assist_id)
    async with services.reader.connect() as connection:
        asked = (await asked_areas(connection, [assist_id]))[assist_id]
    for one in asked:
        check(caller, Right.APPROVE, AreaPlace(one.now_path))
    arguments = {"desk_id": caller.desk_id, "approve": approve, "words": note}
    action = "approve" if approve else "refuse"
    await _act(services, caller, request, row, action, arguments, note, operation="decide")
    return await _document(services, caller, assist_id)


async def _act(
    services: Services,
    caller: Principal,
    request: Request,
    row: sa.Row[Any],
    action: str,
    arguments: dict[str, Any],
    words: str | None,
    operation: str | None = None,
    **detail: Any,
) -> Any:
    return await act(
        services, request, caller, f"assist.{action}", f"assist.{operation or action}",
        {"request_id": row.id, "user_id": caller.user_id, **arguments},
        reason=ReasonGiven(text=words, case_id=row.case_id),
        detail={"request_id": row.id, **detail},
    )  # fmt: skip


async def _document(services: Services, caller: Principal, assist_id: str) -> dict[str, Any]:
    services.assist.look()
    async with services.reader.connect() as connection:
        row = await find_request(connection, caller, assist_id)
        if row is None:
            raise not_there()
        return await board(connection, caller, row)


def _sees(caller: Principal, path: str) -> bool:
    place, at_us = AreaPlace(path), now_us()
    return all(
        authorize(caller, right, place, at_us).allowed for right in (Right.SEARCH, Right.PLAYBACK)
    )


def _check_times(limits: AssistSettings, body: AskForm) -> None:
    at_us = now_us()
    if not body.start_us < body.end_us <= body.start_us + limits.window_hours * _HOUR_US:
        hours = f"{limits.window_hours:g}"
        raise invalid(end_us=f"the window is empty or longer than {hours} hours: make it shorter")
    if body.end_us > at_us + _TOLERATED_US:
        raise invalid(end_us="the window lies in the future: there is no footage of it yet")
    _check_deadline(limits, body.deadline_us)


def _check_deadline(limits: AssistSettings, deadline_us: int) -> None:
    at_us = now_us()
    if not at_us < deadline_us <= at_us + limits.longest_days * _DAY_US + _TOLERATED_US:
        raise invalid(deadline_us=f"a request ends within {limits.longest_days:g} days from now")
